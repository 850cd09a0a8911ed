"""The file editmetrics.toml: aliases of metrics, named sets of them, and default options of commands.

A folder may be somebody else's, so a file that is found in it is read with care: it is text and nothing in it is run, a
link out of the folder is not followed, and its default options name no files and no servers. A metric that asks a
server is used only if the command line names it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from ..registry import known_names, parse_spec, split_alias
from ..sample import EditMetricsError
from ..suites import SUITES
from ..wording import expected_one_of
from .context import CONFIG, NAMED

FILE = "editmetrics.toml"
COMMANDS = ("score", "benchmark")
"""Commands that have a table of default options."""

TEXTS = frozenset({"metric", "suite", "device", "dimension", "pair_by", "split", "fail_under", "fail_over"})
"""Options with a text that may have a default here; others with a text name files or servers."""

SERVERS = frozenset({"endpoint", "key_variable", "extra"})
"""Options of a metric that tell where images and keys are sent."""


class ConfigError(EditMetricsError):
    """A configuration file that cannot be used as it is."""


@dataclass(frozen=True)
class Config:
    """A configuration: `aliases` from name to metric, `sets` from name to metrics, `defaults` by command and option."""

    path: Path
    aliases: Mapping[str, str] = field(default_factory=dict)
    sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def specs(self, name: str) -> tuple[str, ...]:
        """The metrics that `name` stands for: those of a set, one of an alias, or itself.

        >>> Config(Path("c.toml"), {"judge": "vie_score:model=any"}, {"mine": ("psnr", "judge")}).specs("mine")
        ('psnr', 'judge=vie_score:model=any')
        """
        names = self.sets.get(name, (name,))
        return tuple(f"{one}={self.aliases[one]}" if one in self.aliases else one for one in names)

    def expanded(self, names: Iterable[str], chosen_here: bool) -> tuple[str, ...]:
        """The metrics of all `names`; `chosen_here` where this file and not the command line names them."""
        specs = tuple(spec for name in names for spec in self.specs(name))
        for spec in specs if chosen_here else ():
            if sending := SERVERS & parse_spec(split_alias(spec)[1])[1].keys():
                raise ConfigError(
                    f"{self.path}: the default metric {spec!r} sets {', '.join(sorted(sending))}; a metric that asks a "
                    "server must be named on the command line, with -m"
                )
        return specs

    def lines(self, context: click.Context) -> list[str]:
        """A line for each thing that this run takes from the file."""
        used = [
            f"--{name.replace('_', '-')}{_shown(value)}"
            for name, value in self.defaults.get(context.info_name or "", {}).items()
            if context.get_parameter_source(_parameter(name)) is ParameterSource.DEFAULT_MAP
        ]
        lines = [f"{self.path}: default options {', '.join(used)}"] if used else []
        suite = context.params.get("suite")
        names = [*([suite] if suite in self.sets else []), *context.meta.get(NAMED, ())]
        return lines + [f"{self.path}: {name} is {_listed(self, name)}" for name in names]


def configure(context: click.Context, path: Path, named: bool) -> None:
    """Read the file at `path` and make its defaults those of the command; `named`: the command line names it."""
    if not named and os.path.realpath(path) != os.path.join(os.path.realpath("."), path.name):
        raise ConfigError(f"{path} is a link out of this folder, and is not followed; name it: --config {path}")
    config = read_config(path)
    context.meta[CONFIG] = config
    command = context.info_name or ""
    defaults = config.defaults.get(command, {})
    _check_defaults(config, command, defaults, context.command)
    context.default_map = {_parameter(name): value for name, value in defaults.items()}


def read_config(path: Path) -> Config:
    """Read editmetrics.toml, or the table [tool.editmetrics] of a pyproject.toml. Raises `ConfigError`."""
    from ..files.toml import parse_toml

    try:
        content = parse_toml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    except ValueError as error:
        raise ConfigError(f"{path} is not TOML: {error}") from error
    if path.name == "pyproject.toml":
        content = content.get("tool", {}).get("editmetrics", {})
    tables = ("aliases", "sets", *COMMANDS)
    for name, table in content.items():
        if name not in tables:
            raise ConfigError(f"{path}: unknown table {name!r}; {expected_one_of(name, tables)}")
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {name} is {table!r}; expected a table, [{name}]")
    aliases, sets = content.get("aliases", {}), content.get("sets", {})
    for name, spec in aliases.items():
        if not isinstance(spec, str):
            raise ConfigError(f'{path}: the alias {name!r} is {spec!r}; expected a metric, such as "lpips:net=vgg"')
        split_alias(f"{name}={spec}")
    for name, specs in sets.items():
        if not isinstance(specs, list) or not specs or not all(isinstance(spec, str) for spec in specs):
            raise ConfigError(f'{path}: the set {name!r} is {specs!r}; expected a list of metrics, ["psnr", ...]')
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name) or name in {*known_names(), *SUITES, *aliases}:
            raise ConfigError(f"{path}: the set {name!r} has the name of a metric, suite or alias, or an invalid one")
    defaults = {command: content[command] for command in COMMANDS if command in content}
    return Config(path, aliases, {name: tuple(specs) for name, specs in sets.items()}, defaults)


def _listed(config: Config, name: str) -> str:
    return ", ".join(config.specs(name)).removeprefix(f"{name}=")


def _check_defaults(config: Config, command: str, defaults: Mapping[str, Any], click_command: click.Command) -> None:
    options = {
        one.opts[-1].lstrip("-"): one
        for one in click_command.params
        if isinstance(one, click.Option) and _may_have_default(one)
    }
    for name, value in defaults.items():
        option = options.get(name.replace("_", "-"))
        if option is None:
            raise ConfigError(
                f"{config.path}: [{command}] {name} has no default here; {expected_one_of(name, options)} (files, "
                "folders and servers are named on the command line)"
            )
        if option.multiple != isinstance(value, list) or (option.is_flag and not isinstance(value, bool)):
            wanted = "a list" if option.multiple else "true or false" if option.is_flag else "a single value"
            raise ConfigError(f"{config.path}: [{command}] {name} is {value!r}; expected {wanted}")


def _may_have_default(option: click.Option) -> bool:
    name = option.opts[-1].lstrip("-").replace("-", "_")
    if name in ("overwrite", "config", "help", "json"):
        return False
    numbers = click.types.IntParamType, click.types.FloatParamType
    return option.is_flag or isinstance(option.type, (click.Choice, *numbers)) or name in TEXTS


def _parameter(name: str) -> str:
    """The name under which a command takes the option."""
    return {"metric": "metrics"}.get(name, name.replace("-", "_"))


def _shown(value: Any) -> str:
    """The value of an option behind its name; nothing for a flag that is set."""
    return "" if value is True else f" {' '.join(map(str, value)) if isinstance(value, list) else value}"
