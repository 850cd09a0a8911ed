"""`editmetrics qbench`: a benchmark's questions and a model in; tables of its scores out."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..command_line import (
    EndpointOptions,
    Progress,
    SectionedCommand,
    endpoint_options,
    folder_option,
    level_option,
    name_value_pairs,
    overwrite_option,
    quiet_option,
    seed_option,
)
from ..wording import expected_one_of, plural

if TYPE_CHECKING:
    from ..benchmarks.qbench import Format, QuestionSet
    from ..judge import Judge


@dataclass(frozen=True)
class QuestionOptions:
    """The options of `editmetrics qbench`."""

    model: str | None
    server: EndpointOptions
    judge: str | None
    judge_server: EndpointOptions
    judge_temperature: float | None
    output: Path | None
    layout: str
    columns: str | None
    ignore: tuple[str, ...]
    complete: bool
    unanswered: bool
    prompts: Path | None
    shuffle: int
    seed: int
    level: float
    parallel: int | None
    temperature: float | None
    max_tokens: int | None
    batch_size: int | None
    image_tokens: int | None
    device: str | None
    check: bool
    compare: bool
    refresh: bool
    overwrite: bool
    quiet: bool


@click.command(cls=SectionedCommand)
@click.argument("data", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="DATA")
@click.option(
    "--model",
    help="Model to ask: a hub id or folder, or with --endpoint its name there; use 'any' if the server hosts a single "
    "model.",
)
@click.option("--judge", help="Chat model that rates open answers.")
@folder_option("-o", "--output", text="Write the results to this folder.")
@click.option(
    "--format", "layout", default="portrait", help="Layout of the file: portrait, q-bench, a-bench, aesbench or free."
)
@click.option(
    "--columns",
    metavar="FIELD=COLUMN,...",
    help="Columns that hold a field under another name: question=Q,options=choices.",
)
@click.option("--ignore", multiple=True, metavar="COLUMN", help="Column to ignore. Repeatable.")
@click.option("--complete", is_flag=True, help="Require all 2,765 questions of Q-Bench-Portrait.")
@click.option("--unanswered", is_flag=True, help="Also ask questions without an answer in the file; they get no score.")
@click.option("--prompts", type=click.Path(path_type=Path, dir_okay=False), help="JSON file with other prompts.")
@click.option(
    "--shuffle", type=click.IntRange(min=0), default=0, metavar="N", help="Ask N more rounds with shuffled options."
)
@seed_option("Random seed for shuffling options.")
@level_option
@click.option("--parallel", type=click.IntRange(min=1), show_default="8", help="Number of concurrent requests.")
@click.option(
    "--temperature",
    type=float,
    show_default="the endpoint's; 0 for a local model",
    help="Sampling temperature of the model.",
)
@click.option(
    "--max-tokens",
    type=click.IntRange(min=1),
    show_default="the endpoint's; 1024 for a local model",
    help="Maximum number of tokens per answer.",
)
@click.option("--batch-size", type=click.IntRange(min=1), show_default="8", help="Batch size for a local model.")
@click.option(
    "--image-tokens", type=click.IntRange(min=1), help="Maximum number of tokens per image, for a local model."
)
@click.option("--device", show_default="first GPU, else CPU", help="Device for a local model: cpu, cuda, cuda:1, ...")
@endpoint_options(owner="the model", endpoint_help="Base URL of an OpenAI-compatible server that hosts the model.",
                  endpoint_default="none: a local model")  # fmt: skip
@click.option(
    "--judge-temperature", type=float, show_default="the endpoint's", help="Sampling temperature of the judge."
)
@endpoint_options("judge-", "the judge", "Base URL of an OpenAI-compatible server that hosts the judge.")
@click.option("--check", is_flag=True, help="Check the data and exit.")
@click.option("--compare", is_flag=True, help="Compare models: DATA are folders of results.")
@click.option("--refresh", is_flag=True, help="Ask all questions again, and replace cached answers.")
@overwrite_option("Start over in OUTPUT; the existing record is renamed.")
@quiet_option
def qbench(data: tuple[Path, ...], **values: Any) -> None:
    """Ask a model the questions in DATA, score its answers, and write the tables.

    \b
    DATA is a folder with questions.jsonl and images; docs/qbench.md lists the columns.

    \b
    editmetrics qbench data/ --model Qwen/Qwen3-VL-8B-Instruct --judge gpt-5 -o results/
    editmetrics qbench data/ --endpoint http://localhost:8000/v1 --model any -o results/
    editmetrics qbench data/ --check
    editmetrics qbench --compare results_a/ results_b/ -o comparison/

    Run the same command again to resume; no question is asked twice.

    Exit codes: 0 every question has a score; 1 interrupted; 2 usage error, or the data has problems; 3 some questions
    have no score; 4 some or all could not be asked: the endpoint or a package is unavailable.
    """
    options = QuestionOptions(**values)
    if options.compare:
        _compare(data, options.output, options.level)
        return
    if len(data) > 1:
        raise click.UsageError("expected one DATA; only --compare takes several folders, of results")
    benchmark = _read(data[0], options)
    if options.check:
        return
    if options.output is None or (options.model is None and options.server.endpoint is None):
        raise click.UsageError("missing --model (or --endpoint) and a folder for the results (-o); or add --check")
    from ..sample import UnavailableError

    try:
        judge = _judge(options)  # first, so that a missing key is reported before a large model is loaded
        _run(benchmark, _model(options), judge, options.output, options)
    except UnavailableError as error:
        click.echo(f"unavailable: {error}. Answers are kept; run the same command to resume", err=True)
        sys.exit(4)


def _read(data: Path, options: QuestionOptions) -> QuestionSet:
    """Read and show the questions; also write their problems to `problems.txt` if there is a folder of results."""
    from ..benchmarks.qbench import ProblemsError, read_benchmark
    from ..benchmarks.qbench.results import PROBLEMS_HEAD, require_own_folder
    from ..files.writing import replacing

    problems = options.output / "problems.txt" if options.output is not None else None
    if options.output is not None:
        require_own_folder(options.output)
    bars = _Bars(options.quiet)
    try:
        with bars:
            benchmark = read_benchmark(
                data,
                _format(options),
                complete=options.complete,
                unanswered=options.unanswered,
                progress=lambda _, total: bars.step("checking images", "checked", "unreadable", total, True),
            )
    except ProblemsError as error:
        if problems is not None:
            problems.parent.mkdir(parents=True, exist_ok=True)
            lines = [f"{kind}: {one}" for kind, texts in error.problems.items() for one in texts]
            with replacing(problems) as temporary:
                temporary.write_text("\n".join([PROBLEMS_HEAD, *lines]) + "\n", encoding="utf-8")
            click.echo(f"all problems are listed in {problems}", err=True)
        raise
    if problems is not None:
        problems.unlink(missing_ok=True)
    _show_data(benchmark)
    return benchmark


class _Bars:
    """Bars for work in several phases, each of which begins when its first item is finished. A context manager."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet
        self._bars: dict[str, Progress] = {}

    def __enter__(self) -> _Bars:
        return self

    def __exit__(self, *_: object) -> None:
        for bar in self._bars.values():
            bar.__exit__()

    def step(self, doing: str, done: str, failed: str, total: int, ok: bool) -> None:
        if doing not in self._bars:
            self.__exit__()
            self._bars[doing] = Progress(total, self.quiet, (doing, done, failed)).__enter__()
        self._bars[doing].step(ok)


def _show_data(benchmark: QuestionSet) -> None:
    from ..benchmarks.qbench.questions import TYPES

    counts: Counter[str] = Counter(item.type for item in benchmark.items)
    images = len({item.image_sha256 for item in benchmark.items})
    by_type = ", ".join(f"{counts[kind]:,} {name}" for kind, name in TYPES.items() if counts[kind])
    click.echo(f"{benchmark.path}: {plural(len(benchmark.items), 'question')} ({by_type}) on {plural(images, 'image')}")
    for note in benchmark.notes:
        click.echo(f"note: {note}")


def _format(options: QuestionOptions) -> Format:
    from ..benchmarks.qbench import FORMATS

    if options.layout not in FORMATS:
        raise click.UsageError(f"unknown format {options.layout!r}; {expected_one_of(options.layout, FORMATS)}")
    texts = [text for text in (options.columns or "").split(",") if text]
    columns = name_value_pairs("--columns", texts, "FIELD=COLUMN, such as question=Q")
    return FORMATS[options.layout].with_columns(columns, frozenset(options.ignore))


def _model(options: QuestionOptions) -> Judge:
    """Open the model to ask: an endpoint's, or a backbone on this machine."""
    from ..judge import open_judge

    server = options.server
    if server.endpoint is not None:
        local = {"batch-size": options.batch_size, "image-tokens": options.image_tokens, "device": options.device}
        _refuse(local, "is for a local model; remove --endpoint")
        return server.open(
            options.model or "any",
            temperature=options.temperature,
            max_tokens=options.max_tokens,
            refresh=options.refresh,
        )
    _refuse(_given(server), "requires --endpoint; without it, the model is local")
    from ..mllm.backbone import Backbone

    if options.model is None:
        raise click.UsageError("a model is required: name it with --model, or a server with --endpoint")
    backbone = Backbone.load(options.model, device=options.device, image_tokens=options.image_tokens)
    settings = {name: getattr(options, name) for name in ("temperature", "max_tokens", "batch_size")}
    settings = {name: value for name, value in settings.items() if value is not None}
    return open_judge(backbone=backbone, refresh=options.refresh, **settings)


def _judge(options: QuestionOptions) -> Judge | None:
    server = options.judge_server
    if options.judge is None and server.endpoint is None:
        _refuse({**_given(server, "judge-"), "judge-temperature": options.judge_temperature}, "requires --judge")
        return None
    return server.open(options.judge or "any", temperature=options.judge_temperature, refresh=options.refresh)


def _given(server: EndpointOptions, prefix: str = "") -> dict[str, Any]:
    return {
        f"{prefix}key-variable": server.key_variable,
        f"{prefix}timeout": server.timeout,
        f"{prefix}retries": server.retries,
        f"{prefix}extra": server.extra or None,
    }


def _refuse(values: dict[str, Any], reason: str) -> None:
    """Raise `UsageError` for the first option that has a value."""
    for name, value in values.items():
        if value is not None:
            raise click.UsageError(f"--{name} {reason}")


def _run(benchmark: QuestionSet, model: Judge, judge: Judge | None, output: Path, options: QuestionOptions) -> None:
    """Ask and judge, write and show the results, and end with the exit code."""
    from ..benchmarks.qbench import AskOptions, ask, read_prompts, write_results
    from ..judge import Answer

    prompts = benchmark.format.prompts
    if options.prompts is not None:
        prompts = read_prompts(options.prompts, prompts)
    past = {"asking": "asked", "judging": "judged", "judging again": "judged again"}

    def progress(doing: str, total: int, answer: Answer) -> None:
        bars.step(doing, past[doing], "without an answer", total, answer.ok)

    try:
        with _Bars(options.quiet) as bars:
            outcomes, about = ask(
                benchmark,
                model,
                output,
                judge=judge,
                options=AskOptions(
                    prompts, options.shuffle, options.seed, options.parallel, options.refresh, options.overwrite
                ),
                progress=progress,
            )
    except KeyboardInterrupt:
        click.echo("\ninterrupted; run the same command to resume", err=True)
        sys.exit(1)
    report = write_results(output, outcomes, about, options.level)
    _show(report, output)
    statuses = {outcome.status for outcome in outcomes} | {o.judge["status"] for o in outcomes if o.judge is not None}
    if "unavailable" in statuses:
        click.echo("some questions could not be asked; run the same command to ask them again", err=True)
        sys.exit(4)
    sys.exit(3 if any(outcome.score is None for outcome in outcomes) else 0)


def _compare(folders: tuple[Path, ...], output: Path | None, level: float) -> None:
    from ..benchmarks.qbench import compare

    if output is not None and output.resolve() in {folder.resolve() for folder in folders}:
        raise click.UsageError(f"-o {output} is one of the compared folders; choose another")
    _show(compare(folders, output, level), output)


def _show(report: Any, output: Path | None) -> None:
    from ..tables.table import show

    for tables in (*(table.by_column() for table in report.scores), *([table] for table in report.counts)):
        show([*tables, ""])
    if report.no_picture:
        click.echo(report.no_picture)
    if output is not None:
        click.echo(f"wrote {output}")
