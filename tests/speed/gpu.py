"""All rows of docs/performance.md that need a GPU, in one call: time, share of the card's peak, memory.

    python -m tests.speed.gpu                              # ten minutes at most; the same command resumes
    python -m tests.speed.gpu --only networks assessors    # some kinds of rows
    python -m tests.speed.gpu --rehearse --minutes 2       # toy sizes without a GPU, to see that it runs

Rows go to `--output` (gpu.json) as they are measured, and to a Markdown table beside it. A row that is there is not
measured again; one that failed is. A kind of row whose time is over is listed as left out. Weights are random, which
changes neither time nor memory.

- classic, networks: `score_batch` of a batch of prepared pairs, milliseconds a pair, with copies and the reading of
  results; and `score` of the same images, which prepares them.
- assessors: seconds a batch, the ratio to transformers' `generate`, the share of the card's peak, the memory's peak.
- training: seconds an update of ours and of a plain Trainer, the memory's peak of ours.
- memory: the peak of each paper's recipe, measured and computed (`tests.speed.memory`), in GB.
"""

from __future__ import annotations

import argparse
import gc
import json
import platform
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from editmetrics import create_metric
from editmetrics.files.writing import write_text
from editmetrics.testing import offline_weights, rehearsal, toys
from tests.speed import learned, memory, training
from tests.speed.shapes import random_backbone

CLASSIC = ("psnr", "mae", "ssim", "ms_ssim", "fsim", "gmsd", "vif")
NETWORKS = ("lpips:net=alex", "lpips:net=vgg", "lpips:net=squeeze", "dists")
ASSESSORS = {
    "qwen3-vl": ("ds_ieqa, zero-shot", "ds_ieqa, trained"),
    "internvl": ("hpe_lsa", "lmm4lmm"),
    "llava": ("epaiqa, region given", "epaiqa, region asked"),
}
"""The rows of `learned` by the family of their backbone."""


@dataclass(frozen=True)
class Scale:
    """Sizes of what is measured."""

    device: str
    size: str
    sides: tuple[int, ...]
    batch: int
    rounds: int
    assessor_side: int
    assessor_batch: int
    layers: int

    def shape(self, family: str) -> str:
        """Return the name of a backbone in `shapes.SHAPES`."""
        return training.LARGE[family] if self.size == "8b" else f"toy-{family}"


CARD = Scale("cuda", "8b", (256, 512, 1024), 16, 5, 1024, 16, 0)
TOY = Scale(rehearsal.NAME, "toy", (192,), 2, 1, 64, 2, 1)

Row = dict[str, Any]
Job = tuple[str, Callable[[], Row]]


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(KINDS), default=list(KINDS), metavar="KIND")
    parser.add_argument("--output", type=Path, default=Path("gpu.json"))
    parser.add_argument("--minutes", type=float, default=9.5, help="begin no row after this time")
    parser.add_argument("--rehearse", action="store_true", help="toy sizes, on the rehearsal device or the CPU")
    parser.add_argument("--first", type=int, help="measure so many rows of each kind")
    arguments = parser.parse_args(given)
    warnings.filterwarnings("ignore")
    if not arguments.rehearse and not torch.cuda.is_available():
        parser.error("no CUDA device; --rehearse runs everything at toy size without one")
    scale = toy_scale() if arguments.rehearse else CARD
    begun, results = time.monotonic(), read(arguments.output, scale)
    for kind in arguments.only:
        for name, job in list(KINDS[kind](scale))[: arguments.first]:
            measured = results["rows"].setdefault(kind, {})
            if name in measured and not measured[name].keys() & {"failed", "left out"}:
                continue
            over = time.monotonic() - begun > 60 * arguments.minutes
            measured[name] = {"left out": "no time left; run the command again"} if over else outcome(job)
            write(arguments.output, results)
            print(kind, name, shown(measured[name]), sep="  ", flush=True)


def toy_scale() -> Scale:
    """Toy sizes, on the CPU where the rehearsal device cannot be."""
    if rehearsal.why_unavailable():
        return replace(TOY, device="cpu")
    rehearsal.install()
    return TOY


def outcome(job: Callable[[], Row]) -> Row:
    """Return a row, or why there is none: a row that does not fit costs no other."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    try:
        row = job()
    except (Exception, SystemExit) as error:
        return {"failed": f"{type(error).__name__}: {error}"[:300]}
    if torch.cuda.is_available():
        row.setdefault("peak GB", torch.cuda.max_memory_allocated() / 1e9)
    return row


# ---------------------------------------------------------------------- the rows


def scored(scale: Scale, spec: str, side: int) -> Row:
    """Milliseconds a pair of a metric without a backbone."""
    metric = create_metric(spec, device=scale.device)
    with offline_weights(metric.checkpoints()):
        metric.load()
    samples = toys.samples(scale.batch, side, side)
    batch = [metric.prepare(sample) for sample in samples]
    calls = [lambda: metric.score_batch(batch), lambda: metric.score(samples)]
    scoring, whole = learned.alternated(calls, 4 * scale.rounds)
    return {"ms a pair": 1e3 * scoring / len(batch), "with preparing": 1e3 * whole / len(batch)}


def of_metrics(specs: Sequence[str]) -> Callable[[Scale], Iterator[Job]]:
    def jobs(scale: Scale) -> Iterator[Job]:
        for spec in specs:
            for side in scale.sides:
                yield f"{spec}, {side} pixels", lambda spec=spec, side=side: scored(scale, spec, side)

    return jobs


def assessors(scale: Scale) -> Iterator[Job]:
    import numpy as np

    loaded: dict[str, Any] = {}

    def row(family: str, case_name: str) -> Row:
        if family not in loaded:
            loaded.clear()  # one backbone fits
            gc.collect()
            dtype = "bfloat16" if scale.device == "cuda" else "float32"
            loaded[family] = random_backbone(scale.shape(family), scale.device, dtype=dtype)
        backbone, random = loaded[family], np.random.default_rng(0)
        pairs = [learned._pair(random, *[scale.assessor_side] * 2) for _ in range(scale.assessor_batch)]
        case = learned.CASES[case_name](backbone, pairs)
        try:
            operations = learned.flops(case.ours)
            ours, plain = learned.alternated([case.ours, case.plain], scale.rounds)
        finally:
            for adapter in learned.adapters(backbone):
                learned.remove_lora(backbone, adapter)
        share = operations / ours / learned.matmul_flops(backbone)
        tokens = sum(len(prompt) for prompts in case.asked for prompt in prompts)
        return {
            "pairs/s": len(pairs) / ours, "generate, pairs/s": len(pairs) / plain, "ratio": plain / ours,
            "tokens/s": tokens / ours, "share of peak": share,
        }  # fmt: skip

    for family, names in ASSESSORS.items():
        for name in names:
            yield name, lambda family=family, name=name: row(family, name)


def trainings(scale: Scale) -> Iterator[Job]:
    def row(name: str) -> Row:
        device = "cuda" if scale.device == "cuda" else "cpu"  # transformers' Trainer knows no other here
        arguments = argparse.Namespace(
            size=scale.size, device=device, side=scale.assessor_side, image_tokens=1280, batch=scale.assessor_batch,
            micro=min(4, scale.assessor_batch), updates=1 if scale is not CARD else 2, rounds=1, no_checkpointing=False,
        )  # fmt: skip
        with training.ours(name, arguments) as (_, run):
            seconds = run()
        peak = torch.cuda.max_memory_allocated() / 1e9 if device == "cuda" else None
        gc.collect()
        with training.plain(name, arguments) as run:
            plain = run()
        mine, theirs = statistics.median(seconds), statistics.median(plain)
        return {"s an update": mine, "plain, s": theirs, "ratio": theirs / mine} | ({"peak GB": peak} if peak else {})

    for name in training.STAGES:
        yield name, lambda name=name: row(name)


def memories(scale: Scale) -> Iterator[Job]:
    def row(need: memory.Need) -> Row:
        if scale.size != "8b":
            family = next(family for family, shape in training.LARGE.items() if shape.partition("-")[0] in need.shape)
            need = replace(need, shape=f"toy-{family}", tokens=24, image_tokens=16, tiles=min(need.tiles, 1), answer=2)
        computed = memory.peak(need)["peak"]
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        with torch.device("cuda" if scale.device == "cuda" else "cpu"):
            use(need)
        measured = torch.cuda.max_memory_allocated() / 1e9 if torch.cuda.is_available() else None
        return {"computed GB": computed} | ({"peak GB": measured} if measured else {})

    def use(need: memory.Need) -> None:
        from editmetrics.mllm.loop import _adamw
        from editmetrics.mllm.recipe import Recipe

        backbone = memory.backbone_of(need, "cuda" if scale.device == "cuda" else "cpu")
        if not memory.chosen(backbone, need):
            memory.read(backbone, need)
            return
        optimizer = _adamw(backbone.model, Recipe())
        for _ in range(2):  # the moments are there from the first update on
            memory.accumulate(backbone, need)
            optimizer.step()
            optimizer.zero_grad()

    for name, need in {**memory.READINGS, **memory.NEEDS}.items():
        yield name, lambda need=need: row(need)


KINDS: dict[str, Callable[[Scale], Iterator[Job]]] = {
    "classic": of_metrics(CLASSIC),
    "networks": of_metrics(NETWORKS),
    "assessors": assessors,
    "training": trainings,
    "memory": memories,
}


# ---------------------------------------------------------------------- the files


def read(output: Path, scale: Scale) -> Row:
    """Return the results so far; `SystemExit` for those of another machine or size."""
    card = torch.cuda.get_device_name() if scale.device == "cuda" else f"{scale.device} ({platform.machine()})"
    machine = {"device": card, "size": scale.size, "torch": torch.__version__}
    if not output.exists():
        return {"machine": machine, "rows": {}}
    results: Row = json.loads(output.read_text(encoding="utf-8"))
    if results["machine"] != machine:
        raise SystemExit(f"{output} is of {results['machine']}, and this is {machine}; choose another --output")
    return results


def write(output: Path, results: Row) -> None:
    """Write the results, and the table beside them."""
    write_text(output, json.dumps(results, indent=1) + "\n")
    write_text(output.with_suffix(".md"), table(results))


def table(results: Row) -> str:
    """Return the rows in Markdown, a table for each kind."""
    lines = [", ".join(f"{name} {value}" for name, value in results["machine"].items())]
    for kind, rows in results["rows"].items():
        columns = list(dict.fromkeys(name for row in rows.values() for name in row))
        lines += ["", f"| {kind} | {' | '.join(columns)} |", "|---|" + "---|" * len(columns)]
        lines += [
            f"| {name} | {' | '.join(cell(row[column]) if column in row else '' for column in columns)} |"
            for name, row in rows.items()
        ]
    return "\n".join(lines) + "\n"


def cell(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value).replace("|", "/").replace("\n", " ")


def shown(row: Row) -> str:
    return ", ".join(f"{name} {cell(value)}" for name, value in row.items())


if __name__ == "__main__":
    main()
