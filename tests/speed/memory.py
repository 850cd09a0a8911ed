"""What each paper's recipe needs of a GPU's memory, computed from shapes: nothing here is measured.

    python -m tests.speed.memory                        # --only RECIPE ...

One micro-batch goes forward and backward through transformers' own classes of the real shapes, on tensors that have a
shape and no numbers (`FakeTensorMode`), under mixed precision with bfloat16, and every storage is counted while it
lives. The peak is that, with the weights (bfloat16; float32 for full fine-tuning), and gradients and AdamW's two
moments of what is trained (float32). What a GPU needs besides (the CUDA context, workspaces of kernels, fragmentation:
2 to 5 GB) is not in it.
"""

from __future__ import annotations

import argparse
import warnings
import weakref
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.speed.shapes import random_backbone

GB = 1e9


@dataclass(frozen=True)
class Need:
    """A recipe's micro-batch: the backbone, prompts in it, tokens of each, those of them of images, tiles of the vision
    tower (0: features are kept, and it does not run), tokens of answers whose logits are computed, LoRA's rank on which
    parts (0: all of the weights are trained), examples in a micro-batch."""

    shape: str
    tokens: int
    image_tokens: int
    tiles: int
    answer: int
    rank: int
    parts: tuple[str, ...]
    micro: int
    prompts: int = 1
    dropout: float = 0.05


NEEDS = {
    "ds_ieqa, paper": Need("qwen3-vl-8b", 2720, 2560, 0, 12, 16, ("language",), 4),
    "hpe_lsa, paper": Need("internvl3.5-8b", 1310, 1280, 5, 0, 8, ("vision", "language"), 2, prompts=3),
    "lmm4lmm, paper, stage 1": Need("internvl2.5-8b", 1400, 1280, 5, 24, 0, ("projector",), 1),
    "lmm4lmm, paper, stage 2": Need("internvl2.5-8b", 1400, 1280, 5, 0, 8, ("vision", "language"), 1),
    "epaiqa, lora, stage 1": Need("llava-onevision-7b", 1560, 1460, 2, 20, 64, ("vision",), 1),
    "epaiqa, lora, stage 2": Need("llava-onevision-7b", 7400, 7330, 10, 12, 64, ("vision", "language"), 1),
    "epaiqa, lora, stage 3": Need("llava-onevision-7b", 1900, 1460, 2, 256, 64, ("vision", "language"), 1),
    "epaiqa, full, stage 2": Need("llava-onevision-7b", 7400, 7330, 10, 12, 0, ("everything",), 1),
    "epaiqa, full, stage 3": Need("llava-onevision-7b", 1900, 1460, 2, 256, 0, ("everything",), 1),
}
"""Images as the metrics take them: DS-IEQA and HPE-LSA 1,280 tokens an image, LMM4LMM 1024 x 1024 pixels, EPAIQA a pair
of squares of 729 patches, or one image in 9 tiles and a small copy."""


class Live(TorchDispatchMode):
    """Counts the bytes of the storages that are alive, and the most there ever were."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = self.peak = 0
        self._known: weakref.WeakSet[Any] = weakref.WeakSet()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                self.count(tensor)
        return made

    def count(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage in self._known:
            return
        self._known.add(storage)
        size = storage.nbytes()
        weakref.finalize(storage, self._gone, size)
        self.bytes += size
        self.peak = max(self.peak, self.bytes)

    def _gone(self, size: int) -> None:
        self.bytes -= size


def peak(need: Need, *, checkpointing: bool = True) -> dict[str, float]:
    """GB of weights, of gradients and moments, and at the peak of an update."""
    from editmetrics.mllm.loop import _gradient_checkpointing

    full = need.parts == ("everything",)
    backbone = random_backbone(need.shape, "meta", dtype="float32" if full else "bfloat16")
    model: Any = backbone.model
    names = {id(parameter) for parameter in chosen(backbone, need)}
    with FakeTensorMode():
        trained = []
        for module in model.modules():
            for name, given in module._parameters.items():
                if given is not None:
                    new = torch.nn.Parameter(torch.empty(given.shape, dtype=given.dtype), given.requires_grad)
                    module._parameters[name] = new
                    trained += [new] if id(given) in names else []
            for name, given in module._buffers.items():
                module._buffers[name] = None if given is None else torch.empty(given.shape, dtype=given.dtype)
        live = Live()
        for tensor in (*model.parameters(), *model.buffers()):
            live.count(tensor.data)
        weights, count = live.bytes, sum(parameter.numel() for parameter in trained)
        live.bytes += 8 * count  # the two moments, which are there from the first update on
        model.train()
        with live, _gradient_checkpointing(model, checkpointing):
            with torch.autocast("cpu", torch.bfloat16):
                loss = forward(backbone, need)
            loss.backward()
    return {
        "parameters": model.num_parameters() / 1e9, "trained": count / 1e6, "weights": weights / GB,
        "states": 12 * count / GB, "peak": live.peak / GB,
    }  # fmt: skip


def chosen(backbone: Any, need: Need) -> list[torch.nn.Parameter]:
    """What is trained, with gradients."""
    from editmetrics.mllm.lora import add_lora, trainable

    if need.rank:
        add_lora(backbone, "a", parts=need.parts, rank=need.rank, alpha=2.0 * need.rank, dropout=need.dropout)
        return trainable(backbone, "a")
    part = backbone.model if need.parts == ("everything",) else backbone.projector
    for parameter in part.parameters():
        parameter.data = parameter.data.float()
        parameter.requires_grad_(True)
    return list(part.parameters())


def forward(backbone: Any, need: Need) -> torch.Tensor:
    """A loss that reads what the recipe's loss reads."""
    rows, model = need.micro * need.prompts, backbone.model
    hidden_size, kind = backbone.hidden_size, torch.bfloat16
    text = torch.randn(rows, need.tokens - need.image_tokens, hidden_size, dtype=kind)
    images = torch.randn(rows, need.image_tokens, hidden_size, dtype=kind)
    if need.tiles:
        side = backbone.model.config.vision_config.image_size
        side = side if isinstance(side, int) else side[0]
        tiles = torch.randn(rows * need.tiles, 3, side, side, dtype=backbone.dtype)
        if backbone.family.name == "internvl":
            made = model.model.get_image_features(pixel_values=tiles).pooler_output
        else:
            made = backbone.family._tile_features(model, tiles)
        images = made.reshape(rows, -1, hidden_size)[:, : need.image_tokens].to(kind)
    hidden = backbone.language(
        inputs_embeds=torch.cat([images, text], 1), attention_mask=None, use_cache=False
    ).last_hidden_state
    if not need.answer:
        return hidden[:, -1].float().square().mean()
    states = hidden[:, -need.answer - 1 : -1].flatten(0, 1)
    logits = backbone.logits(states)
    return torch.nn.functional.cross_entropy(logits, torch.zeros(len(states), dtype=torch.long))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(NEEDS), default=list(NEEDS), metavar="RECIPE")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    print("computed, not measured; GB of a micro-batch")
    for name in arguments.only:
        need = NEEDS[name]
        for checkpointing in (True, False):
            for micro in sorted({need.micro, 1}):
                found = peak(replace(need, micro=micro), checkpointing=checkpointing)
                line = f"{name:24} micro-batch {micro}, checkpointing {checkpointing!s:5} "
                print(line + ", ".join(f"{key} {value:.1f}" for key, value in found.items()), flush=True)


if __name__ == "__main__":
    main()
