"""What the four assessors learn of the made world, and what the parts of their methods add.

    python -m tools.evidence FOLDER

trains each metric of `STUDIES` and each of its variants with three seeds on the same edits (or pictures), and scores
with each result once images of photographs that neither they nor the backbone have seen. A row of
`docs/evidence/results.csv` is the agreement of one training with the truth in one dimension; the rows of "baseline" are
those of ridge regression on image statistics. **A training that stands there, with the setting that it has now, is
skipped**, so the file is committed after every few trainings and the study resumes on any machine; what is in FOLDER
only spares the same machine some work. `--only`, `--variant` and `--seeds` do a part of it, `--jobs` so many trainings
at once, each with one thread. `--validation` scores nothing: it trains, and the cards say how weights agree with the
validation part, by which a recipe may be chosen. `--tables` only writes tables and figure of docs/evidence.md.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path
from typing import Any, cast

import editmetrics
from editmetrics import studies, weights
from editmetrics.bases.assessor import AssessorMetric
from editmetrics.data import from_manifest
from editmetrics.file_hashes import sha256_of_json
from editmetrics.files.writing import write_figure
from editmetrics.learned_metric import LearnedMetric
from editmetrics.mllm.folds import Fold
from tools.evidence_results import BASELINE, FILE, FULL, WHOLE, Summary, Table, row
from tools.evidence_studies import LABEL, STUDIES, WORLDS, Study
from tools.proposals import WRITTEN, served

SETTINGS, PAGE = FILE.with_name("settings.json"), FILE.parents[1] / "evidence.md"
"""What the digests of the column `setting` stand for; and the page whose tables are made from the results."""

FIRST_PORT = 47610
"""Of the server that proposes definitions, for seed 0; the others follow."""


@dataclass(frozen=True)
class Training:
    """One training of a variant of a metric; or the fit of the baseline."""

    name: str
    variant: str
    seed: int

    @property
    def study(self) -> Study:
        return STUDIES[self.name]

    @property
    def targets(self) -> Mapping[str, str]:
        return self.study.targets

    @property
    def examples(self) -> int:
        """How many edits, or pictures, it learns from."""
        return self.study.examples_of(self.variant)

    @property
    def world(self) -> str:
        """The name of the world that it learns from."""
        return self.study.world_of(self.variant)

    @cached_property
    def about(self) -> dict[str, Any]:
        """All that decides its result but the seed, as JSON."""
        about: dict[str, Any] = {"metric": self.name, "targets": dict(self.targets), "examples": self.examples}
        if self.world not in ("edits", "pictures"):  # whose results stand without it
            about["world"] = vars(WORLDS[self.world])
        if self.variant != BASELINE:
            kind = cast(AssessorMetric, editmetrics.create_metric(self.name))
            effective = kind.effective_settings({"preset": "toy", **self.study.settings(self.variant)})
            # those that are no defaults: a setting that is added later leaves earlier results what they are
            usual = {name: value for part in kind.presets()["toy"] for name, value in vars(type(part)()).items()}
            settings = {name: value for name, value in effective.items() if value != usual[name]}
            sha256 = weights.checksums([self.study.backbone])[self.study.backbone]["model.safetensors"]
            about |= {"version": kind.version, "backbone": sha256, "options": dict(self.study.options)}
            about |= {"settings": settings}
        return cast("dict[str, Any]", json.loads(json.dumps(about)))

    @property
    def setting(self) -> str:
        """The digest of `about`."""
        return sha256_of_json(self.about)[:8]

    def folder(self, root: Path) -> Path:
        """Where its checkpoint is."""
        return root / self.name / f"{self.variant.replace(' ', '_')}-{self.setting}" / str(self.seed)

    def train(self, manifests: Mapping[str, Path], root: Path) -> Path:
        """Write the checkpoint, and return its folder."""
        output = self.folder(root)
        if not (output / "metric.json").exists():
            options = {"backbone": self.study.backbone, "dtype": "float32", **self.study.options}
            metric = cast(LearnedMetric, editmetrics.create_metric(self.name, **options))
            train = list(from_manifest(manifests["train"]))
            first = train[: len(train) * self.examples // WORLDS[self.world].train]
            settings = self.study.settings(self.variant)
            with ExitStack() as stack:
                if settings.get("optimiser") == WRITTEN:  # at one address for each seed, so that a search resumes
                    settings["optimiser_endpoint"] = stack.enter_context(served(FIRST_PORT + self.seed))
                metric.fit(
                    first, manifests["validation"], output_dir=output, targets=dict(self.targets),
                    label_scale=(0, 100), preset="toy", dtype="float32", seed=self.seed, baseline=False, **settings,
                )  # fmt: skip
        return output

    def updates(self, root: Path) -> int:
        """How many updates it took, over all of its stages."""
        histories = self.folder(root).glob("training/*/history.jsonl")
        return sum(max(json.loads(line)["step"] for line in file.read_text().splitlines()) for file in histories)

    def test(self, checkpoint: Path, manifest: Path) -> list[dict[str, Any]]:
        """The agreement of the checkpoint with the truth about the test's images, a row for each dimension."""
        options = {"weights": str(checkpoint), "dtype": "float32", **self.study.options}
        metric = cast(LearnedMetric, editmetrics.create_metric(self.name, **options))
        samples = metric.samples_for_folds(list(from_manifest(manifest)), self.targets)
        results = editmetrics.score(samples, [metric])
        return studies.fold_rows(1, results, metric, self.targets, {})


def trainings(
    only: str | None = None, variant: str | None = None, seeds: Sequence[int] = (0, 1, 2)
) -> Iterator[Training]:
    """All trainings, or those of one metric or variant; one seed of everything before the next."""
    for seed in seeds:
        for name in [only] if only else STUDIES:
            for one in STUDIES[name].names:
                if variant in (None, one):
                    yield Training(name, one, seed)


def run(training: Training, manifests: Mapping[str, Path], root: Path, tested: bool) -> list[Any]:
    """Train and test in a process of its own; without `tested`, only train."""
    import torch

    torch.set_num_threads(1)
    logging.basicConfig(level=logging.INFO, format=f"%(asctime)s {training.name} {training.seed} %(message)s")
    checkpoint = training.train(manifests, root)
    return training.test(checkpoint, manifests["test"]) if tested else []


def baseline(name: str, manifests: Mapping[str, Path]) -> list[dict[str, Any]]:
    """The same of ridge regression on image statistics, trained on all of the training's images."""
    fold = Fold(list(from_manifest(manifests["train"])), list(from_manifest(manifests["test"])))
    rows = studies.fold_baseline(1, fold, STUDIES[name].targets)
    return [{**row, "dimension": row["dimension"].removeprefix("baseline of ")} for row in rows]


def keep(table: Table, training: Training, rows: Sequence[Mapping[str, Any]], updates: int | str = "") -> None:
    """Add the rows of a training to the results, and what its setting stands for to theirs."""
    table.add(training, rows, updates=updates, commit=commit())
    known = json.loads(SETTINGS.read_text(encoding="utf-8")) if SETTINGS.exists() else {}
    known[training.setting] = training.about
    lines = [f"{json.dumps(digest)}: {json.dumps(about)}" for digest, about in sorted(known.items())]
    SETTINGS.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def commit() -> str:
    """The commit that is checked out, "-dirty" if its code was changed; the results, which change all the time, are
    none."""

    def answer(*ask: str) -> str:
        done = subprocess.run(["git", *ask], cwd=PAGE.parents[1], capture_output=True, text=True, check=True)  # noqa: S603, S607
        return done.stdout.strip()

    changed = answer("status", "--porcelain", "--", "editmetrics", "tools", "weights_registry.json")
    return answer("describe", "--always") + ("-dirty" if changed else "")


def compared(table: Table) -> Iterator[tuple[str, str, Summary, Summary]]:
    """Metric, dimension, baseline and whole method, with the settings that they have now; where both are known."""
    for name, study in STUDIES.items():
        for dimension, column in study.targets.items():
            plain, full = (table.of(one.name, one.variant, dimension, {one.setting})
                           for one in (Training(name, BASELINE, 0), Training(name, FULL, 0)))  # fmt: skip
            if plain is not None and full is not None:
                yield name, dimension.replace("_", " ") + (" (AUC)" if column == LABEL else ""), plain, full


def tables(table: Table) -> dict[str, str]:
    """The Markdown tables of the page, by name: the metrics against the baseline, and the ablations."""
    spread = ("mean of the seeds", "least, greatest", "seeds")
    results, ablations = ([row(head), row("-" for _ in head)] for head in (
        ("metric", "dimension", "baseline", *spread), ("metric", "variant", "dimension", *spread)
    ))  # fmt: skip
    for name, words, plain, full in compared(table):
        results.append(row([name, words, f"{plain.mean:.3f}", *full.cells(bold=full.mean > plain.mean)]))
    for name, study in STUDIES.items():
        for dimension in study.targets:
            for one in (Training(name, variant, 0) for variant in (WHOLE, *study.variants)):
                if (summary := table.of(name, one.variant, dimension, {one.setting})) is not None:
                    ablations.append(row([name, one.variant, dimension.replace("_", " "), *summary.cells()]))
    return {"results": "\n".join(results), "ablations": "\n".join(ablations)}


def draw(table: Table, path: Path) -> None:
    """The table of results: a bar for the baseline, a dot for the mean of the seeds, a line from least to greatest."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    rows = list(compared(table))
    figure = Figure(figsize=(7, 1 + 0.3 * len(rows)), layout="constrained")
    axes, across = figure.subplots(), range(len(rows))
    means = [full.mean for *_, full in rows]
    ends = [[full.mean - full.least for *_, full in rows], [full.greatest - full.mean for *_, full in rows]]
    axes.barh(across, [plain.mean for _, _, plain, _ in rows], 0.75, color="0.87", label="baseline")
    axes.errorbar(means, across, xerr=ends, fmt="o", color="#0072b2", label="assessor")
    axes.set_yticks(across, [f"{name}: {words}" for name, words, *_ in rows])
    axes.set(xlim=(0, 1), xlabel="SRCC with the truth, new photographs (authenticity: AUC)")
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    with rc_context({"svg.hashsalt": "evidence"}):  # the same results give the same file
        write_figure(figure, path, metadata={"Date": None})


def with_tables(page: str, made: Mapping[str, str]) -> str:
    """The page with these tables between the comments that name them."""
    for name, table in made.items():
        start, end = f"<!-- {name}: made by tools.evidence -->\n", f"<!-- end of {name} -->"
        before, _, rest = page.partition(start)
        page = f"{before}{start}{table}\n{end}{rest.partition(end)[2]}"
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", choices=STUDIES)
    parser.add_argument("--variant")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--validation", action="store_true", help="train only, to look at the cards")
    parser.add_argument("--tables", action="store_true", help="train nothing, and write the page's tables and figure")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at once")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    table = Table()
    if not options.tables:
        study(options, table)
    draw(table, FILE.with_suffix(".svg"))
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8"), tables(table)), encoding="utf-8")
    print("\n\n".join(tables(table).values()))


def study(options: argparse.Namespace, table: Table) -> None:
    """Train and test what is asked for and not in the table yet."""
    root = options.folder / "trained"
    manifests = {name: world.manifests(options.folder, name) for name, world in WORLDS.items()}
    tested = not options.validation
    chosen = list(trainings(options.only, options.variant, options.seeds))
    if tested:
        for name in dict.fromkeys(training.name for training in chosen):
            if not table.has(plain := Training(name, BASELINE, 0)):
                keep(table, plain, baseline(name, manifests[plain.world]))
    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn")) as pool:
        jobs = {
            pool.submit(run, training, manifests[training.world], root, tested): training
            for training in chosen
            if not (tested and table.has(training))
        }
        for job in as_completed(jobs):
            if tested:
                keep(table, jobs[job], job.result(), jobs[job].updates(root))


if __name__ == "__main__":
    main()
