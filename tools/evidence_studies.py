"""What `tools.evidence` studies: the images that each metric learns from, and the settings of its trainings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tools.evidence_results import BASELINE, FULL, WHOLE
from tools.proposals import WRITTEN
from tools.world.files import SEEDS, write_edits
from tools.world.pictures import write_pictures
from tools.world.scenes import CHOOSING, FITTING, LEARNING, TESTING

SMALL = 2000
"""How many of the first edits, or pictures, the ablations learn from."""

TESTED = 600
"""How many edits, and how many pictures, of the photographs for testing each training is scored on."""

BACKBONE, ANY_ORDER = "toy-scenes", "toy-scenes-any-order"
"""The backbone of the trainings, and that of `epaiqa`, whose prompt has the instruction behind the images."""

LABEL = "is_real"
"""The column that is a label and no rating."""


@dataclass(frozen=True)
class World:
    """Edits, or pictures: how many to learn from and to choose weights by, of which photographs.

    `per_source`: how many edits of a source, in either part.
    """

    kind: str
    train: int = 6000
    validation: int = 300
    photographs: tuple[str, ...] = FITTING
    choosing: tuple[str, ...] = FITTING
    per_source: tuple[int, int] = (4, 4)

    def manifests(self, folder: Path, name: str) -> dict[str, Path]:
        """The manifest of each part, made where it is not there yet; all worlds of a kind have one test."""
        parts = {
            "train": (folder / name, self.train, self.photographs, self.per_source[0]),
            "validation": (folder / name, self.validation, self.choosing, self.per_source[1]),
            "test": (folder / self.kind, TESTED, TESTING, 4),
        }
        manifests = {}
        for part, (above, count, photographs, per_source) in parts.items():
            manifest = manifests[part] = above / part / "ratings.csv"
            if not manifest.exists():
                write: Any = write_pictures
                if self.kind == "edits":
                    write = partial(write_edits, real=True, per_source=per_source)
                write(manifest.parent, count, photographs=photographs, seed=SEEDS[part])
        return manifests


WORLDS = {
    "edits": World("edits"),
    "pictures": World("pictures"),
    "more_edits": World("edits", 12000, 400, LEARNING, CHOOSING, per_source=(2, 1)),
}
"""The last one has more photographs, and weights are chosen by such that nothing is learned from."""


@dataclass(frozen=True)
class Study:
    """A metric, the columns of the made world that it learns, and its trainings: settings by the variant's name.

    `full` is the whole method. The ablations are smaller: the `WHOLE` method and the `variants`, each of which lacks a
    part of it, with the settings of `small` and on the first `SMALL` examples of `small_world`. `options` are those of
    the metric.
    The whole method learns from all of `world`.
    """

    world: str
    targets: Mapping[str, str]
    full: Mapping[str, Any]
    small: Mapping[str, Any]
    variants: Mapping[str, Mapping[str, Any]]
    options: Mapping[str, Any] = field(default_factory=dict)
    backbone: str = BACKBONE
    small_world: str = "edits"

    @property
    def names(self) -> list[str]:
        """All variants, the most telling first."""
        return [FULL, WHOLE, *self.variants]

    def settings(self, variant: str) -> dict[str, Any]:
        """The settings of a variant."""
        return dict(self.full if variant == FULL else {**self.small, **self.variants.get(variant, {})})

    def world_of(self, variant: str) -> str:
        """The world that a variant learns from."""
        return self.world if variant in (FULL, BASELINE) else self.small_world

    def examples_of(self, variant: str) -> int:
        """How many edits, or pictures, a variant learns from."""
        return WORLDS[self.world].train if variant in (FULL, BASELINE) else SMALL


DS_IEQA = {"together": True, "loss": "tdrl+plcc", "batch_size": 48, "patience": None}
EPAIQA = {
    "grounding_steps": 60, "grounding_learning_rate": 3e-4, "batch_size": 32, "rehearsal": 0.3, "read_weight": 3.0,
    "level_labels": "soft", "loss": "cross_entropy+0.5*plcc",
}  # fmt: skip
"""What the trainings of two studies have in common, whatever their budget."""

STUDIES = {
    "ds_ieqa": Study(
        "more_edits",
        {name: name for name in ("visual_quality", "editing_fidelity", "content_preservation")},
        {
            **DS_IEQA,
            "loss": "tdrl+5*plcc",
            "rank": 32,
            "alpha": 32.0,
            "learning_rate": 2e-3,
            "steps": 1600,
            "evaluate_every": 400,
        },
        {**DS_IEQA, "steps": 200, "evaluate_every": 200},
        {
            "definitions by FDMPO, six proposals each": {"optimiser": WRITTEN, "trials": 6},
            "cross-entropy in place of TDRL": {"loss": "cross_entropy+plcc"},
            "TDRL without a correlation term": {"loss": "tdrl"},
            "cross-entropy without a correlation term": {"loss": "cross_entropy"},
            "TDRL alone, L_CE a mean over the tokens": {"loss": "tdrl", "cross_entropy_over_tokens": "mean"},
        },
        {"read": "auto"},
    ),
    "hpe_lsa": Study(
        "more_edits",
        {
            "perceptual_quality": "visual_quality",
            "editing_alignment": "editing_fidelity",
            "attribute_preservation": "content_preservation",
            "authenticity": LABEL,
        },
        {
            "training": "joint",
            "lsa": False,  # it chose layer 2, which tells less of preservation than the last one
            "pooling": "last",
            "feature": "last",
            "contrastive_weight": 0.1,
            "triplet_share": 0.75,
            "standardised_by": 1000,
            "hidden": (),
            "loss": "l2+plcc",
            "rank": 32,
            "alpha": 64.0,
            "steps": 800,
            "batch_size": 32,
            "learning_rate": 3e-3,
            "evaluate_every": 400,
            "decoder_steps": 0,
        },
        {
            "training": "joint",
            "analysed_backbone": "untuned",
            "pooling": "last",
            "feature": "last",
            "steps": 200,
            "batch_size": 32,
            "learning_rate": 2e-3,
            "evaluate_every": 100,
            "decoder_steps": 300,
        },
        {
            "layer 2, LSA's choice on 6,000 edits": {"layer": 2},
            "no contrastive loss": {"contrastive_weight": 0.0},
        },
    ),
    "lmm4lmm": Study(
        "pictures",
        {"perception": "perception", "correspondence": "correspondence"},
        {"group": None, "level_steps": 100, "steps": 600, "evaluate_every": 200},
        {"group": None, "level_steps": 50, "steps": 200, "evaluate_every": 100},
        {"one stage": {"levels": False}},
        {"explain": False},
        small_world="pictures",
    ),
    "epaiqa": Study(
        "more_edits",
        {
            "overall_quality": "overall_quality",
            "harmony": "harmony",
            "local_naturalness": "local_naturalness",
            "prompt_completion": "prompt_completion",
        },
        {**EPAIQA, "quantitative_steps": 1000, "explained_steps": 2000, "evaluate_every": 400},
        {**EPAIQA, "quantitative_steps": 300, "explained_steps": 600, "evaluate_every": 300},
        {
            "no grounding stage": {"stages": ("quantitative", "explained")},
            "no correlation term in stage 2": {"loss": "cross_entropy"},
        },
        {"overall": "parts", "explain": False},
        backbone=ANY_ORDER,
    ),
}
