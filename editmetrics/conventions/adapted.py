"""A backbone with one published adapter active, for judges on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..mllm.prompts import IMAGE

if TYPE_CHECKING:
    import numpy as np

    from ..mllm.backbone import Backbone


class AdaptedBackbone:
    """A backbone and a peft adapter on it, as `editmetrics.judge.local.Generator`.

    The adapter is active while answers are generated, and only then: others may share the backbone. `folder` holds it
    as peft wrote it; `name` is its entry in the weights registry.
    """

    IMAGE: ClassVar[Any] = IMAGE

    def __init__(self, backbone: Backbone, name: str, folder: Path) -> None:
        from ..mllm.lora import adapters
        from ..mllm.peft_folders import put_peft_folder
        from ..weights import checksums

        self.backbone = backbone
        self.sha256 = checksums([name])[name]
        self.adapter = f"{name} {min(self.sha256.values())[:12]}".replace(".", "_").replace(" ", "_")
        if self.adapter not in adapters(backbone):
            put_peft_folder(backbone, self.adapter, folder)

    def see(self, image: np.ndarray, among: int = 1) -> Any:
        return self.backbone.see(image, among)

    def prompt(self, chat: list[tuple[str, list[Any]]], pictures: Sequence[Any] = ()) -> Any:
        return self.backbone.prompt(chat, pictures)

    def generate(
        self, prompts: Sequence[Any], max_tokens: int = 256, temperature: float = 0.0, seed: int = 0, **likeliest: Any
    ) -> list[str]:
        import torch

        from ..mllm.lora import using

        with torch.inference_mode(), using(self.backbone, self.adapter):
            return self.backbone.generate(prompts, max_tokens, temperature, seed, **likeliest)

    def identity(self) -> dict[str, Any]:
        return {**self.backbone.identity(), "adapter": self.sha256}

    def description(self) -> dict[str, Any]:
        """Return the identity, with the name that people know the backbone by."""
        return {**self.backbone.description(), "adapter": self.sha256}
