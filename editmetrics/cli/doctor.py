"""`editmetrics doctor`: what is installed, what is broken and why, and what is missing."""

from __future__ import annotations

import dataclasses
import json
import sys
import textwrap
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from .streams import echo_styled

if TYPE_CHECKING:
    from .diagnosis import Diagnosis


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
def doctor(as_json: bool) -> None:
    """Show versions, devices, extras, plugins, caches, variables and disk space, and what is wrong with them.

    Exit code 0 when all is well, 3 when something is broken. An extra or library that is not installed is not.
    """
    from .diagnosis import diagnose

    found = diagnose()
    if as_json:
        click.echo(json.dumps(dataclasses.asdict(found), indent=2, ensure_ascii=False))
    else:
        show(found)
    sys.exit(3 if found.problems else 0)


def show(found: Diagnosis) -> None:
    """Print the diagnosis. Plain text: the library that draws tables may be what is broken."""
    _section("versions", ((name, version or "not installed") for name, version in found.versions.items()))
    _section("devices", _devices(found.devices))
    _section("extras", ((e["extra"], _extra(e)) for e in found.extras))
    plugins = [(p["name"], f"{p['package']}: {'BROKEN, see below' if p['broken'] else 'ok'}") for p in found.plugins]
    plugins += [(name, f"taken by {package}, as you allowed") for name, package in found.allowed.items()]
    _section("plugins", plugins or [("none", "'editmetrics plugin new NAME' begins one")])
    _section("bridges", ((b["library"], _bridge(b)) for b in found.bridges))
    _section("weights", _weights(found.weights))
    _section("caches", ((c["cache"], f"{_amount(c)}  {c['path']}") for c in found.caches))
    _section("variables", found.environment.items() or [("none", "")])
    if found.disk:
        _section(
            "disk", [("free", f"{_size(found.disk['free'])} of {_size(found.disk['total'])}  {found.disk['path']}")]
        )
    if not found.problems:
        echo_styled(("all is well", {"fg": "green"}))
        return
    count = f"{len(found.problems)} problem{'s' if len(found.problems) > 1 else ''}"
    echo_styled((count, {"fg": "red", "bold": True}))
    for problem in found.problems:
        click.echo(textwrap.fill(problem, 96, initial_indent="  - ", subsequent_indent="    ", break_on_hyphens=False))


def _section(title: str, rows: Iterable[tuple[str, str]]) -> None:
    rows = list(rows)
    if not rows:
        return
    echo_styled((title, {"bold": True}))
    width = max(len(name) for name, _ in rows)
    for name, said in rows:
        click.echo(f"  {name.ljust(width)}  {said}".rstrip())
    click.echo()


def _devices(devices: Mapping[str, Any]) -> list[tuple[str, str]]:
    if not devices:
        return []
    gpus = [(f"cuda:{number}", f"{gpu['name']}, {gpu['gigabytes']} GB") for number, gpu in enumerate(devices["gpus"])]
    mps = [("mps", "Apple GPU")] if devices["mps"] else []
    return [("cpu", f"{devices['processors']} processors, torch uses {devices['threads']}"), *gpus, *mps]


def _extra(extra: Mapping[str, Any]) -> str:
    return f"missing {', '.join(extra['missing'])}: {extra['pip']}" if extra["missing"] else "complete"


def _bridge(bridge: Mapping[str, Any]) -> str:
    return str(bridge["version"] or f"not installed: pip install {bridge['package']}")


def _weights(weights: Mapping[str, Any]) -> list[tuple[str, str]]:
    if not weights:
        return []
    here = ", ".join(weights["here"]) or "none"
    return [("here", f"{len(weights['here'])} of {weights['registered']}: {here}")]


def _amount(cache: Mapping[str, Any]) -> str:
    if "answers" in cache:
        return f"{cache['answers']} answers"
    return f"{'' if cache['complete'] else 'over '}{_size(cache['bytes'])}"


def _size(count: float) -> str:
    """Bytes for people.

    >>> _size(0), _size(1536), _size(5 * 2**30)
    ('0 B', '1.5 kB', '5.0 GB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TB"
