"""The metric `vie_score`: two questions to a judge, and what its answers say."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

from annotated_types import Ge, Gt

from ...metric import Metric, pick_device
from ...sample import Dimension, Sample, SampleError, Score, Status, UnavailableError
from .prompts import PERCEPTUAL_QUALITY, SEMANTIC_CONSISTENCY, semantic_consistency

if TYPE_CHECKING:
    import numpy as np

    from ...judge import Answer, ChatModel, Estimate, Question

ASKED = ("semantic_consistency", "perceptual_quality")


class Rating(NamedTuple):
    """What one answer says: two scores from 0 to 10 and the reasons."""

    scores: tuple[float, float]
    reasoning: str
    parsed: str


class Unread(NamedTuple):
    """Why an answer says nothing."""

    status: Status
    reason: str


class VIEScore(Metric):
    """VIEScore of an edit by a chat model, 0 to 10: semantic consistency, perceptual quality, and both together.

    The judge is asked twice. Shown source and edited image with the instruction, it rates the success of the edit and
    how little was overedited; shown the edited image alone, its naturalness and its freedom from artifacts. Semantic
    consistency and perceptual quality are the lower of the two ratings each, `overall` is sqrt(SC * PQ). The judge's
    reasons are the score's `explanation`.

    What the judge refuses or says unreadably is no number: the sample is `refused` or `unparseable`, keeps the
    dimension that was read, and is asked again no more (the published script guesses at random). A sample whose answer
    did not come is `unavailable`, and the same command asks for it again. With several rounds
    each dimension is the mean over those that could be read, and `uncertainty` their standard deviation.

    The texts and the images leave this machine, to the endpoint. See docs/metrics/vie_score.md and docs/judge.md.

    Options:
        model: The judge's name at the endpoint; "any" is whichever model a server of one's own serves.
        endpoint: Base URL of an OpenAI-compatible endpoint; by default OpenAI's, with the key in OPENAI_API_KEY.
        backbone: A vision-language model on this machine, by hub id or folder, instead of an endpoint.
        rounds: How often each question is asked.
        temperature: Of the judge; by default the endpoint's, and 0 on this machine.
        max_tokens: The longest answer; by default the endpoint's, and 1024 on this machine.
        seed: Of the judge, where the endpoint takes one; a round's number is added.
        extra: More parameters, sent to the endpoint as they are: {'reasoning_effort': 'low'}.
        parallel: Requests under way at once.
        key_variable: The environment variable that holds the endpoint's key.
        timeout: Seconds for an answer of the endpoint.
        retries: How often a question is asked again that the endpoint did not answer.
        cache: Keep every answer, and ask nothing twice.
        variant: none, or gedit: GEdit-Bench's script, which scales the edited image to the source's size first.

    Source: Ku et al., VIEScore: towards explainable metrics for conditional image synthesis evaluation, ACL 2024,
    arXiv:2312.14867; the questions are those of the authors' repository, TIGER-AI-Lab/VIEScore (MIT). GEdit-Bench: Liu
    et al., Step1X-Edit, 2025, arXiv:2504.17761.

    >>> [dimension.name for dimension in VIEScore().dimensions]
    ['overall', 'semantic_consistency', 'perceptual_quality']
    """

    name, version = "vie_score", 1
    needs = frozenset({"source", "edited", "prompt"})
    dimensions = (
        Dimension("overall", low=0, high=10, primary=True, description="sqrt(consistency * quality)"),
        Dimension(
            "semantic_consistency", low=0, high=10, description="the instruction is followed, no more is changed"
        ),
        Dimension("perceptual_quality", low=0, high=10, description="the image is natural and free from artifacts"),
    )
    paper = "Ku et al., VIEScore, ACL 2024, arXiv:2312.14867"
    licence = "this code: Apache-2.0; the questions: MIT (VIEScore); the judge's terms are its provider's"
    requires = ("openai", "json-repair")
    runtime_options: ClassVar[frozenset[str]] = frozenset(
        {"endpoint", "key_variable", "parallel", "timeout", "retries", "cache"}
    )
    """None of them changes a number; who serves the model stands in the judge's identity, without port and path."""

    def __init__(
        self,
        *,
        model: str = "gpt-4.1",
        endpoint: str | None = None,
        backbone: str | None = None,
        rounds: Annotated[int, Ge(1)] = 1,
        temperature: Annotated[float, Ge(0)] | None = None,
        max_tokens: Annotated[int, Ge(1)] | None = None,
        seed: int | None = None,
        extra: dict[str, Any] | None = None,
        parallel: Annotated[int, Ge(1)] = 8,
        key_variable: str | None = None,
        timeout: Annotated[float, Gt(0)] = 300.0,
        retries: Annotated[int, Ge(0)] = 6,
        cache: bool = True,
        variant: Literal["none", "gedit"] = "none",
    ) -> None:
        self.model = model
        self.endpoint = endpoint
        self.backbone = backbone
        self.rounds = rounds
        self.temperature = temperature
        self.max_tokens = max_tokens
        self.seed = seed
        self.extra = extra
        self.parallel = parallel
        self.key_variable = key_variable
        self.timeout = timeout
        self.retries = retries
        self.cache = cache
        self.variant = variant
        self.judge: ChatModel | None = None
        """Who is asked; opened by `load`, or put here by whoever has a judge of their own."""

    def identity(self) -> dict[str, Any]:
        return {
            **super().identity(),
            "judge": self.judge.identity() if self.judge else "unknown until loaded",
            "prompts": [SEMANTIC_CONSISTENCY, PERCEPTUAL_QUALITY],
        }

    def load(self) -> None:
        """Open the judge; nothing is sent but, for the model "any", the question for its name.

        Raises `JudgeError` where an option is wrong, `JudgeUnavailableError` where there is none here: a key that is
        not set, a package that is not installed, an endpoint that cannot be reached.
        """
        if self.judge is not None:
            return
        from ...judge import open_judge
        from ...judge.endpoint import ANY

        sampling: dict[str, Any] = {"temperature": self.temperature, "max_tokens": self.max_tokens, "seed": self.seed}
        given = {name: value for name, value in sampling.items() if value is not None}
        if self.backbone is not None:
            from ...mllm.backbone import Backbone

            local = Backbone.load(self.backbone, device=pick_device(self.device))
            self.judge = open_judge(backbone=local, cache=self.cache, **given)
        else:
            more: dict[str, Any] = {
                "endpoint": self.endpoint,
                "key_variable": self.key_variable,
                "parallel": self.parallel,
                "timeout": self.timeout,
                "retries": self.retries,
                "extra": self.extra,
            }
            opened = open_judge(self.model, cache=self.cache, **more, **given)
            if self.model == ANY:
                opened.identity()  # asks for the model's name, so that an endpoint that is down is known before the run
            self.judge = opened

    def prepare(self, sample: Sample) -> tuple[np.ndarray, np.ndarray, str]:
        """Both images (H, W, 3), uint8, and the instruction."""
        from ...bases.full_reference import same_size
        from ...images import eight_bits, read_image

        source, edited = (eight_bits(read_image(image)) for image in (sample.source, sample.edited))
        if self.variant == "gedit":
            source, edited = same_size(source, edited, "edited")
        return source, edited, sample.prompt or ""

    def score_batch(self, batch: list[tuple[np.ndarray, np.ndarray, str]]) -> list[Score]:
        """Raises `UnavailableError` where no sample's questions were answered, because the judge cannot be asked."""
        from ...judge import JudgeError
        from ...judge.asking import as_they_come

        answers: dict[int, Answer] = {}
        why = ""
        try:
            parallel = None if self.backbone else self.parallel
            for number, answer in as_they_come(self._judge(), self._questions(batch), parallel):
                answers[number] = answer
        except JudgeError as error:  # nobody can be asked: what was answered until then counts
            why = str(error)
        each = len(ASKED) * self.rounds
        scores = []
        for row in range(len(batch)):
            own = [answers[number] for number in range(row * each, (row + 1) * each) if number in answers]
            scores.append(self._score(own) if len(own) == each else Score.unscored("unavailable", why))
        if why and all(score.status == "unavailable" for score in scores):
            raise UnavailableError(why)
        return scores

    def batch_key(self, prepared: Any) -> None:
        return None  # each question is asked by itself

    def estimate(self, samples: Iterable[Sample]) -> Estimate:
        """What scoring would take, without asking: how many questions, how many requests after what the cache knows."""
        self.load()
        judge: Any = self._judge()
        found: Estimate = judge.estimate(self._questions(self.prepare(sample) for sample in samples))
        return found

    # ------------------------------------------------------------------ inside

    def _judge(self) -> ChatModel:
        self.load()
        if self.judge is None:
            raise RuntimeError("load() opens a judge")
        return self.judge

    def _questions(self, batch: Iterable[tuple[np.ndarray, np.ndarray, str]]) -> Iterator[Question]:
        """For each sample, and each round, the two questions of `ASKED`."""
        from ...judge import Question

        for source, edited, instruction in batch:
            for round_ in range(self.rounds):
                text = semantic_consistency(instruction)
                yield Question.of(text, [source, edited], schema=_schema(), round=round_)
                yield Question.of(PERCEPTUAL_QUALITY, [edited], schema=_schema(), round=round_)

    def _score(self, answers: Sequence[Answer]) -> Score:
        """What the answers to one sample's questions say: all rounds' first questions and second ones, in turn."""
        read = [_read(answer) for answer in answers]
        rounds = [dict(zip(ASKED, read[start : start + 2], strict=True)) for start in range(0, len(read), 2)]
        ratings: dict[str, list[float]] = {name: [] for name in ("overall", *ASKED)}
        said, unread = [], []
        for number, found in enumerate(rounds, 1):
            of_round = f"round {number}, " if len(rounds) > 1 else ""
            lowest = {}
            for name, rating in found.items():
                if isinstance(rating, Rating):
                    lowest[name] = min(rating.scores)
                    ratings[name].append(lowest[name])
                    shown = ", ".join(f"{score:g}" for score in rating.scores)
                    said.append(f"{of_round}{name.replace('_', ' ')} [{shown}]: {rating.reasoning}")
                else:
                    unread.append((rating.status, f"{of_round}{name.replace('_', ' ')}: {rating.reason}"))
            if len(lowest) == len(ASKED):
                ratings["overall"].append(math.sqrt(math.prod(lowest.values())))
        values = {name: fmean(found) for name, found in ratings.items() if found}
        details: dict[str, Any] = {
            "answers": [answer.provenance() for answer in answers],
            "repaired": sum(isinstance(rating, Rating) and rating.parsed == "repaired" for rating in read),
        }
        if len(rounds) > 1:
            details["rounds_read"] = {name: len(found) for name, found in ratings.items()}
        spread = {name: pstdev(found) for name, found in ratings.items() if len(found) > 1}
        more: dict[str, Any] = {
            "explanation": "\n".join(said) or None,
            "details": details,
            "uncertainty": spread or None,
        }
        if len(values) == len(ratings):
            if unread:
                details["note"] = "; ".join(why for _, why in unread)
            return Score(values, **more)
        statuses = [status for status, _ in unread]
        status = next(
            each for each in ("unavailable", "refused", "unparseable", "failed", "skipped") if each in statuses
        )
        return Score(values, status, "; ".join(why for _, why in unread), **more)


def _read(answer: Answer) -> Rating | Unread:
    from ...judge import read_json

    try:
        answer.required()
        found = read_json(answer, _schema())
    except SampleError as error:
        return Unread(error.status, str(error))
    first, second = found.value.score
    return Rating((float(first), float(second)), str(found.value.reasoning), found.parsed)


@cache
def _schema() -> Any:
    """{"score": [0 to 10, 0 to 10], "reasoning": text}."""
    from pydantic import Field, create_model

    number = Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]
    scores = Annotated[list[number], Field(min_length=2, max_length=2)]
    return create_model("Rating", score=(scores, ...), reasoning=(str, ...))
