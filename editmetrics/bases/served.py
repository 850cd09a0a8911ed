"""`ServedMetric`: a metric that reads tokens of a model on this machine, or on a vLLM or SGLang server."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt

from ..metric import Metric
from ..options import OptionError
from ..sample import EditMetricsError, Score, Status, UnavailableError
from ..served import each_of, open_server

if TYPE_CHECKING:
    from ..judge import Answer, Judge
    from ..served.probe import ServerProbe
    from ..served.questions import TokenQuestion
    from ..served.server import Server

OPTIONS = frozenset({"backend", "endpoint", "model", "probe", "parallel", "key_variable", "timeout", "retries"})
"""The options of this base."""

RUNTIME = OPTIONS - {"backend", "model"}
"""Those that change no number; of the probe, its checksum stands in the server's identity."""


class ServedMetric(Metric):
    """A metric whose model may be on a server. It stands before the base that loads a model on this machine.

    A subclass calls `use_server` in `load` where `served`, prepares a `TokenQuestion` for each of its questions, and
    scores their answers. Questions of many samples are under way at once, and the server batches them.

    Options:
        backend: local, the model on this machine; vllm or sglang, a server of that kind that serves it.
        endpoint: The server's address, such as http://localhost:8000/v1; several models, ";" between their servers.
        model: The name under which the server serves the model; by default the only one that it serves. Several models,
            ";" between their names.
        probe: The probe that `editmetrics export` wrote beside the served model, or the folder that it is in: a server
            that answers it otherwise serves another model, and is not asked. Several models, ";" between.
        parallel: Number of requests at once.
        key_variable: The environment variable that holds the server's key.
        timeout: Seconds for an answer of the server.
        retries: Number of times a question is sent again when the server did not answer.
    """

    runtime_options: ClassVar[frozenset[str]] = RUNTIME
    not_served: ClassVar[frozenset[str]] = frozenset()
    """See `editmetrics.served.export.ServedModels`: the prompts are written by the files of the model."""

    def __init__(
        self,
        *,
        backend: Literal["local", "vllm", "sglang"] = "local",
        endpoint: str | None = None,
        model: str | None = None,
        probe: str | None = None,
        parallel: Annotated[int, Ge(1)] = 32,
        key_variable: str | None = None,
        timeout: Annotated[float, Gt(0)] = 300.0,
        retries: Annotated[int, Ge(0)] = 6,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self.backend, self.endpoint, self.model, self.probe = backend, endpoint, model, probe
        self.parallel, self.key_variable, self.timeout, self.retries = parallel, key_variable, timeout, retries
        self.streams = backend != "local"
        self.judge: Judge | None = None
        for name in ("endpoint", "model", "probe"):
            if backend == "local" and getattr(self, name) is not None:
                raise OptionError(
                    f"{self.name}: {name}={getattr(self, name)} is for backend=vllm or sglang; add one of them"
                )

    @abstractmethod
    def score_answers(self, answers: Mapping[str, Answer]) -> Score:
        """Return the score of a sample whose questions were all answered, by their names."""

    @property
    def served(self) -> bool:
        """Whether a server is asked."""
        return self.backend != "local"

    def require_local(self) -> None:
        """Raise `OptionError` where a server is asked."""
        if self.served:
            raise OptionError(
                f"{self.name}: the model is loaded on this machine for that; leave out backend={self.backend}"
            )

    def require_endpoint(self) -> None:
        """Raise `EditMetricsError` without an address."""
        if not self.endpoint:
            raise EditMetricsError(
                f"{self.name}: backend={self.backend} requires the address of the server, such as "
                "endpoint=http://localhost:8000/v1"
            )

    def use_server(self, names: Sequence[str] = ("",), made_of: str | None = None, adapter: str | None = None) -> None:
        """Check the server of each model that the metric has, by what it scores, and be ready to ask it.

        `made_of`: the checksum of the weights, and `adapter`: that of a published adapter, where this machine knows
        them. Raises `JudgeUnavailableError` with what to do, and `OptionError` for a probe of another metric or model.
        """
        from ..judge import Judge
        from ..judge.endpoint import ANY
        from ..served.several import Several

        options = {
            "parallel": self.parallel, "key_variable": self.key_variable, "timeout": self.timeout,
            "retries": self.retries,
        }  # fmt: skip
        servers: dict[tuple[str | None, ...], Server] = {}
        chosen: dict[str, Server] = {}
        values = (each_of(option, getattr(self, option), names) for option in ("endpoint", "model", "probe"))
        for name, *choice in zip(names, *values, strict=True):
            endpoint, model, probe = choice
            if tuple(choice) not in servers:
                servers[tuple(choice)] = open_server(
                    self.backend, model or ANY, probe=probe, endpoint=endpoint, **options
                )
            chosen[name] = servers[tuple(choice)]
            if (known := chosen[name].probe) is not None:
                known.require_made_for(self.name, adapter, probe)
                self._check_probe(known, probe, name, made_of)
        backend = Several(chosen, self.parallel)
        backend.check()
        self.judge = Judge(backend)

    def _check_probe(self, known: ServerProbe, file: str | None, part: str, made_of: str | None) -> None:
        """Raise `OptionError` where a probe was made of another model than the one that is wanted."""
        if made_of not in (None, known.model):
            raise OptionError(
                f"{self.name}: the probe {file} was made of other weights than these; 'editmetrics export' makes theirs"
            )
        if known.part != part:
            made, wanted = (f"for {name}" if name else "for all dimensions" for name in (known.part, part))
            raise OptionError(f"{self.name}: the probe {file} is of the model {made}; expected the one {wanted}")

    def server_identity(self) -> dict[str, Any]:
        """Return what stands in an identity for the model: the servers, and what they were checked by."""
        return {"judge": self.judge.identity() if self.judge else "unknown until loaded", "read": "log-probabilities"}

    # ------------------------------------------------------------------ the contract

    def score_each(self, prepared: Iterable[Mapping[str, TokenQuestion]]) -> Iterator[tuple[int, Score]]:
        """Yield each sample's number and score as soon as its questions are answered; others are asked meanwhile.

        Where the server cannot be asked, the samples under way are `unavailable`, and no more are taken.
        """
        from ..judge import JudgeError

        asked: list[tuple[int, str]] = []
        missing: dict[int, set[str]] = {}
        answers: dict[int, dict[str, Answer]] = {}

        def questions() -> Iterator[TokenQuestion]:
            for number, item in enumerate(prepared):
                missing[number], answers[number] = set(item), {}
                for name, question in item.items():
                    asked.append((number, name))
                    yield question

        reason = "the run was stopped before its questions were answered"
        try:
            for index, answer in self._judge().ask_each(questions(), parallel=self.parallel):
                number, name = asked[index]
                answers[number][name] = answer
                missing[number].discard(name)
                if not missing[number]:
                    del missing[number]
                    yield number, self._score_of(answers.pop(number))
        except JudgeError as error:
            reason = str(error)
        for number in missing:
            yield number, Score.unscored("unavailable", reason)

    def interrupt(self) -> None:
        if self.judge is not None:
            self.judge.interrupt()

    def score_asked(self, batch: Sequence[Mapping[str, TokenQuestion]]) -> list[Score]:
        """Return the scores of a batch in order. Raises `UnavailableError` where the server answered none of it."""
        scores = dict(self.score_each(batch))
        if scores and all(score.status == "unavailable" for score in scores.values()):
            raise UnavailableError(str(scores[0].reason))
        return [scores[number] for number in range(len(batch))]

    # ------------------------------------------------------------------ inside

    def _judge(self) -> Judge:
        if self.judge is None:
            self.load()
        if self.judge is None:
            raise EditMetricsError(f"{self.name} asks no server with backend={self.backend}")
        return self.judge

    def _score_of(self, answers: Mapping[str, Answer]) -> Score:
        problems = {name: answer for name, answer in answers.items() if not answer.ok}
        if not problems:
            return self.score_answers(answers)
        statuses: list[Status] = [answer.status for answer in problems.values()]
        worst = next((status for status in ("unavailable", "failed") if status in statuses), statuses[0])
        several = len(answers) > 1
        reasons = (f"{name}: {answer.reason}" if several else str(answer.reason) for name, answer in problems.items())
        return Score.unscored(worst, "; ".join(reasons))
