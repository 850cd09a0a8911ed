"""`editmetrics doctor`: what is installed, what is broken and why, and what is missing."""

from __future__ import annotations

import dataclasses
import json
import sys
import textwrap
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from ..command_line import json_option
from ..command_line.output import echo_styled
from ..wording import plural

if TYPE_CHECKING:
    from ..diagnosis import Diagnosis


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Show versions, devices, extras, plugins, caches, variables and disk space, and diagnose problems.

    Exit codes: 0 no problems; 3 something is broken. A missing extra or library is not a problem.
    """
    from ..diagnosis import diagnose

    diagnosis = diagnose()
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(diagnosis), indent=2, ensure_ascii=False))
    else:
        show(diagnosis)
    sys.exit(3 if diagnosis.problems else 0)


def show(diagnosis: Diagnosis) -> None:
    """Print the diagnosis as plain text, since the library that draws tables may be broken."""
    _section("versions", ((name, version or "not installed") for name, version in diagnosis.versions.items()))
    _section("devices", _devices(diagnosis.devices))
    _section("extras", ((e["extra"], _extra(e)) for e in diagnosis.extras))
    plugins = [(plugin["name"], _state(plugin)) for plugin in diagnosis.plugins]
    plugins += [(name, f"replaced by {package}, with your permission") for name, package in diagnosis.allowed.items()]
    plugins += [(f"command {command['name']}", _state(command)) for command in diagnosis.commands]
    _section("plugins", plugins or [("none", "create one with 'editmetrics plugin new NAME'")])
    _section("bridges", ((b["library"], _bridge(b)) for b in diagnosis.bridges))
    _section("weights", _weights(diagnosis.weights))
    _section("caches", ((c["cache"], f"{_amount(c)}  {c['path']}") for c in diagnosis.caches))
    _section("variables", diagnosis.environment.items() or [("none", "")])
    if diagnosis.disk:
        free, total = _size(diagnosis.disk["free"]), _size(diagnosis.disk["total"])
        _section("disk", [("free", f"{free} of {total}  {diagnosis.disk['path']}")])
    if not diagnosis.problems:
        echo_styled(("no problems found", {"fg": "green"}))
        return
    echo_styled((plural(len(diagnosis.problems), "problem"), {"fg": "red", "bold": True}))
    for problem in diagnosis.problems:
        click.echo(textwrap.fill(problem, 96, initial_indent="  - ", subsequent_indent="    ", break_on_hyphens=False))


def _section(title: str, rows: Iterable[tuple[str, str]]) -> None:
    rows = list(rows)
    if not rows:
        return
    echo_styled((title, {"bold": True}))
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        click.echo(f"  {name.ljust(width)}  {text}".rstrip())
    click.echo()


def _devices(devices: Mapping[str, Any]) -> list[tuple[str, str]]:
    if not devices:
        return []
    gpus = [(f"cuda:{number}", f"{gpu['name']}, {gpu['gigabytes']} GB") for number, gpu in enumerate(devices["gpus"])]
    mps = [("mps", "Apple GPU")] if devices["mps"] else []
    return [("cpu", f"{plural(devices['processors'], 'processor')}, torch uses {devices['threads']}"), *gpus, *mps]


def _state(plugin: Mapping[str, Any]) -> str:
    return f"{plugin['package']}: {'BROKEN, see below' if plugin['broken'] else 'ok'}"


def _extra(extra: Mapping[str, Any]) -> str:
    return f"missing {', '.join(extra['missing'])}: {extra['pip']}" if extra["missing"] else "complete"


def _bridge(bridge: Mapping[str, Any]) -> str:
    return str(bridge["version"] or f"not installed: pip install {bridge['package']}")


def _weights(weights: Mapping[str, Any]) -> list[tuple[str, str]]:
    if not weights:
        return []
    names = ", ".join(weights["here"]) or "none"
    return [("here", f"{len(weights['here'])} of {weights['registered']}: {names}")]


def _amount(cache: Mapping[str, Any]) -> str:
    if "answers" in cache:
        return plural(cache["answers"], "answer")
    return f"{'' if cache['complete'] else 'over '}{_size(cache['bytes'])}"


def _size(count: float) -> str:
    """Format a number of bytes.

    >>> _size(0), _size(1536), _size(5 * 2**30)
    ('0 B', '1.5 kB', '5.0 GB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TB"
