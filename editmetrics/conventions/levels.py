"""`LevelsAssessor`, the read-out "levels": the probabilities of words where the checkpoint's answer begins."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from ..late_checks import read_results
from ..metric import pick_device
from ..sample import EditMetricsError, Score
from .dimensions import combined
from .local import LocalAssessor
from .schema import LevelsRule

if TYPE_CHECKING:
    from ..judge import Question
    from ..mllm.backbone import Prompt


class LevelsAssessor(LocalAssessor):
    """Base of metrics of the read-out "levels", made of a file of conventions.

    `details["mass"]` is the share of the model's probability that the words had together. Near 0 the model was about to
    say something else: where the probabilities are taken over the words alone, such a sample (below 0.5) has no score.
    """

    def __init__(self, **shared: Any) -> None:
        super().__init__(**shared)
        self._adapter = ""
        """The name of the checkpoint's adapter on the backbone; "" where it has none."""

    def checkpoints(self) -> tuple[str, ...]:
        return (self.model_rule.weights,) if self.model_rule.weights else ()

    def load(self) -> None:
        """Load the checkpoint's base, and its adapter where it has one. Raises `BackboneError` and `LoraError`."""
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

    def score_batch(self, batch: list[dict[str, Prompt]]) -> list[Score]:
        from ..mllm.levels import read_levels
        from ..mllm.lora import using

        rule, backbone = self._rule, self.loaded_backbone()
        words = [backbone.token(word) for word in rule.words]
        with using(backbone, self._adapter) if self._adapter else nullcontext():
            logits = backbone.next_logits([prompt for item in batch for prompt in item.values()])
        read = read_levels(logits, words, rule.weights)
        results = read_results(read.expectation, read.spread, read.mass)
        return [self._score(*row) for row in zip(*(column.tolist() for column in results), strict=True)]

    # ------------------------------------------------------------------ inside

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
