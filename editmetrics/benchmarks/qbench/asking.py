"""Asking a model all questions of a benchmark, and a judge about its open answers; nothing is asked twice.

benchmark = read_benchmark("data/")
outcomes = ask(benchmark, open_judge("any", endpoint="http://localhost:8000/v1"), "results/", judge=open_judge("gpt-5"))
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from ...images import decoder
from ...judge import Answer, ChatModel, Question
from ...sample import SampleError
from .answer_parser import read_judgement
from .items import BenchmarkError, Item
from .outcomes import Outcome, outcome_of
from .prompts import Prompts
from .reader import Benchmark
from .record import Record, key_of

Progress = Callable[[str, int, Answer], object]
"""Called with "asking", "judging" or "judging again", how many questions there are to ask, and each answer."""


@dataclass(frozen=True)
class _Request:
    """A question to a model: its key in the record, what it is called there, and what is asked."""

    key: str
    of: str
    question: Question


def order_of(item: Item, round: int, seed: int = 0) -> tuple[int, ...]:
    """The order in which the options of an item are shown: that of the file in round 0, shuffled in the others.

    The shuffled orders of an item are the rotations of one order drawn for it, so that over as many rounds as it has
    options each option stands once in each place, and places are compared on the same questions.

    >>> item = Item("1", "SC", "?", ("w", "x", "y", "z"), frozenset({0}), Path("1.png"), "00")
    >>> order_of(item, 0), sorted(order_of(item, number).index(2) for number in (1, 2, 3, 4))
    ((0, 1, 2, 3), [0, 1, 2, 3])
    """
    places = list(range(len(item.options)))
    if round == 0 or not places:
        return tuple(places)
    drawn = np.random.default_rng([seed, int(item.image_sha256[:12] or "0", 16), *item.question.encode()])
    drawn.shuffle(places)
    turn = (round - 1) % len(places)
    return tuple(places[turn:] + places[:turn])


def ask(
    benchmark: Benchmark,
    model: ChatModel,
    folder: str | os.PathLike[str],
    *,
    judge: ChatModel | None = None,
    prompts: Prompts | None = None,
    shuffle: int = 0,
    seed: int = 0,
    parallel: int | None = None,
    refresh: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> tuple[list[Outcome], dict[str, Any]]:
    """What comes of every question, in the order of the file and then of the rounds, and all that it comes from.

    - `folder`: the results; the record in it is gone on from. `overwrite` puts that aside and starts afresh.
    - `judge`: of open answers; without one they are asked and have no score.
    - `shuffle`: so many more rounds of the questions with options, in other orders.
    - `refresh`: ask everything again (open the models with `refresh=True`, too, or their caches answer).

    A judgement that cannot be read, or that the judge declined, is asked once more by each call, past the cache.

    Raises `BenchmarkError`: the folder holds the answers of another model; `JudgeError`: no question can be answered,
    `JudgeUnavailableError`: now and here; what was answered until then is kept.
    """
    prompts = prompts or benchmark.format.prompts
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    by, judged_by = model.identity(), judge.identity() if judge is not None else None
    asked = [
        (item, number, order_of(item, number, seed))
        for number in range(shuffle + 1)
        for item in benchmark.items
        if number == 0 or item.options
    ]
    run = {
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "model": by,
        "judge": judged_by,
        "data": {"file": benchmark.path.name, "sha256": benchmark.sha256, "questions": len(benchmark.items)},
        "format": benchmark.format.name,
        "groups": list(benchmark.format.groups),
        "prompts": prompts.identity(),
        "shuffle": shuffle,
        "seed": seed,
        "decoder": decoder(),
        "versions": {"python": platform.python_version(), "editmetrics": metadata.version("editmetrics")},
        "notes": list(benchmark.notes),
    }
    with Record(folder) as record:
        if overwrite:
            record.forget()
        record.read()
        _check_model(record, by, folder)
        record.start(run)
        requests = [_request(item, prompts.ask(item, order), by, number) for item, number, order in asked]
        known = set() if refresh else {key for key, answer in record.answers.items() if _settled(answer)}
        _ask_all(record, model, [one for one in requests if one.key not in known], parallel, progress, "asking")
        judgements = _judge(record, judge, judged_by, prompts, asked, requests, parallel, refresh, progress)
        root = benchmark.path.parent.resolve()
        outcomes = [
            outcome_of(
                item,
                record.answers[request.key],
                judgements.get(request.key),
                round=number,
                order=order,
                image=os.path.relpath(item.image.resolve(), root),
            )
            for (item, number, order), request in zip(asked, requests, strict=True)
        ]
    return outcomes, run | {"finished": time.strftime("%Y-%m-%dT%H:%M:%S%z")}


def _request(item: Item, text: str, by: Mapping[str, Any], number: int) -> _Request:
    key = key_of(dict(by), text, None, item.image_sha256, decoder())
    return _Request(key, item.id if number == 0 else f"{item.id} (round {number})", Question.of(text, [item.image]))


def _judge(
    record: Record,
    judge: ChatModel | None,
    by: Mapping[str, Any] | None,
    prompts: Prompts,
    asked: Sequence[tuple[Item, int, tuple[int, ...]]],
    requests: Sequence[_Request],
    parallel: int | None,
    refresh: bool,
    progress: Progress | None,
) -> dict[str, Answer]:
    """The judge's answer on each open answer, by the key of the latter."""
    if judge is None or by is None:
        return {}
    wanted: dict[str, _Request] = {}
    for (item, _, order), request in zip(asked, requests, strict=True):
        outcome = outcome_of(item, record.answers[request.key], order=order)
        if item.type == "OE" and item.answer is not None and outcome.status == "ok" and outcome.parsed:
            text = prompts.judgement(item, outcome.parsed)
            key = key_of(dict(by), text, prompts.judge_system, None, "")
            question = Question.of(text, system=prompts.judge_system or None)
            wanted[request.key] = _Request(key, f"{item.id} (judged)", question)
    before = {} if refresh else {one.key: record.answers.get(one.key) for one in wanted.values()}
    unread = [
        one for one in wanted.values() if (known := before.get(one.key)) and _settled(known) and not _rates(known)
    ]
    missing = [one for one in wanted.values() if not (known := before.get(one.key)) or not _settled(known)]
    _ask_all(record, judge, missing, parallel, progress, "judging")
    again = judge.refreshing()  # the cache has the answer that is unreadable
    _ask_all(record, again, unread, parallel, progress, "judging again")
    return {key: record.answers[request.key] for key, request in wanted.items()}


def _ask_all(
    record: Record,
    model: ChatModel,
    requests: Sequence[_Request],
    parallel: int | None,
    progress: Progress | None,
    doing: str,
) -> None:
    """Ask `requests`, each key once, and keep each answer as soon as it is there.

    An answer that did not come (`unavailable`) is known for this run only, and is no line of the record.
    """
    missing = list({request.key: request for request in requests}.values())
    for number, answer in model.ask_each((request.question for request in missing), parallel=parallel):
        if answer.status == "unavailable":
            record.answers.setdefault(missing[number].key, answer)
        else:
            record.write(missing[number].key, answer, missing[number].of)
        if progress is not None:
            progress(doing, len(missing), answer)


def _settled(answer: Answer) -> bool:
    """Whether asking again would be no more than asking twice."""
    return answer.status in ("ok", "unparseable", "refused")


def _rates(judgement: Answer) -> bool:
    """Whether a judge's answer holds a score."""
    try:
        read_judgement(judgement)
    except SampleError:
        return False
    return True


def _check_model(record: Record, by: Mapping[str, Any], folder: Path) -> None:
    if record.runs and record.runs[-1]["model"] != by:
        before = record.runs[-1]["model"]
        differ = sorted(name for name in before.keys() | by.keys() if before.get(name) != by.get(name))
        said = "; ".join(f"{name} {before.get(name)!r}, now {by.get(name)!r}" for name in differ)
        raise BenchmarkError(
            f"{folder} holds the answers of another model or setting ({said}); give another -o, or --overwrite"
        )
