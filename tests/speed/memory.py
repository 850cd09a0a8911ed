"""What each paper's recipe needs of a GPU's memory, computed from shapes, and checked where that can be measured.

    python -m tests.speed.memory                        # --only RECIPE ...: training, validation, search, scoring
    python -m tests.speed.memory --check                # few layers of true width on this CPU: computed and measured

Computed: micro-batches go forward and backward through transformers' own classes of the real shapes, on tensors that
have a shape and no numbers (`FakeTensorMode`), under mixed precision with bfloat16, and every storage is counted while
it lives. The peak is that, with the weights (bfloat16; float32 for full fine-tuning), and gradients and AdamW's two
moments of what is trained (float32). Gradients live from the first micro-batch of an update to its end, so the peak is
that of a later one, while autocast keeps a bfloat16 copy of every trained matrix. What a GPU needs besides (the CUDA
context, workspaces of kernels, fragmentation: 2 to 5 GB) is not in it.

Measured: the same on real tensors, in a process of its own, as the most memory that it had resident.
"""

from __future__ import annotations

import argparse
import gc
import subprocess
import sys
import warnings
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.speed.layers import resident
from tests.speed.shapes import random_backbone

GB = 1e9


@dataclass(frozen=True)
class Need:
    """A recipe's micro-batch: the backbone, prompts in it, tokens of each, those of them of images, tiles of the vision
    tower (0: features are kept, and it does not run), tokens of answers whose logits are computed, LoRA's rank on which
    parts (0: all of the weights are trained; no parts: nothing is, and prompts are read into a cache), examples in a
    micro-batch, micro-batches in an update; `layers`: so many of each part, and a small vocabulary (0: all)."""

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
    accumulation: int = 2
    layers: int = 0
    checkpointing: bool = True


def reading(shape: str, tokens: int, image_tokens: int, tiles: int, prompts: int) -> Need:
    """Prompts that are read together without gradients."""
    return Need(shape, tokens, image_tokens, tiles, 0, 0, (), 1, prompts=prompts)


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

READINGS = {
    "ds_ieqa, validation": reading("qwen3-vl-8b", 2720, 2560, 0, 16),
    "ds_ieqa, definitions": reading("qwen3-vl-8b", 2720, 2560, 0, 8),
    "hpe_lsa, validation": reading("internvl3.5-8b", 1310, 1280, 5, 15),
    "lmm4lmm, validation": reading("internvl2.5-8b", 1400, 1280, 5, 16),
    "epaiqa, validation": reading("llava-onevision-7b", 7400, 7330, 10, 16),
}
"""What is read without gradients: `validation_batch_size` 16, `definition_batch_size` 8."""

CHECKS = {
    "LoRA, gradients checkpointed": replace(
        Need("qwen3-vl-8b", 96, 80, 0, 12, 16, ("language",), 1), layers=1, accumulation=1
    ),
    "LoRA, all activations kept": replace(
        Need("internvl3.5-8b", 192, 128, 1, 0, 8, ("vision", "language"), 1),
        layers=1, accumulation=1, checkpointing=False,
    ),
    "all weights": replace(Need("llava-onevision-7b", 16, 8, 1, 4, 0, ("everything",), 1), layers=1),
    "reading": replace(reading("qwen3-vl-8b", 256, 200, 0, 2), layers=1),
}  # fmt: skip
"""What `--check` measures; each in less than 6 GB, and minutes of one core that computes bfloat16 slowly."""


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


def backbone_of(need: Need, device: str) -> Any:
    full = need.parts == ("everything",)
    return random_backbone(need.shape, device, dtype="float32" if full else "bfloat16", layers=need.layers)


def peak(need: Need) -> dict[str, float]:
    """GB of weights, of gradients and moments, and at the peak of an update, or of a reading; computed."""
    backbone = backbone_of(need, "meta")
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
        with live:
            (accumulate if trained else read)(backbone, need)
        step = weights + 12 * count + 8 * max((p.numel() for p in trained), default=0)  # AdamW, one tensor at a time
    return {
        "parameters": model.num_parameters() / 1e9, "trained": count / 1e6, "weights": weights / GB,
        "states": 12 * count / GB, "peak": max(live.peak, step) / GB,
    }  # fmt: skip


def measured(need: Need) -> float:
    """GB that the process had at most over what it has before there is a backbone; to be called once in a process."""
    from editmetrics.mllm.loop import _adamw
    from editmetrics.mllm.recipe import Recipe

    peak(replace(need, shape="toy-llava", layers=0, tokens=8, image_tokens=4, tiles=0, rank=8, parts=("language",)))
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before = resident("VmRSS")
    backbone = backbone_of(need, "cpu")
    if chosen(backbone, need):
        optimizer = _adamw(backbone.model, Recipe())
        for _ in range(2 if need.parts == ("everything",) else 1):  # LoRA's moments are nothing beside the rest
            accumulate(backbone, need)
            optimizer.step()
            optimizer.zero_grad()
    else:
        read(backbone, need)
    return (resident("VmHWM") - before) / 1e3


def chosen(backbone: Any, need: Need) -> list[torch.nn.Parameter]:
    """What is trained, with gradients."""
    from editmetrics.mllm.lora import add_lora, trainable

    if not need.parts:
        return []
    if need.rank:
        add_lora(backbone, "a", parts=need.parts, rank=need.rank, alpha=2.0 * need.rank, dropout=need.dropout)
        return trainable(backbone, "a")
    part = backbone.model if need.parts == ("everything",) else backbone.projector
    for parameter in part.parameters():
        parameter.data = parameter.data.float()
        parameter.requires_grad_(True)
    return list(part.parameters())


def accumulate(backbone: Any, need: Need) -> None:
    """The micro-batches of an update, forward and backward."""
    from editmetrics.mllm.loop import _gradient_checkpointing

    backbone.model.train()
    with _gradient_checkpointing(backbone.model, need.checkpointing):
        for _ in range(need.accumulation):
            with torch.autocast(next(backbone.model.parameters()).device.type, torch.bfloat16):
                loss = forward(backbone, need)
            loss.backward()


def read(backbone: Any, need: Need) -> None:
    """Prompts into a key-value cache, and one more token, as `Backbone.read` and its continuations do."""
    from editmetrics.mllm.growing_cache import new_cache
    from editmetrics.mllm.prefix_cache import _kept_in

    backbone.model.eval()
    with torch.no_grad():
        more = _kept_in(new_cache(), backbone)
        states = inputs(backbone, need)
        hidden = backbone.language(inputs_embeds=states, attention_mask=None, **more).last_hidden_state
        backbone.logits(hidden[:, -1])
        del states, hidden
        token = torch.randn(need.prompts, 1, backbone.hidden_size, dtype=torch.bfloat16)
        backbone.logits(backbone.language(inputs_embeds=token, attention_mask=None, **more).last_hidden_state[:, -1])


def inputs(backbone: Any, need: Need) -> torch.Tensor:
    """(prompts, tokens, width): what the language model takes; features from the vision tower where it runs."""
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
    return torch.cat([images, text], 1)


def forward(backbone: Any, need: Need) -> torch.Tensor:
    """A loss that reads what the recipe's loss reads."""
    hidden = backbone.language(
        inputs_embeds=inputs(backbone, need), attention_mask=None, use_cache=False
    ).last_hidden_state
    if not need.answer:
        return hidden[:, -1].float().square().mean()
    states = hidden[:, -need.answer - 1 : -1].flatten(0, 1)
    logits = backbone.logits(states)
    return torch.nn.functional.cross_entropy(logits, torch.zeros(len(states), dtype=torch.long))


def check(name: str) -> tuple[float, float]:
    """GB computed, and measured in a process of its own."""
    command = [sys.executable, "-m", "tests.speed.memory", "--measured", name]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    return peak(CHECKS[name])["peak"], float(done.stdout.split()[-1])


def rows(needs: dict[str, Need]) -> Iterator[tuple[str, Need]]:
    """Each recipe with and without checkpointing, with its micro-batch and one example at a time."""
    for name, need in needs.items():
        for checkpointing in (True, False) if need.parts else (True,):
            for micro in sorted({need.micro, 1}):
                yield name, replace(need, micro=micro, checkpointing=checkpointing)


def main() -> None:
    everything = NEEDS | READINGS
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(everything), default=list(everything), metavar="RECIPE")
    parser.add_argument("--check", action="store_true", help="compute and measure few layers of true width")
    parser.add_argument("--measured", choices=list(CHECKS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    if arguments.measured:
        print(measured(CHECKS[arguments.measured]))
        return
    if arguments.check:
        for name in CHECKS:
            computed, resident_ = check(name)
            print(f"{name:30} computed {computed:.2f} GB, measured {resident_:.2f} GB ({computed / resident_:.2f})")
        return
    print("computed, not measured; GB of a micro-batch, or of a reading")
    for name, need in rows({name: everything[name] for name in arguments.only}):
        line = f"{name:24} micro-batch {need.micro}, checkpointing {need.checkpointing!s:5} "
        print(line + ", ".join(f"{key} {value:.1f}" for key, value in peak(need).items()), flush=True)


if __name__ == "__main__":
    main()
