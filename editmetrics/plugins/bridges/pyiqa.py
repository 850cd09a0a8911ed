"""pyiqa (IQA-PyTorch): every metric of its table that scores one image, a pair, or an image and its text.

What there is, its direction and its inputs are read from pyiqa's own table, one file, without importing the rest of
pyiqa (which imports torch and OpenCV). The ranges in that table are, in its words, "only rough estimation", so they are
shown and not enforced: a true score must not fail for them.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from ...metric import Metric
from ...options import Option
from ...sample import Dimension, EditMetricsError
from .bridge import PAIR, SINGLE, WITH_TEXT, Bridge, BridgedMetric, Loaded, Offer

SETS = {"FID", "InceptionScore"}
"""Types that compare or describe sets of images."""

OTHERS = {"fgresq_pair": "it returns a comparison of two images of one scene, and no score of one of them"}

WEIGHTS_LICENCES = {"LPIPS": "BSD-2-Clause", "DISTS": "MIT", "MUSIQ": "Apache-2.0"}
"""By type, as their authors' repositories state them; pyiqa states none."""

WITHOUT_WEIGHTS = {
    "SSIM", "PSNR", "FSIM", "MS_SSIM", "VIF", "GMSD", "NLPD", "VSI", "CW_SSIM", "MAD", "PIQE", "Entropy",
}  # fmt: skip


class Pyiqa(Bridge):
    """The bridge to pyiqa."""

    name, package = "pyiqa", "pyiqa"
    home = "https://github.com/chaofengc/IQA-PyTorch"
    default_licence = "PolyForm-Noncommercial-1.0.0, and S-Lab License 1.0 for parts"

    @property
    def licence(self) -> str:
        """Return the licence in its metadata; the S-Lab licence, which holds for parts, comes as a file beside it."""
        stated = super().licence
        files = importlib.metadata.metadata(self.package).get_all("License-File") or [] if self.version else []
        return f"{stated}, and S-Lab License 1.0 for parts" if any("S-Lab" in file for file in files) else stated

    def find_offers(self) -> Mapping[str, Offer]:
        return {
            name: _offer(name, declared)
            for name, declared in self._declared.items()
            if name not in OTHERS and declared["metric_opts"]["type"] not in SETS
        }

    def find_not_offered(self) -> Mapping[str, str]:
        why = "it compares or describes a set of images and scores neither an image nor a pair"
        return {name: OTHERS.get(name, why) for name in self._declared if name not in self.offers}

    @cached_property
    def _declared(self) -> Mapping[str, Any]:
        """Read pyiqa's table of metrics."""
        package = importlib.util.find_spec("pyiqa")
        if package is None or package.origin is None:
            raise EditMetricsError("pyiqa has metadata but no module; pip install --force-reinstall pyiqa")
        file = Path(package.origin).parent / "default_model_configs.py"
        spec = importlib.util.spec_from_file_location("_pyiqa_table", file)
        if spec is None or spec.loader is None or not file.is_file():
            raise EditMetricsError(f"{file} is missing: this version of pyiqa keeps its table of metrics elsewhere")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        table: Mapping[str, Any] = module.DEFAULT_CONFIGS
        return table


def _offer(name: str, declared: Mapping[str, Any]) -> Offer:
    kind, mode = declared["metric_opts"]["type"], declared["metric_mode"]
    needs = WITH_TEXT if kind == "CLIPScore" else PAIR if mode == "FR" else SINGLE
    lower = bool(declared.get("lower_better", False))  # False is what pyiqa itself takes it for when it says nothing
    compared = {PAIR: "the edited image against the source", SINGLE: "the edited image by itself"}
    return Offer(
        name,
        needs,
        Dimension(re.sub(r"[^a-z0-9]+", "_", name.lower().replace("+", "_plus")), higher_is_better=not lower,
                  primary=True, description=_rough_range(declared.get("score_range", ""))),
        partial(_load, name),
        tuple(_options(declared["metric_opts"])),
        f"{kind} as pyiqa's {name}: {compared.get(needs, 'how well the image shows its prompt')}.",
        weights_licence=_weights_licence(kind),
    )  # fmt: skip


def _weights_licence(kind: str) -> str:
    return "" if kind in WITHOUT_WEIGHTS else WEIGHTS_LICENCES.get(kind, "not stated by pyiqa")


def _options(declared: Mapping[str, Any]) -> list[Option]:
    """List the settings that the table gives this metric, where they are plain."""
    return [
        Option(key, type(value), value, f"As the argument {key} of pyiqa's {declared['type']}.")
        for key, value in declared.items()
        if type(value) in (bool, int, float, str) and key not in ("type", "pretrained") and not hasattr(Metric, key)
    ]


def _rough_range(text: str) -> str:
    """Put pyiqa's words for a range into ours, where they are two ends.

    >>> _rough_range("~0, ~40"), _rough_range("0, ~")
    ("about 0 to 40, by the library's own estimate", "about from 0, by the library's own estimate")
    """
    ends = [end.strip() for end in text.split(",")]
    if len(ends) != 2 or ":" in text:
        return ""
    low, high = (end.lstrip("~") for end in ends)
    if not low or not high:
        return f"about {'up to ' + high if high else 'from ' + low}, by the library's own estimate"
    return f"about {low} to {high}, by the library's own estimate"


def _load(name: str, options: Mapping[str, Any], device: str) -> Loaded:
    import pyiqa

    metric = pyiqa.create_metric(name, device=device, **options)

    def compute(edited: Any, source: Any, prompt: str | None) -> Any:
        if prompt is not None:
            return metric(edited, caption_list=[prompt])
        return metric(edited) if source is None else metric(edited, source)

    return Loaded(compute, metric)


BRIDGE = Pyiqa()


def __getattr__(name: str) -> type[BridgedMetric]:
    return BRIDGE.attribute(name)
