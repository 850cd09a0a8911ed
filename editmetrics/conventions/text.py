"""`TextAssessor`, the read-out "text": a checkpoint is asked, and the numbers in its answers are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ..bases.backbone_metric import on_the_hub
from ..bases.judge import JudgeMetric, Verdict
from ..metric import pick_device
from ..options import OptionError
from ..sample import EditMetricsError, Sample
from ..served import SERVERS
from .adapted import AdaptedBackbone
from .assessor import ConventionMetric
from .dimensions import combined
from .exported import served_model
from .schema import SamplingRule

if TYPE_CHECKING:
    from ..judge import Answer, ChatModel, Question
    from ..judge.local import Generator
    from ..served.export import LocalModel


class TextAssessor(ConventionMetric, JudgeMetric):
    """Base of metrics of the read-out "text", made of a file of conventions.

    The checkpoint runs on this machine, or on a server that serves it, with the same questions. An answer that
    does not state its numbers gives none: it is never mended, guessed or drawn. With several rounds each value is the
    mean over those that could be read, and `uncertainty` their standard deviation.

    Options:
        backend: local, the checkpoint on this machine; vllm or sglang, a server of that kind that serves it, which is
            checked before it is asked; or endpoint, any other server.
        model: The name under which the server serves the checkpoint; by default its id on the hub.
        probe: The probe that `editmetrics export` wrote beside the served model, or the folder that it is in: a server
            that answers it otherwise serves another model, and is not asked.
        backbone: The hub id or folder of another model on this machine, in place of the checkpoint's base.
        rounds: How many times each question is asked, each time with the next seed.
        temperature: By default the authors'.
        max_tokens: The longest answer; by default the authors'.
        seed: Of the first round; by default the authors'.
    """

    requires: ClassVar[tuple[str, ...]] = ("json-repair",)
    runtime_options = JudgeMetric.runtime_options | ConventionMetric.runtime_options | {"probe"}
    not_served: ClassVar[frozenset[str]] = frozenset({"backbone"})

    def __init__(
        self,
        *,
        backend: Literal["local", "vllm", "sglang", "endpoint"] = "local",
        model: str | None = None,
        probe: str | None = None,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self.backend, self.model, self.probe = backend, model, probe  # type: ignore[assignment]
        self.streams = backend != "local"
        if self.endpoint is not None and backend == "local":
            raise OptionError(
                f"{self.name}: endpoint={self.endpoint} is asked with backend=vllm, sglang or endpoint; add one of them"
            )
        if self.backbone is not None and backend != "local":
            raise OptionError(f"{self.name}: backbone={self.backbone} is for backend=local; leave out one of the two")
        if probe is not None and backend not in SERVERS:
            raise OptionError(f"{self.name}: probe={probe} is for backend=vllm or sglang; add one of them")

    # ------------------------------------------------------------------ what is asked, and of whom

    def is_local(self) -> bool:
        return self.backend == "local"

    def hub_model(self) -> str | None:
        return on_the_hub(self.backbone or self.model_rule.base) if self.is_local() else None

    def checkpoints(self) -> tuple[str, ...]:
        return (self.model_rule.weights,) if self.is_local() and self.model_rule.weights else ()

    def local_model(self) -> Generator:
        """Load the checkpoint: its base, and an adapter on it where it has one."""
        from ..mllm.backbone import Backbone

        rule = self.model_rule
        if rule.subfolder and self.backbone is None:
            kind = "--repo-type dataset " if rule.in_data_set else ""
            command = f"hf download {rule.base} {kind}--include '{rule.subfolder}/*' --local-dir FOLDER"
            raise EditMetricsError(
                f"{self.name}: its checkpoint lies in a folder of {rule.base}, which is not loaded by name; get it by "
                f'"{command}", and name the folder: {self.name}:backbone=FOLDER/{rule.subfolder}'
            )
        revision = rule.revision if self.backbone is None else None
        backbone = Backbone.load(self.backbone or rule.base, revision=revision, device=pick_device(self.device))
        if not rule.weights:
            return backbone
        return AdaptedBackbone(backbone, rule.weights, self.hub_model() or rule.base)

    def models_to_serve(self) -> list[LocalModel]:
        """Load the checkpoint, under the name by which a server is asked for it."""
        from ..mllm.backbone import Backbone

        model = self.local_model()
        if isinstance(model, Backbone):
            return [served_model(self.conventions, self.served_name, model, None, {})]
        if isinstance(model, AdaptedBackbone):
            return [served_model(self.conventions, self.served_name, model.backbone, model.adapter, model.sha256)]
        raise EditMetricsError(f"{self.name}: {type(model).__name__} is not a model that is served")

    @property
    def served_name(self) -> str:
        """The name under which a server serves the checkpoint."""
        return self.model or self.model_rule.served or self.model_rule.base

    def endpoint_model(self) -> str:
        if not self.endpoint:
            raise EditMetricsError(
                f"{self.name}: backend={self.backend} requires the address of a server that serves {self.served_name}, "
                "such as endpoint=http://localhost:8000/v1"
            )
        return self.served_name

    def endpoint_options(self) -> dict[str, Any]:
        rule = self._sampling_rule
        drawn = {"top_p": rule.top_p, "top_k": rule.top_k}
        extra = {name: value for name, value in drawn.items() if value is not None}
        return {"extra": {**extra, **rule.extra, **(self.extra or {})}}

    def ask_endpoint(self, model: str, **options: Any) -> ChatModel:
        """Check a server of vLLM or SGLang before it is asked. Raises `JudgeUnavailableError` with what to do."""
        if self.backend not in SERVERS:
            return super().ask_endpoint(model, **options)
        from ..judge import Cache, Judge
        from ..served import open_server
        from .exported import merged_adapter

        server = open_server(self.backend, model, probe=self.probe, **options)
        if server.probe is not None:
            server.probe.require_made_for(self.name, merged_adapter(self.model_rule.weights), self.probe)
        server.check()
        return Judge(server, Cache() if self.cache else None)

    def local_options(self) -> dict[str, Any]:
        """Let all rounds of a sample's questions be one batch: each question is read once, and drawn several times."""
        drawn = self.rounds > 1 and self.sampling()["temperature"] > 0
        return {"batch_size": self.rounds * len(self.conventions.questions)} if drawn else {}

    def sampling(self) -> dict[str, Any]:
        """Return the authors' way of drawing answers, with what the options change of it."""
        rule = self._sampling_rule
        published: dict[str, Any] = {"temperature": rule.temperature, "max_tokens": rule.max_tokens, "seed": rule.seed}
        if self.is_local():
            published |= {"top_p": rule.top_p, "top_k": rule.top_k}
        return {name: value for name, value in {**published, **super().sampling()}.items() if value is not None}

    @property
    def _sampling_rule(self) -> SamplingRule:
        if self.conventions.sampling is None:
            raise EditMetricsError(f"{self.name}: its conventions have no table [sampling]")
        return self.conventions.sampling

    # ------------------------------------------------------------------ questions and answers

    def questions(self, sample: Sample) -> dict[str, Question]:
        return self.asked(sample)

    def read(self, name: str, answer: Answer) -> Verdict:
        """Read the numbers in an answer. Raises `SampleError` where it does not state them."""
        from .answers import read_answer

        form = next(rule.answer for rule in self.conventions.questions if rule.name == name)
        if form is None:
            raise EditMetricsError(f"{self.name}: the question {name} has no table [questions.answer]")
        return read_answer(form, answer)

    def combine(self, values: dict[str, float]) -> dict[str, float]:
        return combined(self.conventions, values)
