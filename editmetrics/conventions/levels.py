"""`LevelsAssessor`, the read-out "levels": the probabilities of words where the checkpoint's answer begins."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from ..bases.served import ServedMetric
from ..late_checks import read_results
from ..metric import pick_device
from ..sample import EditMetricsError, Sample, Score
from .assessor import ConventionMetric
from .dimensions import combined
from .local import LocalAssessor
from .schema import LevelsRule

if TYPE_CHECKING:
    from torch import Tensor

    from ..judge import Answer, Question
    from ..mllm.backbone import Prompt
    from ..mllm.prompt_writer import PromptWriter
    from ..served.export import LocalModel
    from ..served.questions import ReadStep


class LevelsAssessor(ServedMetric, LocalAssessor):
    """Base of metrics of the read-out "levels", made of a file of conventions.

    `details["mass"]` is the share of the model's probability that the words had together. Near 0 the model was about to
    say something else: where the probabilities are taken over the words alone, such a sample (below 0.5) has no score.
    """

    runtime_options = ServedMetric.runtime_options | ConventionMetric.runtime_options

    def __init__(self, **shared: Any) -> None:
        super().__init__(**shared)
        self._adapter = ""
        """The name of the checkpoint's adapter on the backbone; "" where it has none."""
        self._writer: PromptWriter | None = None
        """What writes the prompts for a server."""

    def identity(self) -> dict[str, Any]:
        if not self.served:
            return super().identity()
        writer = "unknown until loaded" if self._writer is None else self._writer.identity()
        return {**super().identity(), "backbone": writer, **self.server_identity()}

    def checkpoints(self) -> tuple[str, ...]:
        return (self.model_rule.weights,) if self.model_rule.weights and not self.served else ()

    def load(self) -> None:
        """Load the checkpoint's base, and its adapter where it has one; or check the server that has them, merged.

        Raises `BackboneError` and `LoraError`, and `JudgeUnavailableError` for a server that cannot be asked.
        """
        if self.served:
            self._load_writer()
            return
        self.device = pick_device(self.device)
        if self._backbone is not None:
            return
        super().load()
        from .adapted import put_published_adapter

        backbone = self.load_backbone(self.model_rule.base, self.base_revision())
        if self.model_rule.weights:
            self._adapter = put_published_adapter(
                backbone, self.model_rule.weights, self.hub_model() or self.model_rule.base
            )
        self._backbone = backbone

    def prompt(
        self,
        question: Question,
        seen: dict[tuple[int, int], Any],
        answer: str = "",
        allowed: Collection[str] = (),
    ) -> Prompt:
        if self._rule.chat:
            return super().prompt(question, seen, self._rule.answer, allowed)
        texts = [""]
        for message in question.messages:
            for part in message.parts:
                texts = [*texts[:-1], texts[-1] + part] if isinstance(part, str) else [*texts, ""]
        return self.loaded_backbone().plain_prompt(texts, self.pictures(question, seen))

    def models_to_serve(self) -> list[LocalModel]:
        """Load the checkpoint, under the name of its base."""
        from .adapted import adapter_checksums
        from .exported import served_model

        self.require_local()
        self.load()
        weights = self.model_rule.weights
        checksums = adapter_checksums(weights) if weights else {}
        name = self.model or self.model_rule.served or self.base_model()
        return [served_model(self.conventions, name, self.loaded_backbone(), self._adapter or None, checksums)]

    def prepare(self, sample: Sample) -> dict[str, Any]:
        """Return the prompt of the question, or what a server is asked."""
        if not self.served:
            return super().prepare(sample)
        from ..served.questions import token_question

        writer = self._served_writer()
        questions = self.asked(sample).items()
        return {
            name: token_question(writer, question, (self._step(writer),), self._rule.answer)
            for name, question in questions
        }

    def batch_key(self, prepared: dict[str, Any]) -> int:
        return 0 if self.served else super().batch_key(prepared)

    def score_batch(self, batch: list[dict[str, Any]]) -> list[Score]:
        from ..mllm.lora import using

        if self.served:
            return self.score_asked(batch)
        rule, backbone = self._rule, self.loaded_backbone()
        words = [backbone.token(word) for word in rule.words]
        with using(backbone, self._adapter) if self._adapter else nullcontext():
            logits = backbone.next_logits([prompt for item in batch for prompt in item.values()])
        return self._scores(logits, words)

    def score_answers(self, answers: Mapping[str, Answer]) -> Score:
        from ..served.reading import logits_of

        step = self._step(self._served_writer())
        (answer,) = answers.values()
        (score,) = self._scores(logits_of(step, answer.logprobs[0]), range(len(step.tokens)))
        return score

    # ------------------------------------------------------------------ inside

    def _scores(self, logits: Tensor, words: Sequence[int]) -> list[Score]:
        """Return the score of each row of logits, of which `words` are the columns."""
        from ..mllm.levels import read_levels

        read = read_levels(logits, words, self._rule.weights)
        results = read_results(read.expectation, read.spread, read.mass)
        return [self._score(*row) for row in zip(*(column.tolist() for column in results), strict=True)]

    def _load_writer(self) -> None:
        from ..served.questions import require_served
        from .exported import merged_adapter

        if self._writer is not None:
            return
        self.require_endpoint()
        super().load()
        if not self._rule.chat:
            raise EditMetricsError(
                f"{self.name}: its question has no chat template around it, and a server asks none without; use "
                "backend=local"
            )
        writer = self.prompt_writer(self.model_rule.base, self.base_revision())
        require_served(writer)
        self.use_server(adapter=merged_adapter(self.model_rule.weights))
        self._writer = writer

    def _served_writer(self) -> PromptWriter:
        if self._writer is None:
            raise EditMetricsError(f"{self.name} writes its prompts with a checkpoint's processor: load() it first")
        return self._writer

    def _step(self, writer: PromptWriter) -> ReadStep:
        from ..served.questions import ReadStep

        return ReadStep(tuple(writer.token(word) for word in self._rule.words), self._rule.words)

    def _score(self, expectation: float, spread: float, mass: float) -> Score:
        from ..mllm.readouts import meant

        rule, details = self._rule, {"mass": mass}
        if rule.among == "vocabulary":
            return Score(combined(self.conventions, {rule.value: expectation * mass}), details=details)
        if not meant(mass):
            reason = f"the model was about to say none of the words, which had {mass:.2f} of its probability"
            return Score.unscored("unparseable", reason, details=details)
        values = combined(self.conventions, {rule.value: expectation})
        return Score(values, uncertainty={dimension.name: spread for dimension in self.conventions.dimensions
                                          if dimension.values == (rule.value,)} or None, details=details)  # fmt: skip

    @property
    def _rule(self) -> LevelsRule:
        if self.conventions.levels is None:
            raise EditMetricsError(f"{self.name}: its conventions have no table [levels]")
        return self.conventions.levels
