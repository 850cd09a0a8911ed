"""Chains of thought by chat models: one writes each piece from the human level, the others check it (figure 9).

For every rated edit one of the models is drawn to write: why the instruction is followed, or not; and, where it is
followed fully, why harmony and naturalness are as people rated them. Each piece goes to all the other models. Only when
every one of them agrees with every piece are the pieces merged into the answer that stage 3 learns.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...judge import Answer, Image, JudgeError, Message, Question, read_yes_no
from ...judge.answers import is_refusal
from ...judge.asking import ask_and_read
from ...sample import EditMetricsError, Sample, SampleError
from .answers import HARMONY_START, LEVEL_START, NATURALNESS_START, Pieces, explained_answer, sentence
from .levels import completion_of, level_of

DEGREES = {"bad": "very low", "poor": "lower", "fair": "moderate", "good": "higher", "excellent": "very high"}
"""How a prompt says a level; the supplement prints "a lower degree" alone."""

FOLLOWED = {1: "not following the prompt at all", 2: "partially following the prompt", 3: "fully following the prompt"}

CONCISE = "Please describe your analysis results in concise language, within two sentences."

Progress = Callable[[int, int], None]
"""Called after each answer with: answers so far, and the most that there will be."""


class AnnotationError(EditMetricsError):
    """Nothing can be annotated; the message says why."""


@dataclass(frozen=True)
class Piece:
    """One piece of a chain of thought to be written: of which row, about what, and the model that is to write it."""

    row: int
    about: str
    writer: str
    question: Question


@dataclass(frozen=True)
class Plan:
    """Estimated work of an annotation, before any request.

    `pieces` are written by one model each and checked by `checkers` others; `cached` of the written ones are known.
    """

    rows: int
    usable: int
    pieces: int
    cached: int
    checkers: int

    @property
    def requests(self) -> int:
        """The most requests that are still to be made; fewer where a check is in the cache or a piece is refused."""
        return self.pieces - self.cached + self.pieces * self.checkers

    def __str__(self) -> str:
        known = f" ({self.cached} in the cache)" if self.cached else ""
        return (
            f"{self.usable} of {self.rows} edits can be annotated: {self.pieces} pieces to write{known}, "
            f"each checked by {self.checkers}; at most {self.requests} requests with {2 * self.requests} images"
        )


@dataclass
class Annotated:
    """Result: the chain of thought of each row, or the reason for none.

    - `explanations`: the merged answer, or None. `writers`: the model that wrote it. `outcomes`: "ok", or the reason.
    - `refusals`: how many rows were lost for which reason, by model.
    """

    explanations: list[str | None]
    writers: list[str | None]
    outcomes: list[str]
    refusals: Counter[str] = field(default_factory=Counter)

    @property
    def kept(self) -> int:
        return sum(text is not None for text in self.explanations)


class Annotator:
    """Chat models by name that write and check each other's pieces, for rated edits.

    - `judges`: at least two, by name; each keeps `editmetrics.judge.ChatModel`.
    - `targets`: the columns of prompt_completion, harmony, local_naturalness and overall_quality.
    - `label_scale`: of the last three. `seed`: of the draw of writers, which depends on the row's id and nothing else.
    """

    def __init__(
        self,
        judges: Mapping[str, Any],
        samples: Sequence[Sample],
        *,
        targets: Mapping[str, str] | None = None,
        label_scale: tuple[float, float] = (1.0, 5.0),
        seed: int = 0,
    ) -> None:
        if len(judges) < 2:
            raise AnnotationError(
                f"{len(judges)} chat model cannot check itself; name two or more (the paper takes three)"
            )
        self.judges, self.samples, self.seed = dict(judges), list(samples), seed
        self.targets, self.scale = dict(targets or {}), label_scale
        self.problems: dict[int, str] = {}
        self.levels: dict[int, dict[str, Any]] = {}
        for row, sample in enumerate(self.samples):
            try:
                self.levels[row] = self._levels(sample)
            except (EditMetricsError, ValueError) as error:
                self.problems[row] = str(error)
        self.pieces = [piece for row in self.levels for piece in self._pieces(row)]

    def plan(self) -> Plan:
        """Count the requests at most; no request is sent, but images are decoded."""
        cached = 0
        for name, judge in self.judges.items():
            own = [piece.question for piece in self.pieces if piece.writer == name]
            cached += judge.estimate(own).cached if own else 0
        return Plan(len(self.samples), len(self.levels), len(self.pieces), cached, len(self.judges) - 1)

    def run(self, progress: Progress | None = None) -> Annotated:
        """Ask: first all pieces, then all checks. The judges' caches keep the answers: the same call resumes after a
        stop. Raises `JudgeError` where a model can answer nothing at all."""
        counter = _Counter(len(self.pieces) * len(self.judges), progress)
        written = self._written(counter)
        lost: dict[int, str] = dict(self.problems)
        refusals: Counter[str] = Counter("a rating is missing or cannot be used" for _ in self.problems)

        def lose(row: int, model: str, why: str, reason: str) -> None:
            if row not in lost:
                lost[row] = f"{model} {why}: {reason}" if reason else f"{model} {why}"
                refusals[f"{model} {why}"] += 1

        texts: dict[tuple[int, str], str] = {}
        for piece, answer in written:
            try:
                texts[piece.row, piece.about] = _piece(answer)
            except SampleError as error:
                why = "declined to write" if error.status == "refused" else "did not write"
                lose(piece.row, piece.writer, why, str(error))
        whole = [piece for piece, _ in written if piece.row not in lost]
        for name in self.judges:
            to_check = [piece for piece in whole if piece.writer != name and piece.row not in lost]
            questions = [self._check(piece, texts[piece.row, piece.about]) for piece in to_check]
            for piece, answer in zip(to_check, self._answers(name, questions, counter, _agrees), strict=True):
                try:
                    agrees = _agrees(answer)
                except SampleError as error:
                    why = "declined to check" if error.status == "refused" else "did not check"
                    lose(piece.row, name, why, str(error))
                    continue
                if not agrees:
                    lose(piece.row, name, "did not agree", f"{piece.about} by {piece.writer}")
        return self._merged(texts, lost, refusals)

    # ------------------------------------------------------------------ inside

    def _levels(self, sample: Sample) -> dict[str, Any]:
        """The human levels that the pieces are written from; `EditMetricsError` for a row that cannot be used."""
        if missing := [name for name in ("source", "edited", "prompt") if not sample.has(name)]:
            raise AnnotationError(f"the row has no {', no '.join(missing)}")
        completion = completion_of(self._rating(sample, "prompt_completion"))
        levels: dict[str, Any] = {
            "prompt_completion": completion,
            "overall_quality": level_of(self._rating(sample, "overall_quality"), *self.scale),
        }
        for name in ("harmony", "local_naturalness") if completion == 3 else ():
            levels[name] = level_of(self._rating(sample, name), *self.scale)
        return levels

    def _rating(self, sample: Sample, dimension: str) -> float:
        column = self.targets.get(dimension, dimension)
        value = sample.meta.get(column)
        try:
            return float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            raise AnnotationError(f"the column {column} has {value!r}; expected the rating of {dimension}") from None

    def _pieces(self, row: int) -> Iterator[Piece]:
        sample, names = self.samples[row], sorted(self.judges)
        drawn = hashlib.sha256(f"{self.seed} {sample.id}".encode("utf-8", "surrogateescape")).digest()
        writer = names[int.from_bytes(drawn[:8], "big") % len(names)]
        for about in self.levels[row]:
            if about != "overall_quality":
                yield Piece(row, about, writer, self._question(sample, f"{self._considered(row, about)} {CONCISE}"))

    def _considered(self, row: int, about: str) -> str:
        """The supplement's request (section E.3) for one piece, with the level that people gave."""
        level = self.levels[row][about]
        basis = "based on the given original image, the edited image and the editing instructions"
        analyse = f"{basis}, please analyze from the perspective of the edited image itself why the image editing"
        if about == "prompt_completion":
            return f"This image is considered {FOLLOWED[level]}, {analyse} is {FOLLOWED[level]}."
        criterion = {
            "harmony": "harmony between the edited area and the overall image",
            "local_naturalness": "naturalness in the edit area",
        }[about]
        return f"This image is considered having a {DEGREES[level]} degree of {criterion}, {analyse} has it."

    def _check(self, piece: Piece, text: str) -> Question:
        considered = self._considered(piece.row, piece.about).partition(", based on")[0]
        return self._question(
            self.samples[piece.row],
            f'{considered}, say the people who rated it. Another annotator explains this so: "{text}" Is the '
            "explanation reasonable, true of the images and in agreement with that rating? Answer with yes or no.",
        )

    def _question(self, sample: Sample, request: str) -> Question:
        parts = (
            "The original image is: ", Image(sample.source), ", the image after partial editing is: ",
            Image(sample.edited), f". The partial editing prompt is: {sample.prompt}. {request}",
        )  # fmt: skip
        return Question((Message("user", parts),))

    def _written(self, counter: _Counter) -> list[tuple[Piece, Answer]]:
        by_number: dict[int, Answer] = {}
        for name in self.judges:
            own = [(number, piece) for number, piece in enumerate(self.pieces) if piece.writer == name]
            answers = self._answers(name, [piece.question for _, piece in own], counter, _piece)
            by_number |= {number: answer for (number, _), answer in zip(own, answers, strict=True)}
        return [(piece, by_number[number]) for number, piece in enumerate(self.pieces)]

    def _answers(
        self, name: str, questions: Sequence[Question], counter: _Counter, read: Callable[[Answer], object]
    ) -> list[Answer]:
        def reads(_: Question, answer: Answer) -> bool:
            try:
                read(answer)
            except SampleError:
                return False
            return True

        try:
            return ask_and_read(self.judges[name], questions, reads, counter) if questions else []
        except JudgeError as error:
            raise type(error)(f"{name}: {error}") from error

    def _merged(
        self, texts: Mapping[tuple[int, str], str], lost: Mapping[int, str], refusals: Counter[str]
    ) -> Annotated:
        explanations: list[str | None] = [None] * len(self.samples)
        writers: list[str | None] = [None] * len(self.samples)
        for piece in self.pieces:
            if piece.row not in lost:
                levels, row = self.levels[piece.row], piece.row
                parts = [texts.get((row, name)) for name in ("prompt_completion", "harmony", "local_naturalness")]
                pieces = Pieces(str(parts[0]), parts[1], parts[2])
                explanations[row] = explained_answer(levels["prompt_completion"], pieces, levels["overall_quality"])
                writers[row] = piece.writer
        return Annotated(explanations, writers, [lost.get(row, "ok") for row in range(len(self.samples))], refusals)


class _Counter:
    """Counts answers for `progress`."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.count, self.total, self.progress = 0, total, progress

    def __call__(self, _: Answer) -> None:
        self.count += 1
        if self.progress is not None:
            self.progress(self.count, self.total)


def _agrees(answer: Answer) -> bool:
    """Return whether a check says yes. Raises `SampleError` for one that cannot be read, or a refusal."""
    return read_yes_no(answer).value == "yes"


def _piece(answer: Answer) -> str:
    """A written piece on one line. Raises `SampleError` for a refusal, one that was cut off, or one that would be taken
    for another part of the merged answer."""
    text = sentence(answer.required())
    if is_refusal(text):
        raise SampleError(f"the model declined: {text[:200]}", "refused")
    if answer.cut_off:
        raise SampleError("the piece was cut off; a larger max_tokens gives it room", "unparseable")
    if phrases := [phrase for phrase in (HARMONY_START, NATURALNESS_START, LEVEL_START) if phrase in text]:
        raise SampleError(f"the piece holds {phrases[0]!r}, which begins another part of the answer", "unparseable")
    return text
