"""A small learned metric, complete: two ratings regressed on the gradients and differences of two images.

It learns a toy set of blurred and ghosted edits in seconds, so that everything around a learned metric can be tested,
and shows how one is written.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from editmetrics import Dimension, LearnedMetric, Score
from editmetrics.agreement.correlation import plcc, srcc
from editmetrics.agreement.measure import UndefinedError
from editmetrics.images import read_image
from editmetrics.mllm.checkpoint import finished_checkpoint, read_checkpoint
from editmetrics.mllm.checkpoint_writing import CheckpointContents, write_checkpoint
from editmetrics.mllm.loop import train
from editmetrics.mllm.processes import on_main_process, process_group, shared, training_device
from editmetrics.mllm.recipe import Recipe, RecipeError, TrainingRun
from editmetrics.mllm.targets import read_training_set
from editmetrics.wording import expected_one_of

PRESETS = {"paper": Recipe(epochs=20, batch_size=32, learning_rate=5e-3), "quick": Recipe(steps=20, batch_size=16)}
SIZE = 7


class ImageStatistics(LearnedMetric):
    """A multilayer perceptron on statistics of two images.

    Options:
        weights: A checkpoint that `fit` wrote.
    """

    name, version = "image_statistics", 1
    needs = frozenset({"source", "edited"})
    dimensions = (Dimension("visual_quality", primary=True), Dimension("content_preservation"))
    paper, licence = "none", "Apache-2.0"

    def __init__(self, *, weights: str | None = None) -> None:
        self.weights = weights
        self._head: Any = None

    def identity(self):
        checkpoint = read_checkpoint(self.weights, self).digest if self.weights else None
        return {**super().identity(), "weights": checkpoint}

    def load(self):
        if self._head is None:
            self._checkpoint = read_checkpoint(self.weights, self)
            self._head = self._checkpoint.load_heads()["scores"]

    def prepare(self, sample):
        source, edited = (read_image(image).astype(np.float32).mean(axis=2) for image in (sample.source, sample.edited))
        energy = [np.log1p(np.abs(np.diff(image, axis=axis)).mean()) for image in (source, edited) for axis in (0, 1)]
        difference = np.abs(source - edited)
        extra = [np.log1p(difference.mean()), np.log1p(np.median(difference)), energy[2] - energy[0]]
        return np.array([*energy, *extra], dtype=np.float32)

    def score_batch(self, batch):
        import torch

        low, high = self._checkpoint.label_scale
        with torch.no_grad():
            rows = self._head(torch.from_numpy(np.stack(batch))) * (high - low) + low
        names = self._checkpoint.settings["targets"]
        return [Score(dict(zip(names, row, strict=True))) for row in rows.tolist()]

    def fit(
        self,
        train_data,
        val=None,
        *,
        targets,
        label_scale=(0.0, 100.0),
        group="source",
        output_dir,
        resume=True,
        preset="paper",
        seed: int = 0,
        hidden: int = 16,
        progress=None,
        **recipe,
    ):
        from editmetrics.mllm.heads import RegressionHead

        data = read_training_set(
            train_data, val, targets=targets, label_scale=label_scale, group=group, needs=self.needs, seed=seed
        )
        if preset not in PRESETS:
            raise RecipeError(f"{self.name} has no preset {preset!r}; {expected_one_of(preset, PRESETS)}")
        chosen = PRESETS[preset].adjusted(seed=seed, **recipe)
        about = {"targets": dict(targets), "label_scale": list(data.label_scale), "data": data.digest(),
                 "recipe": vars(chosen), "hidden": hidden}  # fmt: skip
        with process_group(self.device):
            if not (resume and finished_checkpoint(output_dir, self, about)):
                self.to(training_device(self.device))
                head = RegressionHead(SIZE, hidden=(hidden,), outputs=len(targets), seed=seed)
                module = _regression(head)
                examples, held_out = ([_Lesson(e, self.prepare(e.sample), data.label_scale) for e in part]
                                      for part in (data.train, data.validation))  # fmt: skip
                stage = Path(output_dir) / "training"
                history = train(
                    module, examples, TrainingRun(chosen, stage, resume, progress, about), collate=_collate,
                    validate=lambda: _mean_srcc(_agreement(module, held_out, targets)),
                )  # fmt: skip
                validation = _agreement(module, held_out, targets)

                def write():
                    write_checkpoint(
                        output_dir,
                        self,
                        CheckpointContents(
                            label_scale=data.label_scale,
                            heads={"scores": head},
                            validation=validation,
                            settings={"targets": list(targets)},
                            recipe=vars(chosen),
                            data=data.counts(),
                            fit=about,
                            history={"scores": history},
                        ),
                    )
                    shutil.rmtree(stage)

                on_main_process(write)
        self.weights, self._head = str(output_dir), None
        return self


class _Lesson:
    def __init__(self, example, statistics, label_scale):
        low, high = label_scale
        self.id, self.statistics = example.id, statistics
        self.ratings = [(rating - low) / (high - low) for rating in example.targets.values()]


def _collate(lessons):
    import torch

    return {
        "statistics": torch.from_numpy(np.stack([lesson.statistics for lesson in lessons])),
        "ratings": torch.tensor([lesson.ratings for lesson in lessons]),
    }


def _regression(head):
    from torch import nn

    class Regression(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = head

        def forward(self, statistics, ratings):
            error = self.head(statistics) - ratings
            return {"loss": error.square().mean(), "l1": error.abs().mean()}

    return Regression()


def _agreement(module, lessons, targets):
    import torch

    found = {}
    for index, name in enumerate(targets):

        def predict(some, index=index):
            return [float(module.head(torch.from_numpy(lesson.statistics)[None])[0, index]) for lesson in some]

        with torch.no_grad():
            scores = shared(lessons, predict)
        found[name] = {measure.name: _defined(measure, scores, [lesson.ratings[index] for lesson in lessons])
                       for measure in (srcc, plcc)} | {"n": len(lessons)}  # fmt: skip
    return found


def _defined(measure, scores, ratings):
    try:
        return measure(scores, ratings)
    except UndefinedError:
        return None


def _mean_srcc(agreement):
    values = [found["srcc"] for found in agreement.values()]
    return None if None in values else sum(values) / len(values)
