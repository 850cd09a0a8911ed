"""Published adapters on a backbone, which others may share; and one with an adapter active, for judges."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..mllm.prompts import IMAGE

if TYPE_CHECKING:
    import numpy as np

    from ..mllm.backbone import Backbone

logger = logging.getLogger(__name__)


def put_published_adapter(backbone: Backbone, source: str, base: str | None = None) -> str:
    """Put the peft adapter `source`, an entry of the weights registry or a folder, on `backbone`, inactive; return its
    name there.

    The name is one of its content, so that an adapter is put there once, and another content is another adapter.
    `base` is the hub id of the backbone, where it is known. Raises `LoraError`, as `put_peft_folder` does, and for an
    adapter that names another base (`check_base`).
    """
    from ..mllm.lora import adapters
    from ..mllm.peft_folders import put_peft_folder

    folder = _folder_of(source)  # before its checksums, which may be unknown until then
    digests = sorted(adapter_checksums(source).values())
    stem = source.replace(".", "_") if folder != Path(source).expanduser() else "adapter"
    if base is not None:
        check_base(folder, base)
    name = f"{stem}_{hashlib.sha256(''.join(digests).encode()).hexdigest()[:12]}"
    if name not in adapters(backbone):
        put_peft_folder(backbone, name, folder)
    return name


def adapter_checksums(source: str) -> dict[str, str]:
    """Return the SHA-256 of each file of an adapter that is on this machine, by its name."""
    from .. import weights
    from ..mllm.lora import CONFIG, WEIGHTS

    if source in weights.registered():
        return weights.checksums([source])[source]
    return {name: weights.sha256(_folder_of(source) / name) for name in (CONFIG, WEIGHTS)}


def _folder_of(source: str) -> Path:
    from .. import weights
    from ..mllm.lora import CONFIG, WEIGHTS, LoraError

    if source in weights.registered():
        return weights.pull(source)
    folder = Path(source).expanduser()
    if missing := [name for name in (CONFIG, WEIGHTS) if not (folder / name).is_file()]:
        raise LoraError(f"{folder} has no {', '.join(missing)}; expected a folder of a peft adapter")
    return folder


def check_base(folder: Path, base: str) -> None:
    """Raise `LoraError` where an adapter says that it was trained on another model of the owner of `base`, a hub id.

    Models of one owner often have layers of the same size, as those of Qwen2-VL-7B and Qwen2.5-VL-7B, and the numbers
    would be wrong in silence. Trainers write an id, a folder of the hub's cache, a copy under another name or a path of
    their machine: where that neither ends in the name of `base` nor is another model's id, a warning shows both.
    """
    from ..mllm.lora import CONFIG, LoraError, read_settings

    stated = read_settings(folder / CONFIG).base
    if not stated:
        return
    parts = stated.replace("\\", "/").rstrip("/").split("/")
    cached = next((part.split("--")[1:] for part in parts if part.startswith("models--")), None)
    *path, name = (part.casefold() for part in cached or parts)
    owner, _, own = base.casefold().rpartition("/")
    if name.replace("___", ".") == own:  # as ModelScope writes a point
        return
    if path == [owner]:
        raise LoraError(
            f"{folder / CONFIG}: the adapter was trained on {'/'.join(cached or parts)}, and this is {base}; load it "
            "on the model that it names, or take the adapter for this one"
        )
    logger.warning("%s: trained on %s; put on %s, which should be the same model", folder / CONFIG, stated, base)


class AdaptedBackbone:
    """A backbone and a peft adapter on it, as `editmetrics.judge.local.Generator`; see `put_published_adapter`.

    The adapter is active while answers are generated, and only then: others may share the backbone.
    """

    IMAGE: ClassVar[Any] = IMAGE

    def __init__(self, backbone: Backbone, source: str, base: str | None = None) -> None:
        self.backbone = backbone
        self.adapter = put_published_adapter(backbone, source, base)
        self.sha256 = adapter_checksums(source)

    def see(self, image: np.ndarray, among: int = 1) -> Any:
        return self.backbone.see(image, among)

    def prompt(self, chat: list[tuple[str, list[Any]]], pictures: Sequence[Any] = ()) -> Any:
        return self.backbone.prompt(chat, pictures)

    def generate(
        self,
        prompts: Sequence[Any],
        max_tokens: int = 256,
        temperature: float = 0.0,
        seed: int | Sequence[int] = 0,
        **likeliest: Any,
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
