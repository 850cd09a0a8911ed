"""Published adapters on a backbone, which others may share; and one with an adapter active, for judges."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..mllm.prompts import IMAGE

if TYPE_CHECKING:
    import numpy as np

    from ..mllm.backbone import Backbone


def put_published_adapter(backbone: Backbone, entry: str) -> str:
    """Put the peft adapter of an entry of the weights registry on `backbone`, inactive; return its name there.

    The name is one of its content, so that an adapter is put there once, and another content is another adapter.
    Raises `LoraError`, as `put_peft_folder` does.
    """
    from .. import weights
    from ..mllm.lora import adapters
    from ..mllm.peft_folders import put_peft_folder

    folder = weights.pull(entry)  # before its checksums, which may be unknown until then
    digests = sorted(weights.checksums([entry])[entry].values())
    name = f"{entry.replace('.', '_')}_{hashlib.sha256(''.join(digests).encode()).hexdigest()[:12]}"
    if name not in adapters(backbone):
        put_peft_folder(backbone, name, folder)
    return name


class AdaptedBackbone:
    """A backbone and the adapter of a weights `entry` on it, as `editmetrics.judge.local.Generator`.

    The adapter is active while answers are generated, and only then: others may share the backbone.
    """

    IMAGE: ClassVar[Any] = IMAGE

    def __init__(self, backbone: Backbone, entry: str) -> None:
        from ..weights import checksums

        self.backbone = backbone
        self.adapter = put_published_adapter(backbone, entry)
        self.sha256 = checksums([entry])[entry]

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
