"""The result of layer-sensitivity analysis: three numbers for each layer, and the layer that they select."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...files.writing import replacing
from ...wording import first_few

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

COLUMNS = ("kl", "ldr", "entropy")

FEW = 100
"""Below this number of images of a class, another draw of images often chooses another layer."""

AGREED = 0.8
"""Below this share of the resamples, the chosen layer is reported as uncertain."""

ROUNDED = 0.1
"""Above this share of its dimensions, a layer is reported as rounded coarsely."""


def no_values() -> Floats:
    return np.zeros(0)


@dataclass(frozen=True)
class LayerProfile:
    """Result of layer-sensitivity analysis: three numbers for each layer, and the layer that they select.

    - `kl`, `ldr`, `entropy`: (layers,), equations 2 to 4, each averaged over the dimensions of the hidden state.
    - `real`, `edited`: the images that they are from.
    - `shares`: (layers,), the share of bootstrap samples of the images that choose the layer; empty if none was drawn.
    - `rounded`: (layers,), the share of dimensions in which the precision of the backbone is coarse beside the spread
      of the images.
    - `probe`: (layers,), the cross-validated AUC of a linear classifier of real and edited images, and `probe_srcc`
      the cross-validated SRCC of linear regressions of the ratings; empty if not measured. They select nothing.

    >>> profile = LayerProfile(np.array([0.1, 0.5, 0.2]), np.array([0.0, 0.3, 0.3]), np.array([1.0, 2.0, 2.5]), 9, 9)
    >>> profile.chosen
    2
    """

    kl: Floats
    ldr: Floats
    entropy: Floats
    real: int
    edited: int
    shares: Floats = field(default_factory=no_values)
    rounded: Floats = field(default_factory=no_values)
    probe: Floats = field(default_factory=no_values)
    probe_srcc: Floats = field(default_factory=no_values)

    @property
    def normalised(self) -> Floats:
        """(3, layers), in [0, 1]: kl, ldr and entropy min-max normalised over the layers; 0 where all are equal."""
        return min_max(np.stack([self.kl, self.ldr, self.entropy]))

    @property
    def total(self) -> Floats:
        """(layers,), in [0, 3]: the criterion S(l), the sum of the three."""
        return self.normalised.sum(0)

    @property
    def chosen(self) -> int:
        """L_opt, from 1 to the number of layers: the one with the largest sum, the lowest of several."""
        return int(self.total.argmax()) + 1

    def notes(self) -> list[str]:
        """Reasons to distrust the choice, in words; empty if there are none."""
        notes = []
        if min(self.real, self.edited) < FEW:
            notes.append(
                f"{self.real} real and {self.edited} edited images: with fewer than {FEW} of a class, another draw of "
                "images often chooses another layer"
            )
        if len(self.shares) and self.shares[self.chosen - 1] < AGREED:
            notes.append(
                f"layer {self.chosen} is chosen in {self.shares[self.chosen - 1]:.0%} of the resamples only; analyse "
                "more images, or compare layers by --set layer=N"
            )
        coarse = [str(layer) for layer, share in enumerate(self.rounded.tolist(), 1) if share > ROUNDED]
        if coarse:
            notes.append(
                f"the backbone's precision is coarse beside the differences of images in layer {first_few(coarse)}, "
                "which distorts D_KL and the entropy; analyse in float32 (--dtype float32)"
            )
        return notes

    def as_json(self) -> dict[str, Any]:
        """All fields, for `of_json`."""
        return {name: v.tolist() if isinstance(v, np.ndarray) else v for name, v in vars(self).items()}

    @classmethod
    def of_json(cls, fields: Mapping[str, Any]) -> LayerProfile:
        """The profile that `as_json` gave."""
        values: dict[str, Any] = {
            name: np.array(value, np.float64) if isinstance(value, list) else value for name, value in fields.items()
        }
        return cls(**values)

    def write(self, file: str | Path) -> None:
        """Write a csv with a row for each layer, in one stroke."""
        more = {
            name: values
            for name, values in (("share", self.shares), ("probe_auc", self.probe), ("probe_srcc", self.probe_srcc))
            if len(values)
        }
        with replacing(Path(file)) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
            rows = csv.writer(stream)
            rows.writerow(["layer", *COLUMNS, *(f"{name}_normalised" for name in COLUMNS), "sum", *more, "chosen"])
            for layer in range(1, len(self.kl) + 1):
                columns = (self.kl, self.ldr, self.entropy, *self.normalised, self.total, *more.values())
                cells = [float(values[layer - 1]) for values in columns]
                rows.writerow([layer, *cells, int(layer == self.chosen)])


def min_max(values: Floats) -> Floats:
    """Min-max normalise over the last axis; 0 where all values are equal.

    >>> min_max(np.array([[1.0, 3.0, 2.0], [5.0, 5.0, 5.0]])).tolist()
    [[0.0, 1.0, 0.5], [0.0, 0.0, 0.0]]
    """
    low, high = values.min(-1, keepdims=True), values.max(-1, keepdims=True)
    normalised: Floats = (values - low) / np.where(high > low, high - low, 1.0)
    return normalised
