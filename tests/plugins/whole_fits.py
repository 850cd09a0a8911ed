"""A whole `fit` of each metric that trains, as a process of a training runs it, alone or beside another.

    torchrun --nproc_per_node 2 tests/plugins/whole_fits.py DATA FOLDER

Few steps without dropout, which each process draws for itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from editmetrics.cli import cli
from editmetrics.mllm.processes import ProcessError, is_main_process
from editmetrics.plugins.ds_ieqa import definitions
from editmetrics.plugins.ds_ieqa.metric import DSIEQA
from editmetrics.plugins.epaiqa.metric import EPAIQA
from editmetrics.plugins.hpe_lsa.metric import HPELSA
from editmetrics.plugins.lmm4lmm.metric import LMM4LMM
from tests.plugins.ds_ieqa.test_fit import Scripted
from tests.plugins.hpe_lsa.conftest import TARGETS as LABELS
from tests.worlds.edits import toy_edits
from tests.worlds.images import toy_images
from tests.worlds.regions import DIMENSIONS as OF_REGIONS
from tests.worlds.regions import toy_region_edits

SHORT = {"preset": "toy", "evaluate_every": 2, "dropout": 0.0}
WORLDS = {"edits": toy_edits, "regions": toy_region_edits, "images": toy_images}
TARGETS = {"perception": "perception", "correspondence": "correspondence"}


class Stopped(Exception):
    """The main process is stopped in the middle."""


def stop_after(calls: int) -> Callable[..., None]:
    """What is told of the progress, and stops the training; only the main process is told."""

    def progress(*_: object) -> None:
        nonlocal calls
        calls -= 1
        if not calls:
            raise Stopped

    return progress


def hpe_lsa(data: Path, folder: Path) -> None:
    """Contrastive tuning with the negatives of the whole batch, analysis, decoders."""
    HPELSA(backbone="toy-internvl").to("cpu").fit(
        data / "edits" / "ratings.csv", targets=LABELS, output_dir=folder, steps=3, batch_size=6, decoder_steps=12,
        decoder_batch_size=16, batch_negatives=True, **SHORT,
    )  # fmt: skip


def hpe_lsa_untuned(data: Path, folder: Path) -> None:
    """Analysis and decoders alone, with batches so small that some processes have real images only."""
    HPELSA(backbone="toy-internvl").to("cpu").fit(
        data / "edits" / "ratings.csv", targets=LABELS, output_dir=folder, vision_lora=False, language_lora=False,
        decoder_steps=12, decoder_batch_size=4, **SHORT,
    )  # fmt: skip


def hpe_lsa_joint(data: Path, folder: Path) -> None:
    """All losses at once, of layers below the last."""
    HPELSA(backbone="toy-internvl").to("cpu").fit(
        data / "edits" / "ratings.csv", targets=LABELS, output_dir=folder, training="joint", contrast_layers=(2,),
        layer=3, steps=3, batch_size=6, decoder_steps=12, decoder_batch_size=16, **SHORT,
    )  # fmt: skip


def search_and_train(data: Path, folder: Path, progress: Callable[..., None] | None = None) -> None:
    """A search of definitions, and an adapter."""
    plain, definitions._optimiser = definitions._optimiser, lambda *_: Scripted("[[How sharp is it?]]", "[[Rate it.]]")
    try:
        DSIEQA(backbone="toy-internvl").to("cpu").fit(
            data / "edits" / "ratings.csv", targets={"visual_quality": "visual_quality"}, output_dir=folder,
            optimiser="scripted", trials=2, pairs=8, steps=6, batch_size=8, progress=progress, **SHORT,
        )  # fmt: skip
    finally:
        definitions._optimiser = plain


def begin(data: Path, folder: Path) -> None:
    """The same, stopped in the middle of the adapter's training."""
    with suppress(Stopped, ProcessError):
        search_and_train(data, folder, stop_after(4))


def ds_ieqa(data: Path, folder: Path) -> None:
    """The same, stopped and started again."""
    begin(data, folder)
    search_and_train(data, folder)


def ds_ieqa_in_folds(data: Path, folder: Path) -> None:
    """Two folds, by the command line."""
    settings = [f"--set={name}={value}" for name, value in {**SHORT, "steps": 2, "batch_size": 4}.items()]
    arguments = ["fit", "ds_ieqa", data / "edits" / "ratings.csv", "-o", folder, "--folds", "2", "--device", "cpu"]
    arguments += ["--backbone", "toy-internvl", "--target", "content_preservation=content_preservation", "--quiet"]
    cli([str(argument) for argument in [*arguments, *settings]], standalone_mode=False)


def epaiqa(data: Path, folder: Path) -> None:
    """All stages with all weights, and lessons of earlier stages among those of a later one."""
    steps = {f"{stage}_steps": 2 for stage in ("grounding", "quantitative", "explained")}
    EPAIQA(backbone="toy-llava").to("cpu").fit(
        data / "regions" / "ratings.csv", targets={name: name for name in OF_REGIONS}, label_scale=(1, 5),
        output_dir=folder, tuning="full", saved="float32", rehearsal=0.4, batch_size=4, max_tokens=8, **steps, **SHORT,
    )  # fmt: skip


def lmm4lmm(data: Path, folder: Path) -> None:
    """Levels, ratings and answers."""
    LMM4LMM(backbone="toy-internvl").to("cpu").fit(
        data / "images" / "ratings.csv", targets=TARGETS, group="scene", answers="answers", output_dir=folder, steps=2,
        level_steps=2, batch_size=4, level_batch_size=4, **SHORT,
    )  # fmt: skip


FITS = {
    fit.__name__: fit for fit in (hpe_lsa, hpe_lsa_untuned, hpe_lsa_joint, ds_ieqa, ds_ieqa_in_folds, epaiqa, lmm4lmm)
}


def fit_all(data: Path, folder: Path) -> None:
    for name, fit in FITS.items():
        fit(data, folder / name)


if __name__ == "__main__":
    fit_all(Path(sys.argv[1]), Path(sys.argv[2]))
    begin(Path(sys.argv[1]), Path(sys.argv[2]) / "begun")
    print(f"process {'0' if is_main_process() else '1'} has ended")
