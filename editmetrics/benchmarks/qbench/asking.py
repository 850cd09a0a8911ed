"""Ask a model all questions of a benchmark, and a judge about its open answers; nothing is asked twice.

    questions = read_benchmark("data/")
    outcomes, about = ask(questions, open_judge("any", endpoint="http://localhost:8000/v1"), "results/")

Every answer is a line of the journal `record.jsonl`, under a key of all that produced it. The judge's cache, which is
one for the whole machine, may have it too; the journal makes a folder of results complete by itself.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from ...file_hashes import sha256_of_json
from ...files.writing import Journal
from ...images import decoder
from ...judge import Answer, ChatModel, Question
from ...sample import SampleError
from ..benchmark import BenchmarkError
from .answer_parser import read_judgement
from .outcomes import Outcome, outcome_of
from .questions import Item, Prompts
from .reader import QuestionSet

AskProgress = Callable[[str, int, Answer], object]
"""Called with "asking", "judging" or "judging again", the number of questions to ask, and each answer."""


@dataclass(frozen=True)
class AskOptions:
    """How a benchmark is asked.

    - `prompts`: the words; by default those of the benchmark's format.
    - `shuffle`: additional rounds of the questions with options, in other orders. `seed`: random seed of the orders.
    - `parallel`: requests in flight at once.
    - `refresh`: ask everything again (open the models with `refresh=True` too, or their caches answer).
    - `overwrite`: put the record of the folder aside and start again.
    """

    prompts: Prompts | None = None
    shuffle: int = 0
    seed: int = 0
    parallel: int | None = None
    refresh: bool = False
    overwrite: bool = False


RECORD_HEAD = b'{"kind":'
"""How every record begins."""


class AnswerJournal(Journal):
    """`record.jsonl` in a folder of results: a line of kind "run" for each run, and one of kind "answer" for each
    answer of the model or of the judge."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "record.jsonl", beginning=RECORD_HEAD)
        self.answers: dict[str, Answer] = {}
        self.runs: list[dict[str, Any]] = []

    def read(self) -> None:
        """Read the answers of earlier runs."""
        self.each(self._take)

    def _take(self, entry: dict[str, Any]) -> None:
        if entry["kind"] == "answer":
            self.answers[entry["key"]] = Answer(**entry["answer"])
        else:
            self.runs.append({name: value for name, value in entry.items() if name != "kind"})

    def forget(self) -> None:
        """Rename the file to `record.jsonl.old`, in place of an older one."""
        if self.path.exists():
            self.path.replace(self.path.with_suffix(".jsonl.old"))

    def start(self, run: dict[str, Any]) -> None:
        """Append the line of this run."""
        self.runs.append(run)
        self.append({"kind": "run", **run})

    def write(self, key: str, answer: Answer, name: str) -> None:
        """Keep an answer. `name` is the question's, for people who read the file."""
        self.answers[key] = answer
        self.append({"kind": "answer", "key": key, "of": name, "answer": asdict(answer)})


def order_of(item: Item, round: int, seed: int = 0) -> tuple[int, ...]:
    """Return the order in which the options of an item are shown: that of the file in round 0, shuffled in others.

    The shuffled orders of an item are the rotations of one order drawn for it, so that over as many rounds as it has
    options each option stands once in each place, and places are compared on the same questions.

    >>> item = Item("1", "SC", "?", ("w", "x", "y", "z"), frozenset({0}), Path("1.png"), "00")
    >>> order_of(item, 0), sorted(order_of(item, number).index(2) for number in (1, 2, 3, 4))
    ((0, 1, 2, 3), [0, 1, 2, 3])
    """
    indices = list(range(len(item.options)))
    if round == 0 or not indices:
        return tuple(indices)
    random = np.random.default_rng([seed, int(item.image_sha256[:12] or "0", 16), *item.question.encode()])
    random.shuffle(indices)
    turn = (round - 1) % len(indices)
    return tuple(indices[turn:] + indices[:turn])


def ask(
    benchmark: QuestionSet,
    model: ChatModel,
    folder: str | os.PathLike[str],
    *,
    judge: ChatModel | None = None,
    options: AskOptions | None = None,
    progress: AskProgress | None = None,
) -> tuple[list[Outcome], dict[str, Any]]:
    """Return the outcome of every question, in the order of the file and then of the rounds, and the run's description.

    - `folder`: the results; a run resumes from the record in it.
    - `judge`: the judge of open answers; without one they are asked and have no score.

    A judgement that cannot be read, or that the judge declined, is asked once more by each call, past the cache.

    Raises `BenchmarkError`: the folder holds the answers of another model; `JournalError`: another run is writing
    there; `JudgeError`: no question can be answered, `JudgeUnavailableError`: none at present. Answers until then are
    kept.
    """
    options = options or AskOptions()
    prompts = options.prompts or benchmark.format.prompts
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    run = _description(benchmark, model, judge, prompts, options)
    with AnswerJournal(folder) as journal:
        if options.overwrite:
            journal.forget()
        journal.read()
        _require_same_model(journal, run["model"], folder)
        journal.start(run)
        asker = _Asker(journal, options, progress)
        shown = [
            _Shown(item, number, order_of(item, number, options.seed), prompts, run["model"])
            for number in range(options.shuffle + 1)
            for item in benchmark.items
            if number == 0 or item.options
        ]
        known = set() if options.refresh else {key for key, answer in journal.answers.items() if _settled(answer)}
        asker.ask(model, [one.request for one in shown if one.request.key not in known], "asking")
        judgements = {} if judge is None else asker.judge(judge, run["judge"], prompts, shown)
        root = benchmark.path.parent.resolve()
        outcomes = [
            outcome_of(
                one.item,
                journal.answers[one.request.key],
                judgements.get(one.request.key),
                round=one.round,
                order=one.order,
                image=os.path.relpath(one.item.image.resolve(), root),
            )
            for one in shown
        ]
    return outcomes, run | {"finished": time.strftime("%Y-%m-%dT%H:%M:%S%z")}


def _description(
    benchmark: QuestionSet, model: ChatModel, judge: ChatModel | None, prompts: Prompts, options: AskOptions
) -> dict[str, Any]:
    """All that a run's answers come from."""
    return {
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "model": model.identity(),
        "judge": judge.identity() if judge is not None else None,
        "data": {"file": benchmark.path.name, "sha256": benchmark.sha256, "questions": len(benchmark.items)},
        "format": benchmark.format.name,
        "groups": list(benchmark.format.groups),
        "prompts": prompts.identity(),
        "shuffle": options.shuffle,
        "seed": options.seed,
        "decoder": decoder(),
        "versions": {"python": platform.python_version(), "editmetrics": metadata.version("editmetrics")},
        "notes": list(benchmark.notes),
    }


@dataclass(frozen=True)
class _Request:
    """A question to a model: its key in the journal, its name there, and its content."""

    key: str
    name: str
    question: Question


class _Shown:
    """An item in one round, its options in one order."""

    def __init__(
        self, item: Item, round: int, order: tuple[int, ...], prompts: Prompts, identity: Mapping[str, Any]
    ) -> None:
        self.item, self.round, self.order = item, round, order
        text = prompts.ask(item, order)
        key = _key_of(identity, text, None, item.image_sha256, decoder())
        name = item.id if round == 0 else f"{item.id} (round {round})"
        self.request = _Request(key, name, Question.of(text, [item.image]))


class _Asker:
    """Asks what the journal does not have."""

    def __init__(self, journal: AnswerJournal, options: AskOptions, progress: AskProgress | None) -> None:
        self.journal, self.options, self.progress = journal, options, progress

    def ask(self, model: ChatModel, requests: Sequence[_Request], action: str) -> None:
        """Ask `requests`, each key once, and keep each answer as soon as it arrives.

        An answer that did not come (`unavailable`) is known for this run only, and is not written to the journal.
        """
        missing = list({request.key: request for request in requests}.values())
        questions = (request.question for request in missing)
        for number, answer in model.ask_each(questions, parallel=self.options.parallel):
            if answer.status == "unavailable":
                self.journal.answers.setdefault(missing[number].key, answer)
            else:
                self.journal.write(missing[number].key, answer, missing[number].name)
            if self.progress is not None:
                self.progress(action, len(missing), answer)

    def judge(
        self, judge: ChatModel, identity: Mapping[str, Any], prompts: Prompts, shown: Sequence[_Shown]
    ) -> dict[str, Answer]:
        """Return the judge's answer on each open answer, by the key of the latter."""
        answers = self.journal.answers
        requests: dict[str, _Request] = {}
        for one in shown:
            outcome = outcome_of(one.item, answers[one.request.key], order=one.order)
            if one.item.type == "OE" and one.item.answer is not None and outcome.status == "ok" and outcome.parsed:
                text = prompts.judgement(one.item, outcome.parsed)
                key = _key_of(identity, text, prompts.judge_system, None, "")
                question = Question.of(text, system=prompts.judge_system or None)
                requests[one.request.key] = _Request(key, f"{one.item.id} (judged)", question)
        missing, unread = [], []
        for request in requests.values():
            earlier = None if self.options.refresh else answers.get(request.key)
            if earlier is None or not _settled(earlier):
                missing.append(request)
            elif not _rates(earlier):
                unread.append(request)
        self.ask(judge, missing, "judging")
        self.ask(judge.refreshing(), unread, "judging again")  # past the cache, which has the unreadable answers
        return {key: answers[request.key] for key, request in requests.items()}


def _key_of(identity: Mapping[str, Any], text: str, system: str | None, image_sha256: str | None, decoder: str) -> str:
    """The sha256 of all that an answer comes from: the model, the words, the image file and its decoder."""
    content = {"model": dict(identity), "system": system, "text": text, "image": image_sha256, "decoder": decoder}
    return sha256_of_json(content)


def _settled(answer: Answer) -> bool:
    """True if the question need not be asked again."""
    return answer.status in ("ok", "unparseable", "refused")


def _rates(judgement: Answer) -> bool:
    """True if a judge's answer holds a score."""
    try:
        read_judgement(judgement)
    except SampleError:
        return False
    return True


def _require_same_model(journal: AnswerJournal, identity: Mapping[str, Any], folder: Path) -> None:
    if journal.runs and journal.runs[-1]["model"] != identity:
        earlier = journal.runs[-1]["model"]
        changed = sorted(name for name in earlier.keys() | identity.keys() if earlier.get(name) != identity.get(name))
        changes = "; ".join(f"{name} {earlier.get(name)!r}, now {identity.get(name)!r}" for name in changed)
        raise BenchmarkError(
            f"{folder} holds the answers of another model or setting ({changes}); choose another -o, or --overwrite"
        )
