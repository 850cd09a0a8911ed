"""A learned metric that takes a millisecond to train: a straight line from the brightness of an image to its rating."""

import json
from pathlib import Path

import numpy as np

from editmetrics.images import read_image
from editmetrics.learned_metric import LearnedMetric
from editmetrics.sample import Dimension, EditMetricsError, Score

TRAININGS, EPOCHS = [], []
"""What each training saw: its folder, the ids of its samples, its targets and its scale; and its epochs."""


class Brightness(LearnedMetric):
    """The brightness of an image on the scale of its ratings; higher is better."""

    name, version = "brightness", 1
    needs = frozenset({"edited"})
    uses = frozenset()
    dimensions = (
        Dimension("visual_quality", primary=True), Dimension("editing_alignment"), Dimension("attribute_preservation"),
    )  # fmt: skip

    def __init__(self, *, weights: str | None = None) -> None:
        super().__init__()
        self.weights = weights

    def prepare(self, sample):
        return float(np.asarray(read_image(sample.edited), float).mean())

    def score_batch(self, batch):
        fitted = json.loads(Path(self.weights, "line.json").read_text())
        return [
            Score({d.name: fitted.get(d.name, [0, 0])[0] * x + fitted.get(d.name, [0, 0])[1] for d in self.dimensions})
            for x in batch
        ]

    @classmethod
    def effective_settings(cls, settings):
        return {"epochs": 40, **settings}

    def fit(self, train, val=None, *, targets, label_scale, group="source", output_dir, resume=True, progress=None,
            fail=False, epochs=40):  # fmt: skip
        if fail:
            raise EditMetricsError("the training was told to fail")
        if val is None and group and not all(getattr(sample, group) for sample in train):
            raise EditMetricsError(f"rows have no {group!r} to be grouped by")  # as every real training refuses
        if (aside := len(train) // 5 if val is None else len(val)) < 3:  # and this
            raise EditMetricsError(f"{aside} samples left for validation, which requires at least 3")
        folder = Path(output_dir)
        EPOCHS.append(epochs)
        TRAININGS.append((folder, [sample.id for sample in train], dict(targets), label_scale))
        if not (resume and (folder / "line.json").is_file()):
            folder.mkdir(parents=True)
            x = [self.prepare(sample) for sample in train]
            line = {d: list(np.polyfit(x, [float(s.meta[rating]) for s in train], 1)) for d, rating in targets.items()}
            (folder / "line.json").write_text(json.dumps(line))
        return type(self)(weights=str(folder))


class Detector(Brightness):
    """A brightness that also learns whether an image is real; higher is better."""

    name = "detector"
    dimensions = (*Brightness.dimensions, Dimension("authenticity", low=0, high=1))
    label_dimensions = frozenset({"authenticity"})
