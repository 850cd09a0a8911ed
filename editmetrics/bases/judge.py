"""`JudgeMetric`, the base of metrics that ask a chat model: it asks in rounds, and turns answers into scores."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, pstdev
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from annotated_types import Ge, Gt

from ..metric import Metric, pick_device
from ..sample import Sample, SampleError, Score, Status, UnavailableError
from .backbone_metric import on_the_hub

if TYPE_CHECKING:
    from ..judge import Answer, ChatModel, Encoding, Estimate, Question
    from ..judge.local import Generator

WORST_FIRST: tuple[Status, ...] = ("unavailable", "refused", "unparseable", "failed", "skipped")


@dataclass(frozen=True)
class Verdict:
    """The numbers and reasons in one answer.

    - `values`: its numbers, by dimension (or by a name that `combine` knows).
    - `explanation`: its reasons. `shown`: what stands before them, such as the numbers themselves.
    - `repaired`: whether its punctuation had to be repaired, as `read_json` tells.
    """

    values: Mapping[str, float]
    explanation: str = ""
    shown: str = ""
    repaired: bool = False


@dataclass(frozen=True)
class _Asked:
    """A sample under way: the questions of one round, those of all rounds, and the answers by number so far."""

    item: Mapping[str, Question]
    questions: list[Question]
    answers: dict[int, Answer] = field(default_factory=dict)

    @property
    def in_order(self) -> list[Answer]:
        return [self.answers[number] for number in sorted(self.answers)]


class JudgeMetric(Metric):
    """Base of metrics that ask a chat model about a sample.

    A subclass gives `name`, `version`, `dimensions`, `prompts`, and the methods `questions` and `read`; and `combine`
    where a dimension comes of several answers. This class opens the judge, asks all questions in parallel, keeps the
    answers, and gives a sample whose answers cannot be read a status and a reason in place of a number. With several
    rounds each value is the mean over those that could be read, and `uncertainty` their standard deviation.

    Options:
        model: The judge's name at the endpoint; "any" is the only model that a server of your own serves.
        endpoint: Base URL of an OpenAI-compatible endpoint; by default OpenAI's, with the key in OPENAI_API_KEY.
        backbone: A vision-language model on this machine, by hub id or folder, instead of an endpoint.
        rounds: How many times each question is asked.
        temperature: The judge's temperature; by default the endpoint's, and 0 on this machine.
        max_tokens: The longest answer; by default the endpoint's, and 1024 on this machine.
        seed: The judge's seed, where the endpoint takes one; the number of the round is added.
        extra: More parameters, sent to the endpoint as they are: {'reasoning_effort': 'low'}.
        parallel: Number of requests at once.
        key_variable: The environment variable that holds the endpoint's key.
        timeout: Seconds for an answer of the endpoint.
        retries: Number of times a question is sent again when the endpoint did not answer.
        cache: Keep every answer, and ask nothing twice.

    >>> from editmetrics import Dimension
    >>> from editmetrics.judge import Answer, Judge, Question, read_number
    >>> class Sharpness(JudgeMetric):
    ...     name, version = "sharpness", 1
    ...     needs = frozenset({"edited"})
    ...     dimensions = (Dimension("sharpness", low=0, high=10, primary=True),)
    ...     prompts = ("How sharp is it, 0 to 10? Answer with the number.",)
    ...     def questions(self, sample):
    ...         return {"sharpness": Question.of(self.prompts[0], [sample.edited])}
    ...     def read(self, name, answer):
    ...         return Verdict({name: read_number(answer, 0, 10).value})
    >>> class Scripted:  # in place of a chat model
    ...     parallel = batch_size = 1
    ...     def identity(self): return {"judge": "scripted"}
    ...     def answer(self, questions, stop): return [Answer("7") for _ in questions]
    >>> metric = Sharpness()
    >>> metric.use(Judge(Scripted()))
    >>> metric("docs/examples/edited/cat.jpg")
    Score(sharpness=7)
    """

    needs = frozenset({"source", "edited", "prompt"})
    requires: ClassVar[tuple[str, ...]] = ("openai", "json-repair")
    runtime_options: ClassVar[frozenset[str]] = frozenset(
        {"endpoint", "key_variable", "parallel", "timeout", "retries", "cache"}
    )
    """None of them changes a number; the provider stands in the judge's identity, without port and path."""

    prompts: ClassVar[tuple[str, ...]]
    """The texts of the questions, before a sample's words are put in: they are part of the identity."""

    encoding: ClassVar[Encoding | None] = None
    """How images are sent to an endpoint; None is PNG at full size."""

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
    ) -> None:
        self.model, self.endpoint, self.backbone, self.rounds = model, endpoint, backbone, rounds
        self.temperature, self.max_tokens, self.seed, self.extra = temperature, max_tokens, seed, extra
        self.parallel, self.key_variable, self.timeout = parallel, key_variable, timeout
        self.retries, self.cache = retries, cache
        self.judge: ChatModel | None = None
        self.streams = backbone is None

    # ------------------------------------------------------------------ what a metric author writes

    @abstractmethod
    def questions(self, sample: Sample) -> dict[str, Question]:
        """Return the questions of one round, by name: images and texts in the order in which they are sent."""

    @abstractmethod
    def read(self, name: str, answer: Answer) -> Verdict:
        """Read the answer to the question `name`; raise `SampleError`, as `read_json` does, if it is unreadable."""

    def endpoint_options(self) -> dict[str, Any]:
        """Return more options of `editmetrics.judge.Endpoint` than the metric's own, such as `limit_name`."""
        return {}

    def local_options(self) -> dict[str, Any]:
        """Return more options of `editmetrics.judge.Local` than the metric's own, such as `batch_size`."""
        return {}

    def is_local(self) -> bool:
        """Tell whether a model on this machine is asked, and not an endpoint."""
        return self.backbone is not None

    def sampling(self) -> dict[str, Any]:
        """Return what the judge draws answers by: temperature, max_tokens and seed, where they are set."""
        options = {"temperature": self.temperature, "max_tokens": self.max_tokens, "seed": self.seed}
        return {name: value for name, value in options.items() if value is not None}

    def local_model(self) -> Generator:
        """Load the model on this machine that is asked."""
        from ..mllm.backbone import Backbone

        return Backbone.load(str(self.backbone), device=pick_device(self.device))

    def endpoint_model(self) -> str:
        """Return the name of the model that the endpoint is asked for."""
        return self.model

    def more_details(self, names: Sequence[str], answers: Sequence[Answer]) -> dict[str, Any]:
        """Return more to keep in `Score.details` about the answers to the questions `names`, as JSON."""
        return {}

    def combine(self, values: dict[str, float]) -> dict[str, float]:
        """Return the dimensions of one round from the values of its readable answers; by default the values."""
        return values

    # ------------------------------------------------------------------ the contract

    def use(self, judge: ChatModel) -> None:
        """Ask `judge` instead of the one that the options name: a stand-in for tests, or a judge with other options."""
        self.judge = judge

    def identity(self) -> dict[str, Any]:
        return {
            **super().identity(),
            "judge": self.judge.identity() if self.judge else "unknown until loaded",
            "prompts": list(self.prompts),
        }

    def hub_model(self) -> str | None:
        return on_the_hub(self.backbone)

    def load(self) -> None:
        """Open the judge; nothing is sent but, for the model "any", the question for its name.

        Raises `JudgeError` for an invalid option, `JudgeUnavailableError` where no judge can be asked here: a key that
        is not set, a package that is not installed, an endpoint that cannot be reached.
        """
        if self.judge is not None:
            return
        from ..judge import open_judge
        from ..judge.endpoint import ANY

        options = self.sampling()
        if self.is_local():
            self.judge = open_judge(
                backbone=self.local_model(), cache=self.cache, **{**options, **self.local_options()}
            )
            return
        for name in ("endpoint", "key_variable", "parallel", "timeout", "retries", "extra"):
            options[name] = getattr(self, name)
        model = self.endpoint_model()
        judge = self.ask_endpoint(model, images=self.encoding, **{**options, **self.endpoint_options()})
        if model == ANY:
            judge.identity()  # asks for the model's name, so that an endpoint that is down is known before the run
        self.judge = judge

    def ask_endpoint(self, model: str, **options: Any) -> ChatModel:
        """Open the judge of an endpoint, with `options` of `editmetrics.judge.Endpoint`."""
        from ..judge import open_judge

        return open_judge(model, cache=self.cache, **options)

    def prepare(self, sample: Sample) -> dict[str, Question]:
        """Return the questions of one round, their images decoded."""
        return {name: question.decoded() for name, question in self.questions(sample).items()}

    def score_each(self, prepared: Iterable[dict[str, Question]]) -> Iterator[tuple[int, Score]]:
        """Yield each sample's number and score as soon as its questions are answered; others are asked meanwhile.

        Where the judge cannot be asked, the samples under way are `unavailable`, and no more are taken.
        """
        from ..judge import JudgeError

        open_: dict[int, _Asked] = {}
        reason = "the run was stopped before its questions were answered"
        try:
            yield from self._answered(prepared, open_)
        except JudgeError as error:
            reason = str(error)
        for number in open_:
            yield number, Score.unscored("unavailable", reason)

    def interrupt(self) -> None:
        if self.judge is not None:
            self.judge.interrupt()

    def score_batch(self, batch: list[dict[str, Question]]) -> list[Score]:
        """Raises `UnavailableError` where no sample's questions were answered, because the judge cannot be asked."""
        from ..judge import JudgeError

        scores: dict[int, Score] = {}
        try:
            scores.update(self._answered(batch, {}))
        except JudgeError as error:  # what was answered until then counts
            if all(score.status == "unavailable" for score in scores.values()):
                raise UnavailableError(str(error)) from error
            scores = dict.fromkeys(range(len(batch)), Score.unscored("unavailable", str(error))) | scores
        return [scores[number] for number in range(len(batch))]

    def batch_key(self, prepared: Any) -> None:
        return None  # each question is asked by itself

    def estimate(self, samples: Iterable[Sample]) -> Estimate:
        """Count the questions that scoring would ask, and the requests that the cache leaves; nothing is asked."""
        return self._loaded().estimate(self._ask(self.prepare(sample) for sample in samples))

    # ------------------------------------------------------------------ inside

    def _loaded(self) -> ChatModel:
        self.load()
        if self.judge is None:
            raise RuntimeError("load() opens a judge")
        return self.judge

    def _answered(
        self, prepared: Iterable[dict[str, Question]], open_: dict[int, _Asked]
    ) -> Iterator[tuple[int, Score]]:
        """Yield number and score of each sample that is answered; `open_` holds those that were taken and are not."""
        sample_of: list[int] = []

        def questions() -> Iterator[Question]:
            for number, item in enumerate(prepared):
                open_[number] = _Asked(item, list(self._ask([item])))
                for question in open_[number].questions:
                    sample_of.append(number)
                    yield question

        stale: dict[int, _Asked] = {}
        for index, answer in self._loaded().ask_each(questions(), parallel=self._parallel):
            number = sample_of[index]
            asked = open_[number]
            asked.answers[index] = answer
            if len(asked.answers) < len(asked.questions):
                continue
            if "unparseable" in self.retried and any(self._stale(asked)):
                stale[number] = asked
                continue
            yield number, self._score(asked.item, asked.in_order)
            del open_[number]
        self._ask_past_the_cache([*stale.values()])
        for number, asked in stale.items():
            yield number, self._score(asked.item, asked.in_order)
            del open_[number]

    @property
    def _parallel(self) -> int | None:
        return None if self.is_local() else self.parallel

    def _ask(self, batch: Iterable[Mapping[str, Question]]) -> Iterator[Question]:
        for item in batch:
            for number in range(self.rounds):
                yield from (replace(question, round=number) for question in item.values())

    def _stale(self, asked: _Asked) -> Iterator[tuple[int, Question]]:
        """Yield the questions whose answers are of an earlier run and cannot be read, with the answers' numbers."""
        names = list(asked.item) * self.rounds
        for name, question, (number, answer) in zip(names, asked.questions, sorted(asked.answers.items()), strict=True):
            if answer.cached and not self._reads(name, answer):
                yield number, question

    def _ask_past_the_cache(self, asked: Sequence[_Asked]) -> None:
        """Ask stale questions again; new answers take the place of the old."""
        stale = [(one, number, question) for one in asked for number, question in self._stale(one)]
        questions = [question for *_, question in stale]
        for index, answer in self._loaded().refreshing().ask_each(questions, parallel=self._parallel):
            one, number, _ = stale[index]
            if answer.ok:
                one.answers[number] = answer

    def _reads(self, name: str, answer: Answer) -> bool:
        try:
            answer.required()
            self.read(name, answer)
        except SampleError:
            return False
        return True

    def _score(self, asked: Mapping[str, Question], answers: Sequence[Answer]) -> Score:
        """Make the score of one sample from the answers of its rounds, each with those of the questions in turn."""
        names = list(asked)
        collected: dict[str, list[float]] = {dimension.name: [] for dimension in self.dimensions}
        explanations: list[str] = []
        problems: list[tuple[Status, str]] = []
        repaired = 0
        for number in range(self.rounds):
            values: dict[str, float] = {}
            for name, answer in zip(names, answers[number * len(names) :], strict=False):
                title = self._title(number, name, alone=len(names) == 1)
                try:
                    answer.required()
                    verdict = self.read(name, answer)
                except SampleError as error:
                    problems.append((error.status, f"{title}: {error}" if title else str(error)))
                    continue
                values |= verdict.values
                repaired += verdict.repaired
                prefix = " ".join(filter(None, (title, verdict.shown)))
                explanations.append(": ".join(filter(None, (prefix, verdict.explanation))))
            for name, value in self.combine(values).items():
                collected[name].append(value)
        means = {name: fmean(numbers) for name, numbers in collected.items() if numbers}
        spread = {name: pstdev(numbers) for name, numbers in collected.items() if len(numbers) > 1}
        details: dict[str, Any] = {"answers": [answer.provenance() for answer in answers], "repaired": repaired}
        details |= self.more_details(names, answers)
        if self.rounds > 1:
            details["rounds_read"] = {name: len(numbers) for name, numbers in collected.items()}
        more: dict[str, Any] = {"explanation": "\n".join(filter(None, explanations)) or None, "details": details,
                                "uncertainty": spread or None}  # fmt: skip
        reason = "; ".join(text for _, text in problems)
        needed = [dimension.name for dimension in self.dimensions if reason or not dimension.optional]
        if missing := [name for name in needed if name not in means]:
            statuses: list[Status] = [status for status, _ in problems] or ["failed"]
            reason = reason or f"the answers give no {', '.join(missing)}"
            return Score(means, min(statuses, key=WORST_FIRST.index), reason, **more)
        if reason:
            details["note"] = reason
        return Score(means, **more)

    def _title(self, number: int, name: str, *, alone: bool) -> str:
        """Return the heading of an explanation: the round and the name of the question, where there are several."""
        parts = [f"round {number + 1}"] if self.rounds > 1 else []
        return ", ".join(parts if alone else [*parts, name.replace("_", " ")])
