"""Options that several commands have, each declared once, and the texts that they are given as, parsed."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..sample import STATUSES
from ..wording import expected_one_of
from .context import CONFIG, NAMED

if TYPE_CHECKING:
    from ..data import SampleSet
    from ..judge import Judge

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]


device_option = click.option(
    "--device", show_default="first GPU, else CPU", help="Device to compute on: cpu, cuda, cuda:1, ..."
)
workers_option = click.option(
    "--workers", type=click.IntRange(min=1), show_default="one per processor", help="Number of decoding threads."
)
quiet_option = click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
track_option = click.option(
    "--track",
    "trackers",
    multiple=True,
    metavar="KIND:WHERE",
    help="Log to a tracker: tensorboard:FOLDER, wandb:PROJECT, mlflow:EXPERIMENT or trackio:PROJECT. Repeatable.",
)
level_option = click.option(
    "--level",
    type=click.FloatRange(0, 1, True, True),
    default=0.95,
    help="Confidence level of the intervals.",
)
lower_option = click.option(
    "--lower-is-better",
    multiple=True,
    metavar="COLUMN",
    help="Treat this score column as lower-is-better, for metrics unknown to editmetrics. Repeatable.",
)
higher_option = click.option(
    "--higher-is-better",
    multiple=True,
    metavar="COLUMN",
    help="Treat this score column as higher-is-better, for metrics unknown to editmetrics. Repeatable.",
)
pairs_option = click.option(
    "--pair",
    "pairs",
    multiple=True,
    metavar="SCORE=RATING",
    show_default="columns with equal names, or the only rating column",
    help="Score column and the rating column to compare it with. Repeatable.",
)
on_option = click.option(
    "--on",
    multiple=True,
    metavar="COLUMN[=COLUMN]",
    show_default="id; else id and system; else edited",
    help="Column to match rows by, or one of each table. Repeatable.",
)
map_option = click.option(
    "--map",
    "columns",
    multiple=True,
    metavar="NAME=COLUMN",
    show_default="common headings are understood",
    help="Read this column of a table as NAME, as in prompt=edit_instruction. Repeatable.",
)
retry_option = click.option(
    "--retry",
    multiple=True,
    type=click.Choice([status for status in STATUSES if status != "ok"]),
    help="Rescore samples that the record holds with this status. Repeatable.",
)

target_option = click.option(
    "--target",
    "targets",
    multiple=True,
    metavar="DIMENSION=COLUMN",
    show_default="columns named as the dimensions",
    help="Rating column of a dimension. Repeatable.",
)


def label_scale_option(low: float, high: float) -> Decorator:
    """Add `--label-scale LOW HIGH`."""
    text = "Lowest and highest possible rating."
    return click.option("--label-scale", type=float, nargs=2, default=(low, high), metavar="LOW HIGH", help=text)


def overwrite_option(text: str = "Replace existing output files.") -> Decorator:
    """Add `--overwrite`."""
    return click.option("--overwrite", is_flag=True, help=text)


def seed_option(text: str = "Random seed for the bootstrap.") -> Decorator:
    """Add `--seed`, an integer from 0."""
    return click.option("--seed", type=click.IntRange(min=0), default=0, help=text)


def resamples_option(least: int, default: int, text: str = "Number of bootstrap resamples.") -> Decorator:
    """Add `--bootstrap`, the number of resamples, as `replicates`."""
    return click.option("--bootstrap", "replicates", type=click.IntRange(min=least), default=default, help=text)


def config_option(command: Command) -> Command:
    """Add `--config`, which sets default options, and the names of sets and aliases that `-m` takes."""

    @functools.wraps(command)
    def configured(*arguments: Any, **values: Any) -> Any:
        for line in configured_by().get("config", ()):
            click.echo(f"note: {line}", err=True)
        return command(*arguments, **values)

    option = click.option(
        "--config",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        is_eager=True,
        expose_value=False,
        callback=_configure,
        show_default="editmetrics.toml here, else [tool.editmetrics] of pyproject.toml",
        help="File of aliases, named sets of metrics and default options.",
    )
    return option(configured)


def configured_by() -> dict[str, list[str]]:
    """The lines that say what this run takes from a configuration, for its record; empty without one."""
    context = click.get_current_context()
    config = context.meta.get(CONFIG)
    return {} if config is None else {"config": config.lines(context)}


def own_set(name: str) -> tuple[str, ...]:
    """The metrics of the set `name` of the configuration; empty without one."""
    config = click.get_current_context().meta.get(CONFIG)
    specs: tuple[str, ...] = config.specs(name) if config is not None and name in config.sets else ()
    return specs


def _configure(context: click.Context, _: click.Parameter, named: Path | None) -> None:
    path = named or _config_here()
    if path is not None:
        from .config import configure

        configure(context, path, named is not None)


def _config_here() -> Path | None:
    """The configuration of the current folder; None without one."""
    own, project = Path("editmetrics.toml"), Path("pyproject.toml")
    if own.is_file():
        return own
    return project if project.is_file() and b"\n[tool.editmetrics" in project.read_bytes() else None


def _expanded(context: click.Context, _: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    """The metrics of `-m`, where a configuration names sets and aliases."""
    config = context.meta.get(CONFIG)
    if config is None:
        return names
    context.meta[NAMED] = [name for name in names if config.specs(name) != (name,)]
    on_command_line = context.get_parameter_source("metrics") is click.core.ParameterSource.COMMANDLINE
    expanded: tuple[str, ...] = config.expanded(names, not on_command_line)
    return expanded


def metrics_option(text: str, **more: Any) -> Decorator:
    """Add the repeatable `-m`, `--metric` as `metrics`."""
    more.setdefault("shell_complete", completed_by("metric_names"))
    return click.option(
        "-m",
        "--metric",
        "metrics",
        multiple=True,
        metavar="NAME[:opt=value,...]",
        help=text,
        callback=_expanded,
        **more,
    )


def completed_by(name: str) -> Callable[..., Any]:
    """Complete words by the function `name` of `command_line.completion`, which is imported when a shell asks."""

    def complete(*arguments: Any) -> Any:
        from . import completion

        return getattr(completion, name)(*arguments)

    return complete


def fields_named(option: str, texts: Iterable[str], known: Sequence[str]) -> set[str]:
    """The fields that a repeatable `option` names, with commas between; `UsageError` for one that is not `known`."""
    fields = {field.strip() for text in texts for field in text.split(",") if field.strip()}
    for field in sorted(fields.difference(known)):
        raise click.UsageError(f"{option} {field}: {expected_one_of(field, known)}")
    return fields


def columns_option(default: str) -> Decorator:
    """Add the repeatable `--metric COLUMN` as `metrics`, which chooses columns of a table of scores."""
    return click.option(
        "--metric",
        "metrics",
        multiple=True,
        metavar="COLUMN",
        show_default=default,
        help="Use only this score column. Repeatable.",
    )


def file_option(*names: str, text: str, **more: Any) -> Decorator:
    """Add an option that names a file to write; `Path` or None."""
    return click.option(*names, type=click.Path(path_type=Path, dir_okay=False), help=text, **more)


def folder_option(*names: str, text: str, **more: Any) -> Decorator:
    """Add an option that names a folder to write into; `Path` or None."""
    return click.option(*names, type=click.Path(path_type=Path, file_okay=False), help=text, **more)


@dataclass(frozen=True)
class EndpointOptions:
    """The values of `endpoint_options`; None leaves a setting to `open_judge`."""

    endpoint: str | None
    key_variable: str | None
    timeout: float | None
    retries: int | None
    extra: dict[str, Any]

    def open(self, model: str, **options: Any) -> Judge:
        """Open the chat model `model` at this endpoint; options that are None are left out."""
        from ..judge import open_judge

        settings = {**options, "timeout": self.timeout, "retries": self.retries, "extra": self.extra or None}
        settings = {name: value for name, value in settings.items() if value is not None}
        return open_judge(model, endpoint=self.endpoint, key_variable=self.key_variable, **settings)


def endpoint_options(
    prefix: str = "",
    owner: str = "the endpoint",
    endpoint_help: str = "Base URL of an OpenAI-compatible server.",
    endpoint_default: str = "OpenAI",
) -> Decorator:
    """Add `--endpoint`, `--key-variable`, `--timeout`, `--retries` and `--extra`, each with `prefix` before its name.

    The command takes them as one argument `server`, after `prefix` with underscores: an `EndpointOptions`.
    """
    options = (
        click.option(f"--{prefix}endpoint", metavar="URL", show_default=endpoint_default, help=endpoint_help),
        click.option(
            f"--{prefix}key-variable",
            metavar="NAME",
            show_default="OPENAI_API_KEY for OpenAI, else EDITMETRICS_JUDGE_KEY",
            help=f"Environment variable that holds the API key of {owner}.",
        ),
        click.option(
            f"--{prefix}timeout",
            type=click.FloatRange(min=0, min_open=True),
            metavar="SECONDS",
            show_default="300",
            help=f"Time limit for one answer of {owner}.",
        ),
        click.option(
            f"--{prefix}retries",
            type=click.IntRange(min=0),
            show_default="6",
            help=f"Number of times to repeat a request that {owner} did not answer.",
        ),
        click.option(
            f"--{prefix}extra",
            multiple=True,
            metavar="NAME=JSON",
            help=f"Additional request parameter for {owner}, such as reasoning_effort=low. Repeatable.",
        ),
    )
    start = prefix.replace("-", "_")

    def add(command: Command) -> Command:
        @functools.wraps(command)
        def collected(*arguments: Any, **values: Any) -> Any:
            server = {name: values.pop(f"{start}{name}") for name in EndpointOptions.__dataclass_fields__}
            server["extra"] = extra_parameters(server["extra"], f"--{prefix}extra")
            return command(*arguments, **values, **{f"{start}server": EndpointOptions(**server)})

        return functools.reduce(lambda function, option: option(function), reversed(options), collected)

    return add


def extra_parameters(texts: Sequence[str], option: str = "--extra") -> dict[str, Any]:
    """Parse NAME=JSON texts; a value that is not JSON is taken as text.

    >>> extra_parameters(["reasoning_effort=low", "top_k=20", 'chat_template_kwargs={"enable_thinking": false}'])
    {'reasoning_effort': 'low', 'top_k': 20, 'chat_template_kwargs': {'enable_thinking': False}}
    """
    parameters: dict[str, Any] = {}
    for name, value in name_value_pairs(option, texts, "NAME=JSON, such as reasoning_effort=low").items():
        try:
            parameters[name] = json.loads(value)
        except (ValueError, RecursionError):
            if value[:1] in ("[", "{"):
                raise click.UsageError(f"{option} {name}={value}: the value after = is invalid JSON") from None
            parameters[name] = value
    return parameters


def name_value_pairs(option: str, texts: Iterable[str], expected: str = "NAME=VALUE") -> dict[str, str]:
    """Parse the NAME=VALUE texts of a repeatable option; `UsageError` for any other text and for a repeated name.

    >>> name_value_pairs("--set", ["steps=500", "seed = 1"])
    {'steps': '500', 'seed': '1'}
    """
    pairs: dict[str, str] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            raise click.UsageError(f"{option} {text!r}: expected {expected}")
        if name in pairs:
            raise click.UsageError(f"{option}: {name} is given twice")
        pairs[name] = value
    return pairs


def score_rating(text: str) -> tuple[str, str]:
    """Split SCORE=RATING at the last "=".

    >>> score_rating("psnr=mos_quality")
    ('psnr', 'mos_quality')
    """
    score, equals, rating = text.rpartition("=")
    if not equals or not score or not rating:
        raise click.UsageError(f"--pair {text}: expected SCORE=RATING, such as --pair psnr=mos_quality")
    return score, rating


NOT_OF_SETS = {
    "suites": "--suite",
    "pair_by": "--pair-by",
    "with_source_as_system": "--with-source-as-system",
}
"""Options that a run of sets does not have, by their name in Python."""


def finder_for(options: Any) -> Callable[..., SampleSet]:
    """Return the function that finds the samples of `score` with these options: pairs of images, or sets.

    Raises `UsageError` for an option that a run of sets does not have.
    """
    from ..data import find_samples, find_sets
    from ..scoring.run import scores_sets

    if not scores_sets(options.metrics or None):
        return find_samples
    unusable = [option for name, option in NOT_OF_SETS.items() if getattr(options, name)]
    if unusable:
        raise click.UsageError(
            f"leave out {', '.join(unusable)}: a run of sets of images, as of {options.metrics[0]}, does not have it"
        )
    if options.report is not None and options.report.suffix.lower() in (".html", ".htm"):
        raise click.UsageError(
            f"--report {options.report}: the page shows pictures one by one, and of sets there is a table alone; give "
            f"{options.report.stem}.md or {options.report.stem}.tex"
        )
    return find_sets
