"""What the four assessors learn of the made world, and what the parts of their methods add.

    python -m tools.evidence FOLDER BACKBONE

trains each metric of `STUDIES` and each of its variants with three seeds on the same edits (or pictures), and scores
with each result once images of photographs that neither they nor the backbone have seen. A row of
`FOLDER/evidence.csv` is the agreement of one training with the truth in one dimension; the rows of "baseline" are those
of ridge regression on image statistics. The same call resumes. `--only`, `--variant`, `--seeds` and `--dimension` do a
part of it, `--jobs` so many trainings at once, each with one thread. `--validation` scores nothing: it trains, and the
cards say how weights agree with the validation part, by which a recipe may be chosen.
"""

from __future__ import annotations

import argparse
import csv
import logging
import statistics
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, cast

import editmetrics
from editmetrics import studies
from editmetrics.data import from_manifest
from editmetrics.files.rows import read_rows
from editmetrics.files.writing import write_figure
from editmetrics.learned_metric import LearnedMetric
from editmetrics.mllm.folds import Fold
from tools.world.files import SEEDS, write_edits
from tools.world.pictures import write_pictures
from tools.world.scenes import FITTING, TESTING

PARTS = {"train": (6000, FITTING), "validation": (300, FITTING), "test": (600, TESTING)}
"""How many edits, and how many pictures, an assessor learns from, chooses its weights by and is tested on; and the
photographs that they are made of."""

MEASURES = ("srcc", "auc")
"""Of ratings, and of labels."""


@dataclass(frozen=True)
class Study:
    """A metric, the columns of the made world that it learns, and its trainings: settings by the variant's name.

    `full` is the whole method; each variant lacks a part of it. `apart`: each dimension is a training of its own.
    """

    world: str
    targets: Mapping[str, str]
    full: Mapping[str, Any]
    variants: Mapping[str, Mapping[str, Any]]
    options: Mapping[str, Any] = field(default_factory=dict)
    apart: bool = False

    def settings(self, variant: str) -> dict[str, Any]:
        """The settings of a variant."""
        return {**self.full, **({} if variant == FULL else self.variants[variant])}


FULL, BASELINE = "full", "baseline"

DOTS, COLOURS = ("o", "x", "+"), ("#0072b2", "#d55e00", "#009e73")
"""Of the full method and of its variants, in the figure."""

STUDIES = {
    "ds_ieqa": Study(
        "edits",
        {name: name for name in ("visual_quality", "editing_fidelity", "content_preservation")},
        {"steps": 2000, "evaluate_every": 400, "patience": None},
        {"cross-entropy in place of TDRL": {"loss": "cross_entropy"}},
        apart=True,
    ),
    "hpe_lsa": Study(
        "edits",
        {
            "perceptual_quality": "visual_quality",
            "editing_alignment": "editing_fidelity",
            "attribute_preservation": "content_preservation",
            "authenticity": "is_real",
        },
        {
            "training": "joint",
            "analysed_backbone": "untuned",
            "pooling": "last",
            "feature": "last",
            "steps": 600,
            "batch_size": 32,
            "learning_rate": 2e-3,
            "evaluate_every": 150,
            "decoder_steps": 300,
        },
        {
            "the last layer in place of LSA's": {"lsa": False},
            "no contrastive loss": {"contrastive_weight": 0.0},
        },
    ),
    "lmm4lmm": Study(
        "pictures",
        {"perception": "perception", "correspondence": "correspondence"},
        {"group": None, "level_steps": 100, "steps": 600, "evaluate_every": 200},
        {"one stage": {"levels": False}},
        {"explain": False},
    ),
    "epaiqa": Study(
        "edits",
        {
            "overall_quality": "overall_quality",
            "harmony": "harmony",
            "local_naturalness": "local_naturalness",
            "prompt_completion": "prompt_completion",
        },
        {
            "batch_size": 32,
            "learning_rate": 2e-3,
            "quantitative_steps": 1000,
            "explained_steps": 1000,
            "evaluate_every": 500,
        },
        {"no grounding stage": {"stages": ("quantitative", "explained")}},
    ),
}


def data(folder: Path) -> dict[str, dict[str, Path]]:
    """The manifests of each world's parts; made where they are not there yet."""
    manifests: dict[str, dict[str, Path]] = {"edits": {}, "pictures": {}}
    for part, (count, photographs) in PARTS.items():
        shared: dict[str, Any] = {"photographs": photographs, "seed": SEEDS[part]}
        for world, write in (("edits", partial(write_edits, real=True)), ("pictures", write_pictures)):
            manifest = folder / world / part / "ratings.csv"
            manifests[world][part] = manifest if manifest.exists() else write(manifest.parent, count, **shared)
    return manifests


@dataclass(frozen=True)
class Training:
    """One training of a variant of a metric, to be tested on `targets`."""

    name: str
    variant: str
    seed: int
    targets: Mapping[str, str]

    def folder(self, root: Path) -> Path:
        """Where its checkpoint is."""
        one = next(iter(self.targets)) if STUDIES[self.name].apart else ""
        return root / self.name / self.variant.replace(" ", "_") / str(self.seed) / one

    def train(self, manifests: Mapping[str, Path], backbone: str, root: Path) -> Path:
        """Write the checkpoint, and return its folder."""
        output, study = self.folder(root), STUDIES[self.name]
        if not (output / "metric.json").exists():
            metric = cast(LearnedMetric, editmetrics.create_metric(self.name, backbone=backbone, dtype="float32"))
            metric.fit(
                manifests["train"], manifests["validation"], output_dir=output, targets=dict(self.targets),
                label_scale=(0, 100), preset="toy", dtype="float32", seed=self.seed, baseline=False,
                **study.settings(self.variant),
            )  # fmt: skip
        return output

    def test(self, weights: Path, manifest: Path) -> list[dict[str, Any]]:
        """The agreement of the checkpoint with the truth about the test's images, a row for each dimension."""
        options = {"weights": str(weights), "dtype": "float32", **STUDIES[self.name].options}
        metric = cast(LearnedMetric, editmetrics.create_metric(self.name, **options))
        samples = metric.samples_for_folds(list(from_manifest(manifest)), self.targets)
        results = editmetrics.score(samples, [metric])
        return studies.fold_rows(1, results, metric, self.targets, {})


def trainings(
    only: str | None = None, variant: str | None = None, seeds: Sequence[int] = (0, 1, 2), dimension: str | None = None
) -> Iterator[Training]:
    """All trainings, or those of one metric, variant or dimension."""
    for name in [only] if only else STUDIES:
        study = STUDIES[name]
        parts = [{one: column} for one, column in study.targets.items()] if study.apart else [study.targets]
        for one in [variant] if variant else [FULL, *study.variants]:
            for seed in seeds:
                yield from (
                    Training(name, one, seed, targets) for targets in parts if dimension is None or dimension in targets
                )


def run(training: Training, manifests: Mapping[str, Path], backbone: str, root: Path, tested: bool) -> list[Any]:
    """Train and test in a process of its own; without `tested`, only train."""
    import torch

    torch.set_num_threads(1)
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s {training.name} {training.seed} %(message)s")
    weights = training.train(manifests, backbone, root)
    return training.test(weights, manifests["test"]) if tested else []


def baseline(name: str, manifests: Mapping[str, Path]) -> list[dict[str, Any]]:
    """The same of ridge regression on image statistics, trained on all of the training's images."""
    fold = Fold(list(from_manifest(manifests["train"])), list(from_manifest(manifests["test"])))
    rows = studies.fold_baseline(1, fold, STUDIES[name].targets)
    return [{**row, "dimension": row["dimension"].removeprefix("baseline of ")} for row in rows]


class Table:
    """`evidence.csv`: the rows of every training that was tested, written once each."""

    COLUMNS = ("metric", "variant", "seed", "dimension", "measure", "value", "n", "excluded")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = [row.cells for row in read_rows(path)] if path.exists() else []

    def has(self, training: Training) -> bool:
        """True if this training was tested."""
        wanted = [(training.name, training.variant, str(training.seed), dimension) for dimension in training.targets]
        there = {tuple(str(row[key]) for key in self.COLUMNS[:4]) for row in self.rows}
        return set(wanted) <= there

    def add(self, training: Training, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write the rows of a training."""
        about = {"metric": training.name, "variant": training.variant, "seed": training.seed}
        own = [{key: {**about, **row}[key] for key in self.COLUMNS} for row in rows if row["measure"] in MEASURES]
        self.rows += own
        with self.path.open("a", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, self.COLUMNS)
            if stream.tell() == 0:
                writer.writeheader()
            writer.writerows(own)

    def with_value(self) -> list[Mapping[str, Any]]:
        """The rows whose measure is defined."""
        return [row for row in self.rows if row["value"] not in (None, "")]

    def summary(self) -> str:
        """A Markdown table: for each metric and dimension the mean over seeds, with the least and the greatest."""
        values: dict[tuple[str, str, str], list[float]] = {}
        for row in self.with_value():
            values.setdefault((row["metric"], row["dimension"], row["variant"]), []).append(float(row["value"]))
        lines = ["| metric | dimension | variant | mean | least, greatest |", "|-|-|-|-|-|"]
        for (name, dimension, variant), numbers in sorted(values.items(), key=lambda item: item[0][:2]):
            spread = f"{min(numbers):.2f}, {max(numbers):.2f}" if len(numbers) > 1 else ""
            lines.append(f"| {name} | {dimension} | {variant} | {statistics.mean(numbers):.3f} | {spread} |")
        return "\n".join(lines)


def draw(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """A panel for each metric: a dot for each training, a row for each dimension; the bar is the baseline."""
    from matplotlib.figure import Figure

    names = [name for name in STUDIES if any(row["metric"] == name for row in rows)]
    heights = [len(STUDIES[name].targets) for name in names]
    figure = Figure(figsize=(8, 1.2 + 0.62 * sum(heights)), layout="constrained")
    panels = figure.subplots(len(names), height_ratios=heights, sharex=True, squeeze=False)[:, 0]
    for name, axes in zip(names, panels, strict=True):
        dimensions = list(STUDIES[name].targets)
        for number, variant in enumerate([BASELINE, FULL, *STUDIES[name].variants]):
            own = [row for row in rows if (row["metric"], row["variant"]) == (name, variant)]
            values = [float(row["value"]) for row in own]
            across = [dimensions.index(row["dimension"]) + 0.22 * (number - 1.5) for row in own]
            if variant == BASELINE:
                places = [dimensions.index(row["dimension"]) for row in own]
                axes.barh(places, values, 0.8, color="0.88", label="baseline: ridge regression on image statistics")
            else:
                axes.plot(values, across, DOTS[number - 1], color=COLOURS[number - 1], alpha=0.8, label=variant)
        axes.set_yticks(range(len(dimensions)), [dimension.replace("_", " ") for dimension in dimensions])
        axes.set(title=name, xlim=(0, 1))
        axes.invert_yaxis()
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    panels[-1].set_xlabel("SRCC with the truth (authenticity: AUC), images of new photographs")
    write_figure(figure, path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("backbone")
    parser.add_argument("--only", choices=STUDIES)
    parser.add_argument("--variant")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--validation", action="store_true", help="train only, and print the validation's agreement")
    parser.add_argument("--dimension", help="of a metric that learns each in a training of its own")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at once")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    manifests, table = data(options.folder), Table(options.folder / "evidence.csv")
    chosen = list(trainings(options.only, options.variant, options.seeds, options.dimension))
    if not options.validation:
        for name in dict.fromkeys(training.name for training in chosen):
            plain = Training(name, BASELINE, 0, STUDIES[name].targets)
            if not table.has(plain):
                table.add(plain, baseline(name, manifests[STUDIES[name].world]))
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        jobs = {
            pool.submit(
                run, training, manifests[STUDIES[training.name].world], options.backbone, options.folder / "trained",
                not options.validation,
            ): training
            for training in chosen if options.validation or not table.has(training)
        }  # fmt: skip
        for job in as_completed(jobs):
            table.add(jobs[job], job.result())
    if table.rows:
        draw(table.with_value(), options.folder / "evidence.svg")
    print(table.summary())


if __name__ == "__main__":
    main()
