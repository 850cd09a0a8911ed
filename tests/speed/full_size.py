"""A model of 8B at its full size, with random weights: seconds and memory of writing, conversion, loading and scoring.

    python -m tests.speed.full_size FOLDER            # --model NAME ..., --device cuda, --layers 4, --dtype float32
    python -m tests.speed.full_size FOLDER --model lmm4lmm --keep

For each model a folder in the published layout is written below FOLDER, converted where a metric converts it, loaded in
a process of its own and loaded again in another, which scores one pair. The same command resumes; it refuses to begin
where the disk lacks room, and deletes all weights in the end (`--keep` leaves them). Rows go to FOLDER/NAME.json.

- `peak GB`: the most memory that the process had resident over that of an empty one (Python, torch and transformers
  imported, the device initialised): what it allocated, and pages of mapped files, which the system drops when others
  need the room. `of file`: the same, as a share of the weights on the disk.
- `anonymous GB`: the most that was allocated, over the empty process: what no other process can have.
- `device GB`: the most that tensors had on the GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.speed.layers import resident

ROOT = Path(__file__).parents[2]
Row = dict[str, Any]

MODELS = {
    "qwen3-vl-8b": "ds_ieqa",
    "internvl3.5-8b": "vqa_score",
    "llava-onevision-7b": "epaiqa:explain=false",
    "lmm4lmm": "lmm4lmm:explain=false",
}
"""Each with the metric that scores a pair with it, without training."""

STAGES = ("write", "convert", "load", "score")
SPARE = 1_000_000_000
"""Bytes that stay free on the disk."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", nargs="+", choices=list(MODELS), default=list(MODELS), metavar="NAME")
    parser.add_argument("--layers", type=int, default=0, help="so many of each part, and a small vocabulary (0: all)")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="bfloat16", help="of the loaded model; the files are bfloat16")
    parser.add_argument("--side", type=int, default=512, help="pixels along a side of the pair's images")
    parser.add_argument("--keep", action="store_true", help="leave the weights where they are")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.stage:
        (model,) = arguments.model
        print(json.dumps(STAGE[arguments.stage](arguments.folder, model, arguments)))
        return
    for model in arguments.model:
        run(model, arguments)


def run(model: str, arguments: argparse.Namespace) -> None:
    """All stages of a model that have no row yet, each in a process of its own."""
    few = f"-{arguments.layers}-layers" if arguments.layers else ""
    folder = arguments.folder / f"{model}{few}-weights"
    results = arguments.folder / f"{model}{few}.json"
    setting = {name: getattr(arguments, name) for name in ("layers", "device", "dtype", "side")}
    rows: dict[str, Row] = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {}
    if rows and rows["setting"] != setting:
        raise SystemExit(
            f"{results} is of {rows['setting']}, and this is {setting}; move it away or use another FOLDER"
        )
    rows.setdefault("setting", setting)
    stages = [stage for stage in STAGES if stage != "convert" or model == "lmm4lmm"]
    if all(stage in rows for stage in stages):
        print(f"{model}: {results} has all rows")
        return
    require_room(model, folder, arguments)
    folder.mkdir(parents=True, exist_ok=True)
    for stage in stages:
        if stage in rows and (stage not in MADE or (folder / MADE[stage]).exists()):
            continue
        rows[stage] = in_child(stage, folder, model, arguments)
        text = json.dumps(rows, indent=1)
        results.write_text(text + "\n", encoding="utf-8")
        shown = ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in rows[stage].items())
        print(f"{model} {stage}: {shown}", flush=True)
    if not arguments.keep:
        shutil.rmtree(folder)


MADE = {"write": "published/model.safetensors.index.json", "convert": "converted/metric.json"}
"""What a stage leaves for the next one; it comes last."""


def in_child(stage: str, folder: Path, model: str, arguments: argparse.Namespace) -> Row:
    """The row of a stage that runs in a process of its own; `SystemExit` where it fails."""
    command, environment = child(stage, folder, model, arguments)
    done = subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{model}: {stage} failed; the same command resumes there. The weights are in {folder}")
    row: Row = json.loads(done.stdout.splitlines()[-1])
    return row


def child(stage: str, folder: Path, model: str, arguments: argparse.Namespace) -> tuple[list[str], dict[str, str]]:
    """The command and the environment of a stage; checksums are remembered beside the weights."""
    command = [sys.executable, "-m", "tests.speed.full_size", str(folder.resolve()), "--stage", stage, "--model", model]
    command += [f"--{name}={getattr(arguments, name)}" for name in ("layers", "device", "dtype", "side")]
    return command, {**os.environ, "EDITMETRICS_HOME": str(folder.resolve() / "home"), "EDITMETRICS_OFFLINE": "1"}


def require_room(model: str, folder: Path, arguments: argparse.Namespace) -> None:
    """`SystemExit` unless the disk has room for what is not written yet."""
    present = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) if folder.exists() else 0
    needed = layout(model, arguments.layers).bytes * (2 if model == "lmm4lmm" else 1) - present + SPARE
    folder.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder.parent).free
    if free < needed:
        raise SystemExit(
            f"{folder.parent}: {model} takes {needed / 1e9:.1f} GB of disk, and {free / 1e9:.1f} GB are free"
        )


# ---------------------------------------------------------------------- the stages


def layout(model: str, layers: int) -> Any:
    from tests.speed import layouts

    return layouts.lmm4lmm(layers) if model == "lmm4lmm" else layouts.native(model, layers)


def write(folder: Path, model: str, arguments: argparse.Namespace) -> Row:
    described = layout(model, arguments.layers)
    with measured("cpu") as row:
        described.write(folder / "published")
        if model == "lmm4lmm":
            layout("internvl2.5-8b", arguments.layers).small(folder / "native")  # whose processor it takes
    return {"file GB": gigabytes(folder / "published")} | row


def convert(folder: Path, model: str, _arguments: argparse.Namespace) -> Row:
    from editmetrics.plugins.lmm4lmm.convert import convert
    from editmetrics.plugins.lmm4lmm.metric import LMM4LMM

    source, output = folder / "published", folder / "converted"
    with measured("cpu") as row:
        convert(source, output, metric=LMM4LMM, part="perception", processor=str(folder / "native"))
    return against(row, gigabytes(source)) | {"converted GB": gigabytes(output)}


def load(folder: Path, model: str, arguments: argparse.Namespace) -> Row:
    metric = metric_of(folder, model, arguments)
    with measured(arguments.device) as row:
        metric.load()
    return against(row, gigabytes(weights_of(folder, model)))


def score(folder: Path, model: str, arguments: argparse.Namespace) -> Row:
    from editmetrics import Sample
    from editmetrics.testing.toys import picture

    source, edited = (picture(seed, arguments.side, arguments.side) for seed in (0, 1))
    sample = Sample("pair", source=source, edited=edited, prompt="make the disc blue", meta={"region": REGION})
    metric = metric_of(folder, model, arguments)
    with measured(arguments.device) as row:
        began = time.perf_counter()
        metric.load()
        loading = time.perf_counter() - began
        (result,) = metric.score([sample])
    if result.status not in ("ok", "unparseable"):
        raise SystemExit(f"{model}: the pair has no score: {result.reason}")
    if arguments.device.startswith("cuda"):
        import torch

        torch.cuda.synchronize()
    row["seconds"] -= loading
    return against(row, gigabytes(weights_of(folder, model))) | {"loading again, seconds": loading} | {
        "status": result.status, **result
    }  # fmt: skip


REGION = "0.5,0.5,0.25,0.25"
STAGE: dict[str, Callable[[Path, str, argparse.Namespace], Row]] = {
    "write": write, "convert": convert, "load": load, "score": score,
}  # fmt: skip


def weights_of(folder: Path, model: str) -> Path:
    return folder / ("converted" if model == "lmm4lmm" else "published")


def metric_of(folder: Path, model: str, arguments: argparse.Namespace) -> Any:
    from editmetrics import create_metric

    option = "weights" if model == "lmm4lmm" else "backbone"
    return create_metric(
        MODELS[model], device=arguments.device, dtype=arguments.dtype, **{option: str(weights_of(folder, model))}
    )


# ---------------------------------------------------------------------- measuring


def gigabytes(folder: Path) -> float:
    """Of all weights in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*.safetensors")) / 1e9


def against(row: Row, file: float) -> Row:
    return {"file GB": file} | row | {"of file": row["peak GB"] / file}


@contextmanager
def measured(device: str) -> Iterator[Row]:
    """Fill a row with the seconds and the peaks of the block."""
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor  # noqa: F401 - part of the empty process

    import editmetrics.mllm.backbone  # noqa: F401

    cuda = device.startswith("cuda")
    if cuda:
        torch.zeros(1, device=device)
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before, allocated = resident("VmRSS"), resident("RssAnon")
    row: Row = {}
    highest, done = allocated, threading.Event()

    def watch() -> None:
        nonlocal highest
        while not done.wait(0.005):
            highest = max(highest, resident("RssAnon"))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    began = time.perf_counter()
    try:
        yield row
    finally:
        row["seconds"] = time.perf_counter() - began
        done.set()
        watcher.join()
    row |= {"peak GB": (resident("VmHWM") - before) / 1e3, "anonymous GB": (highest - allocated) / 1e3}
    if cuda:
        row["device GB"] = torch.cuda.max_memory_allocated() / 1e9


if __name__ == "__main__":
    main()
