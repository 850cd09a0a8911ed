"""piq (PyTorch Image Quality): its functions as they are, and those of its classes that score one image or pair.

piq declares neither range nor direction, so they stand in a table here, from its documentation; what is not in the
table is offered with an open range and no direction.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ...sample import Dimension
from .bridge import PAIR, SINGLE, Bridge, BridgedMetric, Loaded, Offer
from .signatures import options_of, paper_of, summary_of

RANGES: dict[str, tuple[float, float, bool | None]] = {
    "brisque": (-math.inf, math.inf, False),
    "dss": (-math.inf, 1, True),
    "fsim": (0, 1, True),
    "gmsd": (0, math.inf, False),
    "haarpsi": (0, 1, True),
    "information_weighted_ssim": (-1, 1, True),
    "mdsi": (0, math.inf, False),
    "multi_scale_gmsd": (0, math.inf, False),
    "multi_scale_ssim": (0, 1, True),
    "psnr": (0, 80, True),
    "srsim": (0, 1, True),
    "ssim": (-1, 1, True),
    "total_variation": (0, math.inf, None),
    "vif_p": (0, math.inf, True),
    "vsi": (0, 1, True),
    "CLIPIQA": (0, 1, True),
    "ContentLoss": (0, math.inf, False),
    "DISTS": (0, math.inf, False),
    "LPIPS": (0, math.inf, False),
    "PieAPP": (-math.inf, math.inf, False),
    "StyleLoss": (0, math.inf, False),
}
"""Lowest and highest value there can be for images in [0, 1], and whether higher is better. psnr ends at 80 dB because
piq adds 1e-8 to the error. The gradient or phase similarities and vif_p reach 1 for identical images."""

WEIGHTS_LICENCES = {"LPIPS": "BSD-2-Clause", "DISTS": "MIT"}
"""As their authors' repositories state them."""

WITHOUT = ("x", "y", "reduction", "data_range", "full", "enable_grad", "allow_layers_weights_mismatch")
"""Arguments that the bridge sets, or that change the form of the result but not the number."""

SETS = {"FID", "GS", "IS", "KID", "MSID", "PR", "inception_score"}


class Piq(Bridge):
    """The bridge to piq."""

    name, package = "piq", "piq"
    home = "https://piq.readthedocs.io"
    default_licence = "Apache-2.0"

    def find_offers(self) -> Mapping[str, Offer]:
        import piq

        functions = [_function(name, function) for name, function in inspect.getmembers(piq, inspect.isfunction)]
        classes = [
            _class(name, getattr(piq, name), pair=name != "CLIPIQA")
            for name in ("CLIPIQA", "ContentLoss", "DISTS", "LPIPS", "PieAPP", "StyleLoss")
            if hasattr(piq, name)
        ]
        offers = [offer for offer in functions if offer is not None] + classes
        return {offer.name: offer for offer in sorted(offers, key=lambda offer: offer.name.lower())}

    def find_not_offered(self) -> Mapping[str, str]:
        import piq

        reasons = {}
        for name, member in inspect.getmembers(piq, lambda m: inspect.isclass(m) or inspect.isfunction(m)):
            if name in SETS:
                reasons[name] = "it compares two sets of images and scores neither an image nor a pair"
            elif name not in self.offers and name.endswith("Loss"):
                reasons[name] = "it is a loss made of a function that is offered"
            elif name not in self.offers and member.__module__.startswith("piq."):
                reasons[name] = "it takes something else than an image or a pair of images"
        return reasons


def _function(name: str, function: Callable[..., Any]) -> Offer | None:
    """Offer a function of one image `x`, or of `x` and `y`; None for any other."""
    names = [p.name for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    if names not in (["x"], ["x", "y"]):
        return None
    documentation = inspect.getdoc(function) or ""
    return Offer(
        name,
        PAIR if names == ["x", "y"] else SINGLE,
        _dimension(name),
        partial(_load_function, function),
        options_of(function, documentation, WITHOUT),
        summary_of(documentation),
        paper_of(documentation),
    )


def _class(name: str, cls: type, pair: bool) -> Offer:
    documentation = inspect.getdoc(cls) or ""
    return Offer(
        name,
        PAIR if pair else SINGLE,
        _dimension(name),
        partial(_load_class, cls),
        options_of(cls.__init__, documentation, WITHOUT),  # type: ignore[misc]
        summary_of(documentation),
        paper_of(documentation),
        WEIGHTS_LICENCES.get(name, "not stated by piq"),
    )


def _dimension(name: str) -> Dimension:
    low, high, higher_is_better = RANGES.get(name, (-math.inf, math.inf, None))
    return Dimension(name.lower(), low=low, high=high, higher_is_better=higher_is_better, primary=True)


def _load_function(function: Callable[..., Any], options: Mapping[str, Any], device: str) -> Loaded:
    def compute(edited: Any, source: Any, prompt: Any) -> Any:
        return function(edited, **options) if source is None else function(edited, source, **options)

    return Loaded(compute)


def _load_class(cls: Callable[..., Any], options: Mapping[str, Any], device: str) -> Loaded:
    module = cls(**options).to(device).eval()
    return Loaded(lambda edited, source, prompt: module(edited) if source is None else module(edited, source), module)


BRIDGE = Piq()


def __getattr__(name: str) -> type[BridgedMetric]:
    return BRIDGE.attribute(name)
