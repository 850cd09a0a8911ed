"""`editmetrics qbench`: a benchmark's questions and a model in; tables of its scores out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .endpoint_options import endpoint_options, given_options

if TYPE_CHECKING:
    from ..benchmarks.qbench import Benchmark, Format
    from ..judge import Judge


@click.command()
@click.argument("data", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="DATA")
@click.option(
    "--model", help="Who is asked: a hub id or folder, or with --endpoint its name there; 'any' is the only one."
)
@click.option("--endpoint", help="Ask an OpenAI-compatible server: its base URL.")
@click.option("--judge", help="Who rates open answers: a model of OpenAI's, or of --judge-endpoint.")
@click.option("--judge-endpoint", help="An OpenAI-compatible server for the judge.")
@click.option("-o", "--output", type=click.Path(path_type=Path, file_okay=False), help="The folder of results.")
@click.option(
    "--format",
    "layout",
    default="portrait",
    show_default=True,
    help="How the file is laid out: portrait, q-bench, a-bench, aesbench or free.",
)
@click.option(
    "--columns", metavar="FIELD=COLUMN,...", help="Fields that are in other columns: question=Q,options=choices."
)
@click.option("--ignore", multiple=True, metavar="COLUMN", help="A column that is not needed; as often as wanted.")
@click.option("--complete", is_flag=True, help="Insist on all 2,765 questions of Q-Bench-Portrait.")
@click.option("--unanswered", is_flag=True, help="Ask questions whose answer is not in the file, too, without a score.")
@click.option("--prompts", type=click.Path(path_type=Path, dir_okay=False), help="A json file with other prompts.")
@click.option("--shuffle", type=click.IntRange(min=0), default=0, metavar="N", help="N more rounds, options shuffled.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the shuffling.")
@click.option("--level", type=click.FloatRange(0, 1, True, True), default=0.95, show_default=True, help="Of intervals.")
@click.option("--parallel", type=click.IntRange(min=1), help="Requests under way at once. [default: 8]")
@click.option("--temperature", type=float, help="Of the model. [default: the endpoint's; 0 on this machine]")
@click.option(
    "--max-tokens", type=click.IntRange(min=1), help="The longest answer. [default: the endpoint's; 1024 here]"
)
@click.option("--batch-size", type=click.IntRange(min=1), help="Of a model on this machine. [default: 8]")
@click.option("--image-tokens", type=click.IntRange(min=1), help="Of a model on this machine: the most for an image.")
@click.option("--device", help="Of a model on this machine: cpu, cuda, cuda:1. [default: the first GPU, else the CPU]")
@click.option("--key-variable", help="The environment variable with the endpoint's key.")
@click.option("--judge-key-variable", help="The same for the judge.")
@click.option("--judge-temperature", type=float, help="Of the judge. [default: its endpoint's]")
@endpoint_options()
@endpoint_options("judge-", "the judge's endpoint")
@click.option("--check", is_flag=True, help="Look at the data, ask nothing.")
@click.option("--compare", is_flag=True, help="DATA are folders of results: put the models side by side.")
@click.option("--refresh", is_flag=True, help="Ask everything again, and replace what the cache has.")
@click.option("--overwrite", is_flag=True, help="Start afresh in OUTPUT; its record is put aside.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def qbench(data: tuple[Path, ...], output: Path | None, layout: str, level: float, quiet: bool, **options: Any) -> None:
    """Ask a model the questions in DATA, score its answers, and write the tables.

    \b
    DATA is a folder with questions.jsonl and images; see docs/qbench.md for its columns.

    \b
    editmetrics qbench data/ --model Qwen/Qwen3-VL-8B-Instruct --judge gpt-5 -o results/
    editmetrics qbench data/ --endpoint http://localhost:8000/v1 --model any -o results/
    editmetrics qbench data/ --check
    editmetrics qbench --compare results_a/ results_b/ -o comparison/

    The same command goes on with a run that was stopped; nothing is asked twice.

    \b
    Exit codes: 0 every question has a score; 3 some have none; 4 some or all could not be asked now, the endpoint or a
    package being unavailable; 2 called wrongly, or the data has problems; 1 aborted.
    """
    if options["compare"]:
        _compare(data, output, level)
        return
    if len(data) > 1:
        raise click.UsageError("several DATA: one is asked at a time; --compare takes several folders of results")
    benchmark = _read(data[0], layout, output, quiet, options)
    if options["check"]:
        return
    if output is None or (options["model"] is None and options["endpoint"] is None):
        raise click.UsageError("name a --model (or an --endpoint) and a folder for the results, -o; or only --check")
    from ..sample import UnavailableError

    try:
        judge = _judge(options)  # first: a key that is missing is said before a large model is loaded
        model = _model(options)
        _run(benchmark, model, judge, output, level, quiet, options)
    except UnavailableError as error:
        click.echo(f"unavailable: {error}. What was answered is kept, and the same command goes on", err=True)
        sys.exit(4)


def _read(data: Path, layout: str, output: Path | None, quiet: bool, options: dict[str, Any]) -> Benchmark:
    """The questions; what is wrong with them goes to `problems.txt`, too, where there is a folder of results."""
    from ..benchmarks.qbench import ProblemsError, read_benchmark
    from ..benchmarks.qbench.record import PROBLEMS_HEAD, check_own
    from ..files.atomic import replacing
    from .progress import Progress

    problems = output / "problems.txt" if output is not None else None
    if output is not None:
        check_own(output)
    bar: Progress | None = None

    def looked(number: int, total: int) -> None:
        nonlocal bar
        if bar is None:
            bar = Progress(total, quiet, ("looking at images", "looked at", "unreadable")).__enter__()
        bar.step()

    try:
        benchmark = read_benchmark(
            data,
            _format(layout, options),
            complete=options["complete"],
            unanswered=options["unanswered"],
            progress=looked,
        )
    except ProblemsError as error:
        if problems is not None:
            problems.parent.mkdir(parents=True, exist_ok=True)
            lines = [f"{kind}: {one}" for kind, found in error.problems.items() for one in found]
            with replacing(problems) as temporary:
                temporary.write_text("\n".join([PROBLEMS_HEAD, *lines]) + "\n", encoding="utf-8")
            click.echo(f"all of them are in {problems}", err=True)
        raise
    finally:
        if bar is not None:
            bar.__exit__()
    if problems is not None:
        problems.unlink(missing_ok=True)
    _show_data(benchmark)
    return benchmark


def _show_data(benchmark: Benchmark) -> None:
    from collections import Counter

    from ..benchmarks.qbench.items import TYPES

    kinds: Counter[str] = Counter(item.type for item in benchmark.items)
    images = len({item.image_sha256 for item in benchmark.items})
    counted = ", ".join(f"{kinds[kind]:,} {name}" for kind, name in TYPES.items() if kinds[kind])
    click.echo(f"{benchmark.path}: {len(benchmark.items):,} questions ({counted}) on {images:,} images")
    for note in benchmark.notes:
        click.echo(f"note: {note}")


def _format(layout: str, options: dict[str, Any]) -> Format:
    from ..benchmarks.qbench import FORMATS

    if layout not in FORMATS:
        raise click.UsageError(f"there is no format {layout!r}; there are {', '.join(FORMATS)}")
    columns: dict[str, str] = {}
    for text in (options["columns"] or "").split(","):
        name, equals, column = (part.strip() for part in text.partition("="))
        if text and not (name and equals and column):
            raise click.UsageError(f"--columns {text!r}: expected FIELD=COLUMN, such as question=Q")
        if text:
            columns[name] = column
    return FORMATS[layout].with_columns(columns, frozenset(options["ignore"]))


def _model(options: dict[str, Any]) -> Judge:
    """Who is asked: an endpoint's model, or a backbone on this machine."""
    from ..judge import open_judge

    given = {name: options[name] for name in ("temperature", "max_tokens") if options[name] is not None}
    given["refresh"] = options["refresh"]
    if options["endpoint"] is not None:
        _refuse(options, ("batch_size", "image_tokens", "device"), "is for a model on this machine, without --endpoint")
        name = options["model"] or "any"
        given |= given_options(options)
        return open_judge(name, endpoint=options["endpoint"], key_variable=options["key_variable"], **given)
    only = ("key_variable", "timeout", "retries", "extra")
    _refuse(options, only, "is for an --endpoint; without one the model runs on this machine")
    from ..mllm.backbone import Backbone

    backbone = Backbone.load(options["model"], device=options["device"], image_tokens=options["image_tokens"])
    if options["batch_size"] is not None:
        given["batch_size"] = options["batch_size"]
    return open_judge(backbone=backbone, **given)


def _judge(options: dict[str, Any]) -> Judge | None:
    from ..judge import open_judge

    if options["judge"] is None and options["judge_endpoint"] is None:
        only = ("judge_key_variable", "judge_temperature", "judge_timeout", "judge_retries", "judge_extra")
        _refuse(options, only, "is for a --judge")
        return None
    return open_judge(
        options["judge"] or "any",
        endpoint=options["judge_endpoint"],
        key_variable=options["judge_key_variable"],
        temperature=options["judge_temperature"],
        refresh=options["refresh"],
        **given_options(options, "judge_"),
    )


def _refuse(options: dict[str, Any], names: tuple[str, ...], why: str) -> None:
    for name in names:
        if options[name] not in (None, ()):
            raise click.UsageError(f"--{name.replace('_', '-')} {why}")


def _run(
    benchmark: Benchmark,
    model: Judge,
    judge: Judge | None,
    output: Path,
    level: float,
    quiet: bool,
    options: dict[str, Any],
) -> None:
    from ..benchmarks.qbench import ask, read_prompts, write_results
    from ..judge import Answer
    from .progress import Progress

    prompts = benchmark.format.prompts
    if options["prompts"] is not None:
        prompts = read_prompts(options["prompts"], prompts)
    bars: dict[str, Progress] = {}

    def progress(doing: str, total: int, answer: Answer) -> None:
        if doing not in bars:
            for bar in bars.values():
                bar.__exit__()
            past = {"asking": "asked", "judging": "judged", "judging again": "judged again"}[doing]
            bars[doing] = Progress(total, quiet, (doing, past, "without an answer")).__enter__()
        bars[doing].step(answer.ok)

    try:
        outcomes, about = ask(
            benchmark,
            model,
            output,
            judge=judge,
            prompts=prompts,
            shuffle=options["shuffle"],
            seed=options["seed"],
            parallel=options["parallel"],
            refresh=options["refresh"],
            overwrite=options["overwrite"],
            progress=progress,
        )
    except KeyboardInterrupt:
        click.echo("\nstopped; the same command goes on", err=True)
        sys.exit(1)
    finally:
        for bar in bars.values():
            bar.__exit__()
    report = write_results(output, outcomes, about, level)
    _show(report, output)
    statuses = {outcome.status for outcome in outcomes} | {o.judge["status"] for o in outcomes if o.judge is not None}
    if "unavailable" in statuses:
        click.echo("some questions could not be asked; the same command asks them again", err=True)
        sys.exit(4)
    sys.exit(3 if any(outcome.score is None for outcome in outcomes) else 0)


def _compare(folders: tuple[Path, ...], output: Path | None, level: float) -> None:
    from ..benchmarks.qbench import compare

    if output is not None and output.resolve() in {folder.resolve() for folder in folders}:
        raise click.UsageError(f"-o {output} is one of the folders compared; name another")
    _show(compare(folders, output, level), output)


def _show(report: Any, output: Path | None) -> None:
    from ..tables.terminal import show

    for tables in (*(table.by_column() for table in report.scores), *([table] for table in report.counts)):
        show([*tables, ""])
    if report.no_picture:
        click.echo(report.no_picture)
    if output is not None:
        click.echo(f"wrote {output}")
