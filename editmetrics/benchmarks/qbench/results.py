"""Write a folder of results, read it back, and compare several.

- `answers.jsonl`: a line for each question (`Outcome`); `shuffled.jsonl`: one for each question in another order.
- `tables.csv`, `tables.md`, `tables.html`, `tables.tex`: every table; `radar.png`: the first one as a picture.
- `run.json`: all that produced the answers. `record.jsonl`: the journal from which a run resumes.
"""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from ...agreement.shares import paired_difference
from ...files.rows import write_rows
from ...files.writing import replacing, write_text
from ...report.radar_plot import FEWEST_AXES, drawable, plot_radar
from ...tables.latex import latex
from ...tables.markdown import markdown
from ...tables.page import page
from ...tables.scores import ScoreTable, count_table
from ...tables.table import DataTable, percent
from ..benchmark import BenchmarkError
from .asking import RECORD_HEAD
from .outcomes import Outcome
from .positions import position_tables
from .tables import score_tables, status_table

PICTURE = "radar.png"
PROBLEMS_HEAD = "Problems of the data, listed by editmetrics qbench:"
"""The first line of `problems.txt`."""
TITLES = {"portrait": "Q-Bench-Portrait", "q-bench": "Q-Bench", "a-bench": "A-Bench", "aesbench": "AesBench"}


@dataclass(frozen=True)
class ModelResults:
    """One model's results: its name, its outcomes, and all that produced them."""

    name: str
    outcomes: Sequence[Outcome]
    about: Mapping[str, Any]


@dataclass(frozen=True)
class QuestionReport:
    """The tables of one model or several, and the picture that was drawn, or why none was."""

    scores: Sequence[ScoreTable]
    counts: Sequence[DataTable]
    picture: Path | None
    no_picture: str | None = None


def require_own_folder(folder: Path) -> None:
    """Raise `BenchmarkError` for a folder that holds files and none of a run: its files would be taken for ours."""
    if not folder.is_dir() or all(path.name.startswith(".") for path in folder.iterdir()):
        return
    for name, head in {"record.jsonl": RECORD_HEAD, "problems.txt": PROBLEMS_HEAD.encode()}.items():
        if (folder / name).is_file():
            with (folder / name).open("rb") as file:
                start = file.read(len(head))
            if start == head or (name == "record.jsonl" and head.startswith(start)):  # cut in its first line
                return
    raise BenchmarkError(f"{folder} holds files that no run of qbench wrote; name a folder of its own with -o")


def model_name(identity: Mapping[str, Any]) -> str:
    """Return the name of a model in tables.

    >>> model_name({"judge": "endpoint", "model": "Qwen/Qwen3-VL-8B-Instruct"})
    'Qwen3-VL-8B-Instruct'
    """
    name = identity.get("model") or identity.get("backbone", {}).get("model") or identity.get("judge") or "model"
    return str(name).rstrip("/").rpartition("/")[2]


def write_results(
    folder: Path, outcomes: Sequence[Outcome], about: Mapping[str, Any], level: float = 0.95
) -> QuestionReport:
    """Write everything but the record into `folder`, and return the tables."""
    run = ModelResults(model_name(about["model"]), outcomes, about)
    _write_lines(folder / "answers.jsonl", (outcome for outcome in outcomes if outcome.round == 0))
    if shuffled := [outcome for outcome in outcomes if outcome.round]:
        _write_lines(folder / "shuffled.jsonl", shuffled)
    else:
        (folder / "shuffled.jsonl").unlink(missing_ok=True)
    facts = {**about, "answered": _provenances(run)}
    write_text(folder / "run.json", json.dumps(facts, ensure_ascii=False, indent=2) + "\n")
    counts = [status_table({run.name: outcomes}), *position_tables(outcomes, level), provenance_table([run])]
    return _write_tables(folder, [run], counts, level)


def read_results(folder: Path) -> ModelResults:
    """Read the results that a finished run wrote. Raises `BenchmarkError` if the folder has none."""
    try:
        about = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        lines = (folder / "answers.jsonl").read_text(encoding="utf-8").split("\n")
        outcomes = [Outcome.of_json(json.loads(line)) for line in lines if line]
        return ModelResults(model_name(about["model"]), outcomes, about)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchmarkError(f"{folder} does not hold finished results of editmetrics qbench: {error}") from error


def compare(folders: Sequence[Path], output: Path | None = None, level: float = 0.95) -> QuestionReport:
    """Compare models on the same questions, and write the tables to the folder `output` if it is given.

    Raises `BenchmarkError` if the folders do not hold the same questions.
    """
    runs = _named_apart([read_results(folder) for folder in folders], folders)
    _same_questions(runs, folders)
    counts = [_differences(runs, level)] if len(runs) > 1 else []
    counts += [status_table({run.name: run.outcomes for run in runs}), provenance_table(runs)]
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
    return _write_tables(output, runs, counts, level)


def provenance_table(runs: Sequence[ModelResults]) -> DataTable:
    """Return a table of the models that answered and judged: names, those of the server, and dates."""
    rows = []
    for run in runs:
        for one in _provenances(run):
            days = list(dict.fromkeys(one[end][:10] for end in ("first", "last")))
            rows.append([run.name, one["role"], one["model"], one["served"], str(one["answers"]), " to ".join(days)])
    headings = ["results of", "role", "model", "served as", "answers", "asked (UTC)"]
    return count_table("provenance", "Who answered, and who judged", headings, rows)


def _write_tables(
    folder: Path | None, runs: Sequence[ModelResults], counts: Sequence[DataTable], level: float
) -> QuestionReport:
    about = runs[0].about
    models = {run.name: run.outcomes for run in runs}
    scores = score_tables(models, about["format"], about.get("groups", ()), level)
    scores[0] = _with_notes(scores[0], _comparability(runs))
    if folder is None:
        return QuestionReport(scores, counts, None)
    picture, reason = _draw(folder / PICTURE, scores[0])
    tables = [*(table.by_model() for table in scores), *counts]
    names = ", ".join(models) if len(models) <= 2 else f"{len(models)} models"
    title = f"{TITLES.get(about['format'], 'Questions on images')}: {names}"
    texts = {
        "tables.md": markdown(tables),
        "tables.html": page(tables, title, PICTURE if picture else None),
        "tables.tex": latex(tables),
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    write_rows([row for table in scores for row in table.csv_rows()], folder / "tables.csv")
    return QuestionReport(scores, counts, picture, reason)


def _draw(path: Path, table: ScoreTable) -> tuple[Path | None, str | None]:
    if len(drawable(table.columns, table.rows)) < FEWEST_AXES:
        return None, f"no radar plot: fewer than {FEWEST_AXES} columns have a score"
    if importlib.util.find_spec("matplotlib") is None:
        return None, "no radar plot: it needs matplotlib, pip install 'editmetrics[plot]'"
    plot_radar(table.columns, table.rows, path, table.baselines)
    return path, None


def _with_notes(table: ScoreTable, notes: Sequence[str]) -> ScoreTable:
    return replace(table, notes=[*table.notes, *notes])


def _comparability(runs: Sequence[ModelResults]) -> list[str]:
    """Notes on the numbers: how complete the data is, and how the runs differ."""
    notes = list(dict.fromkeys(note for run in runs for note in run.about.get("notes", ())))
    judges = {name for run in runs for role, name, *_ in _served(run) if role == "judge"}
    if len(judges) > 1:
        notes.append(f"open answers were judged by different models: {', '.join(sorted(judges))}")
    for name, difference in (("prompts", "prompts"), ("decoder", "image decoders")):
        if len({json.dumps(run.about.get(name), sort_keys=True) for run in runs}) > 1:
            notes.append(f"the models had different {difference}; see their run.json")
    return notes


def _served(run: ModelResults) -> list[tuple[str, str, str, str]]:
    """Role, model, served name and date of each answer, and of each judgement."""
    served = []
    for outcome in run.outcomes:
        for role, source in (("model", outcome.provenance), ("judge", (outcome.judge or {}).get("provenance"))):
            if source and (outcome.raw is not None or role == "judge"):
                name = source.get("served") or source.get("model") or "unknown"
                served.append((role, name, str(source.get("model") or name), str(source.get("asked") or "")))
    return served


def _provenances(run: ModelResults) -> list[dict[str, Any]]:
    """The models that answered and judged: how often each, when first and when last."""
    dates: dict[tuple[str, str, str], list[str]] = {}
    for role, served, model, date in _served(run):
        dates.setdefault((role, served, model), []).append(date)
    return [
        {"role": role, "model": model, "served": served, "answers": len(at), "first": min(at), "last": max(at)}
        for (role, served, model), at in sorted(dates.items(), reverse=True)
    ]


def _named_apart(runs: Sequence[ModelResults], folders: Sequence[Path]) -> list[ModelResults]:
    """The runs under distinct names: with the folder's name for two of one model."""
    count = Counter(run.name for run in runs)
    named = [
        run if count[run.name] == 1 else ModelResults(f"{run.name} ({folder.name or folder})", run.outcomes, run.about)
        for run, folder in zip(runs, folders, strict=True)
    ]
    if repeated := [name for name, number in Counter(run.name for run in named).items() if number > 1]:
        raise BenchmarkError(f"{repeated[0]} was named twice; name each folder once")
    return named


def _same_questions(runs: Sequence[ModelResults], folders: Sequence[Path]) -> None:
    questions = [{(o.id, o.type, o.question, o.image_sha256, o.correct) for o in run.outcomes} for run in runs]
    for number, other in enumerate(questions[1:], 1):
        only = [len(questions[0] - other), len(other - questions[0])]
        if any(only):
            raise BenchmarkError(
                f"{folders[number]} and {folders[0]} hold different questions ({only[1]:,} only in the former, "
                f"{only[0]:,} only in the latter); compare models on the same ones"
            )


def _differences(runs: Sequence[ModelResults], level: float) -> DataTable:
    """Each model against the best on all questions that both have a score for, with a paired interval."""
    scores = {
        run.name: {o.id: (o.score, o.image_sha256) for o in run.outcomes if o.score is not None and o.round == 0}
        for run in runs
    }
    means = {name: fmean(value for value, _ in own.values()) for name, own in scores.items() if own}
    ordered = sorted(scores, key=lambda name: -means.get(name, -1.0))
    best = ordered[0]
    rows = []
    for name in ordered:
        own = scores[name]
        both = [identifier for identifier in own if identifier in scores[best]]
        cells = [name, str(len(own)), percent(100 * means[name] if name in means else None)]
        if name != best and both:
            pairs = [[points[one][0] for one in both] for points in (own, scores[best])]
            clusters = [own[one][1] for one in both]
            gap, low, high = (100 * end for end in paired_difference(pairs[0], pairs[1], clusters, level))
            cells += [f"{gap:+.2f}", f"{low:+.2f} to {high:+.2f}", str(len(both))]
        rows.append(cells + [""] * (6 - len(cells)))
    headings = ["model", "n", "overall, %", f"against {best}", f"{level:.0%} interval", "n of both"]
    note = "Paired bootstrap over images; an interval that contains 0 does not separate the two."
    return count_table("differences", "Overall, and how far behind the best", headings, rows, [note])


def _write_lines(path: Path, outcomes: Iterable[Outcome]) -> None:
    with replacing(path) as temporary, temporary.open("wb") as file:
        for outcome in outcomes:
            line = json.dumps(outcome.json(), ensure_ascii=False) + "\n"
            file.write(line.encode("utf-8", "backslashreplace"))  # half a character of a model's, as JSON escapes it
