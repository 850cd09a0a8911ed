"""`LocalAssessor`, the base of read-outs that look inside a checkpoint, which therefore runs on this machine."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from ..bases.backbone_metric import BackboneMetric, on_the_hub
from ..mllm.prompts import length_class
from ..sample import EditMetricsError, Sample
from .assessor import ConventionMetric

if TYPE_CHECKING:
    from ..judge import Question
    from ..mllm.backbone import Backbone, Picture, Prompt


class LocalAssessor(ConventionMetric, BackboneMetric):
    """Base of the read-outs "state" and "levels". A subclass loads `_backbone`, and reads the prompts in a batch.

    All questions about a sample show the same pictures, which are seen once.
    """

    BACKBONE = ""
    IMAGE_TOKENS = 16384
    """As many as the processor allows: conventions scale images before it sees them."""

    host_reads = 4  # transformers looks at positions to choose a mask, once for each part of a prompt; the results
    host_copies = 8

    def __init__(self, **shared: Any) -> None:
        super().__init__(**shared)
        self._backbone: Backbone | None = None

    def hub_model(self) -> str | None:
        return on_the_hub(self.base_model())

    def identity(self) -> dict[str, Any]:
        unknown = {"model": self.base_model(), "revision": self.revision, "sha256": "unknown until loaded"}
        return {**super().identity(), "backbone": self._backbone.identity() if self._backbone else unknown}

    def unload(self) -> None:
        self._backbone = None

    def prepare(self, sample: Sample) -> dict[str, Prompt]:
        """Return the prompt of each question, up to where it is read; all with the same pictures."""
        seen: dict[tuple[int, int], Any] = {}
        return {name: self.prompt(question, seen) for name, question in self.asked(sample).items()}

    def batch_key(self, prepared: dict[str, Prompt]) -> int:
        return length_class(prepared.values())

    def base_model(self) -> str:
        """Return the hub id or the folder of the model that is loaded, or that the checkpoint was trained from."""
        return self.backbone or self.model_rule.base

    def base_revision(self) -> str | None:
        """Return its revision on the hub; None for the newest, and for another model than the conventions name."""
        return self.revision or (self.model_rule.revision if self.base_model() == self.model_rule.base else None)

    def prompt(
        self,
        question: Question,
        seen: dict[tuple[int, int], Any],
        answer: str = "",
        allowed: Collection[str] = (),
    ) -> Prompt:
        """Make the prompt of a question, with the beginning of an answer; `seen` keeps the pictures of its images.

        `allowed` are control tokens that the question may hold. Raises `SampleError`.
        """
        from ..judge import Image
        from ..mllm.prompts import IMAGE, write_prompt

        backbone, pictures = self.loaded_backbone(), self.pictures(question, seen)
        chat = [
            (message.role, [IMAGE if isinstance(part, Image) else part for part in message.parts])
            for message in question.messages
        ]
        return write_prompt(
            backbone.family, backbone.processor, chat, pictures, answer, max_tokens=backbone.context, allowed=allowed
        )

    def pictures(self, question: Question, seen: dict[tuple[int, int], Any]) -> list[Picture]:
        """Return what the backbone makes of the images of a question; those in `seen` are not made again."""
        images = question.images()
        for image in images:
            if (id(image), len(images)) not in seen:
                seen[id(image), len(images)] = self.loaded_backbone().see(image.pixels(), among=len(images))
        return [seen[id(image), len(images)] for image in images]

    def loaded_backbone(self) -> Backbone:
        """Return the backbone. Raises `EditMetricsError` before `load`."""
        if self._backbone is None:
            raise EditMetricsError(f"{self.name} prepares samples with its backbone: load() it first")
        return self._backbone
