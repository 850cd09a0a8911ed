"""What the four assessors learn of the made world, and what the parts of their methods add.

    python -m tools.evidence FOLDER BACKBONE

trains each metric of `STUDIES` and each of its variants with three seeds on the same edits (or pictures), and scores
with each result once images of photographs that neither they nor the backbone have seen. A row of
`FOLDER/evidence.csv` is the agreement of one training with the truth in one dimension; the rows of "baseline" are those
of ridge regression on image statistics. The same call resumes. `--only METRIC` and `--variant NAME` do a part of it;
`--validation` scores nothing, and prints the agreement with the validation part, by which a recipe may be chosen.
"""

from __future__ import annotations

import argparse
import csv
import logging
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, cast

import editmetrics
from editmetrics import studies
from editmetrics.data import from_manifest
from editmetrics.files.rows import read_rows
from editmetrics.files.writing import write_figure
from editmetrics.learned_metric import LearnedMetric
from editmetrics.mllm.baseline import measured_baseline
from editmetrics.mllm.survey import Surveyed, survey
from editmetrics.mllm.targets import rated
from editmetrics.sample import Sample
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

    `full` is the whole method; each variant lacks a part of it.
    """

    world: str
    targets: Mapping[str, str]
    full: Mapping[str, Any]
    variants: Mapping[str, Mapping[str, Any]]
    options: Mapping[str, Any] = field(default_factory=dict)

    def settings(self, variant: str) -> dict[str, Any]:
        """The settings of a variant."""
        return {**self.full, **({} if variant == FULL else self.variants[variant])}


FULL = "full"

DOTS, COLOURS = ("o", "x", "+"), ("#0072b2", "#d55e00", "#009e73")
"""Of the full method and of its variants, in the figure."""

STUDIES = {
    "ds_ieqa": Study(
        "edits",
        {name: name for name in ("visual_quality", "editing_fidelity", "content_preservation")},
        {"evaluate_every": 200, "patience": None},
        {"cross-entropy in place of TDRL": {"loss": "cross_entropy"}},
    ),
    "hpe_lsa": Study(
        "edits",
        {
            "perceptual_quality": "visual_quality",
            "editing_alignment": "editing_fidelity",
            "attribute_preservation": "content_preservation",
            "authenticity": "is_real",
        },
        {},
        {
            "the last layer in place of LSA's": {"lsa": False},
            "no contrastive tuning": {"vision_lora": False, "language_lora": False},
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
        {},
        {"no grounding stage": {"stages": ("quantitative", "explained")}},
    ),
}


def data(folder: Path) -> dict[str, dict[str, Path]]:
    """The manifests of each world's parts; made where they are not there yet."""
    manifests: dict[str, dict[str, Path]] = {"edits": {}, "pictures": {}}
    for part, (count, photographs) in PARTS.items():
        shared = {"photographs": photographs, "seed": SEEDS[part]}
        for world, write in (("edits", partial(write_edits, real=True)), ("pictures", write_pictures)):
            manifest = folder / world / part / "ratings.csv"
            manifests[world][part] = manifest if manifest.exists() else write(manifest.parent, count, **shared)
    return manifests


def train(name: str, variant: str, seed: int, manifests: Mapping[str, Path], backbone: str, folder: Path) -> Path:
    """Train one variant of a metric; returns its checkpoint."""
    study = STUDIES[name]
    output = folder / name / variant.replace(" ", "_") / str(seed)
    if not (output / "metric.json").exists():
        metric = cast(LearnedMetric, editmetrics.create_metric(name, backbone=backbone))
        metric.fit(
            manifests["train"], manifests["validation"], output_dir=output, targets=dict(study.targets),
            label_scale=(0, 100), preset="toy", seed=seed, baseline=False, **study.settings(variant),
        )  # fmt: skip
    return output


def test(name: str, weights: Path, manifest: Path) -> list[dict[str, Any]]:
    """The agreement of a checkpoint with the truth about the test's images, a row for each dimension."""
    study = STUDIES[name]
    metric = cast(LearnedMetric, editmetrics.create_metric(name, weights=str(weights), **study.options))
    results = editmetrics.score(from_manifest(manifest), [metric])
    return studies.fold_rows(1, results, metric, study.targets, {})


def baseline(name: str, manifests: Mapping[str, Path]) -> list[dict[str, Any]]:
    """The same of ridge regression on image statistics, trained on all of the training's images."""
    surveyed = [_surveyed(manifests[part]) for part in ("train", "test")]
    targets = STUDIES[name].targets
    parts = {
        part: [rated(sample, targets) for sample, _ in pairs]
        for part, pairs in zip(("train", "test"), surveyed, strict=True)
    }
    known = {id(sample): statistics for pairs in surveyed for sample, statistics in pairs}
    return [
        {"dimension": dimension, "measure": measure, "value": measures[f"test {measure}"], "n": measures["test n"],
         "excluded": 0}
        for dimension, measures in measured_baseline(parts, known).items()
        for measure in MEASURES if f"test {measure}" in measures
    ]  # fmt: skip


@lru_cache
def _surveyed(manifest: Path) -> list[tuple[Sample, Surveyed | None]]:
    """The samples of a manifest with the statistics of their images, which are read once for all metrics."""
    samples = list(from_manifest(manifest))
    return list(zip(samples, survey(samples), strict=True))


class Table:
    """`evidence.csv`: the rows of every training that was tested, written once each."""

    COLUMNS = ("metric", "variant", "seed", "dimension", "measure", "value", "n", "excluded")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = [row.cells for row in read_rows(path)] if path.exists() else []

    def has(self, name: str, variant: str, seed: int) -> bool:
        """True if this training was tested."""
        return any((row["metric"], row["variant"], int(row["seed"])) == (name, variant, seed) for row in self.rows)

    def add(self, name: str, variant: str, seed: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write the rows of a training."""
        own = [
            {key: {"metric": name, "variant": variant, "seed": seed, **row}[key] for key in self.COLUMNS}
            for row in rows if row["measure"] in MEASURES
        ]  # fmt: skip
        self.rows += own
        with self.path.open("a", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, self.COLUMNS)
            if stream.tell() == 0:
                writer.writeheader()
            writer.writerows(own)

    def summary(self) -> str:
        """A Markdown table: for each metric and dimension the mean over seeds, with the least and the greatest."""
        values: dict[tuple[str, str, str], list[float]] = {}
        for row in self.rows:
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
        for number, variant in enumerate(["baseline", FULL, *STUDIES[name].variants]):
            own = [row for row in rows if (row["metric"], row["variant"]) == (name, variant)]
            values = [float(row["value"]) for row in own]
            across = [dimensions.index(row["dimension"]) + 0.22 * (number - 1.5) for row in own]
            if variant == "baseline":
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
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    manifests, table = data(options.folder), Table(options.folder / "evidence.csv")
    for name in [options.only] if options.only else STUDIES:
        worlds = manifests[STUDIES[name].world]
        if not options.validation and not table.has(name, "baseline", 0):
            table.add(name, "baseline", 0, baseline(name, worlds))
        for variant in [options.variant] if options.variant else [FULL, *STUDIES[name].variants]:
            for seed in options.seeds:
                if table.has(name, variant, seed):
                    continue
                weights = train(name, variant, seed, worlds, options.backbone, options.folder / "trained")
                if not options.validation:
                    table.add(name, variant, seed, test(name, weights, worlds["test"]))
    if table.rows:
        draw(table.rows, options.folder / "evidence.svg")
    print(table.summary())


if __name__ == "__main__":
    main()
