"""`ImageRegressor`: a backbone and a head that learn people's ratings of images or edits."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...bases.backbone_metric import without_folders
from ...bases.trained import TrainedMetric
from ...late_checks import read_results
from ...metric import pick_device
from ...sample import Dimension, EditMetricsError, Sample, SampleError, Score

if TYPE_CHECKING:
    from ...mllm.fitting import FitJob
    from ...mllm.recipe import Recipe
    from .instructions import InstructionEncoder
    from .method import RegressorMethod
    from .network import RegressorNetwork

AUTHENTICITY = "authenticity"


class ImageRegressor(TrainedMetric):
    """Ratings of an image or an edit, on the scale of those that it learned; authenticity is a probability, 0 to 1.

    A backbone of timm or CLIP, a body and a head, as a recipe file names them (`--preset`): `probe`, whose frozen
    backbone's features are computed once; `small`, without any download; or one that follows CNNIQA, WaDIQaM, DBCNN,
    HyperIQA, MANIQA, MUSIQ, TReS, TOPIQ, StairIQA, NIMA, LIQE or CLIP-IQA+; or a file of your own.

    It sees the edited image alone, unless it was trained with `reference=true` (the source as well) or
    `instruction=true` (the instruction's text).

    Options:
        weights: A folder that `fit` wrote; several, separated by ";", are averaged.
        backbone: For `fit`: another model of timm (or open_clip) in place of the recipe's.

    >>> from editmetrics import create_metric
    >>> metric = create_metric("image_regressor", weights="toy", device="cpu")
    >>> 0 <= float(metric("docs/examples/edited/cat.jpg")) <= 100
    True
    """

    name, version = "image_regressor", 1
    title = "quality, learned from your ratings"
    needs = frozenset({"edited"})
    uses = frozenset({"source", "prompt"})
    dimensions = (
        Dimension("visual_quality", low=0, high=100, primary=True, description="how good the edited image looks"),
        Dimension("editing_alignment", low=0, high=100, description="how well it does what the instruction says"),
        Dimension("attribute_preservation", low=0, high=100, description="how well it keeps the rest"),
        Dimension("overall", low=0, high=100, description="one rating of all"),
        Dimension(AUTHENTICITY, low=0, high=1, description="probability that the image is real"),
    )
    label_dimensions = frozenset({AUTHENTICITY})
    paper = "see the recipes in docs/regressors.md"
    licence = "this code: Apache-2.0; a backbone: its own ('editmetrics weights list')"
    requires = ("timm", "open-clip-torch")

    def __init__(self, *, weights: str | Sequence[str] | None = None, backbone: str | None = None) -> None:
        super().__init__(weights=weights)
        self.backbone = backbone
        self._network: RegressorNetwork | None = None
        self._encoder: InstructionEncoder | None = None

    # ------------------------------------------------------------------ what the weights decide

    def on_scale(self, dimension: Dimension) -> Dimension:
        return dimension if dimension.name in self.label_dimensions else super().on_scale(dimension)

    @property
    def settings(self) -> Mapping[str, Any]:
        """The description of the network that the checkpoint keeps; empty without a checkpoint."""
        return {} if self.checkpoint is None else self.checkpoint.settings

    def required(self) -> frozenset[str]:
        more = {"source": "reference", "prompt": "instruction"}
        return self.needs | {field for field, setting in more.items() if self._any(setting)}

    def fields(self) -> frozenset[str]:
        """The required fields: one that the weights do not look at changes no number."""
        return self.required()

    def checkpoints(self) -> tuple[str, ...]:
        from .instructions import ENTRY

        entries = [fact["weights"] for one in self.trained for fact in one.settings["backbones"] if not fact["stored"]]
        entries += [ENTRY] if self._any("instruction") else []
        return (*super().checkpoints(), *dict.fromkeys(entries))

    def identity(self) -> dict[str, Any]:
        digests = [checkpoint.digest for checkpoint in self.trained]
        base = super().identity()
        options = {**base["options"], "weights": without_folders(self.name, base["options"]["weights"])}
        return {**base, "options": options, "weights": digests}

    # ------------------------------------------------------------------ scoring

    def load(self) -> None:
        self.device = pick_device(self.device)
        if self.members:
            for member in self.members:
                member.to(self.device).load()
            return
        if self._network is not None:
            return
        if self.checkpoint is None:
            raise EditMetricsError(
                f"{self.name} has no published weights: train it on your ratings ('editmetrics fit {self.name} "
                "RATINGS.csv -o DIR', docs/regressors.md) and give weights=DIR, or try it with weights=toy"
            )
        from .loading import load_network

        self._network = load_network(self.checkpoint).to(self.device)
        if self.settings["instruction"]:
            from .instructions import InstructionEncoder

            self._encoder = InstructionEncoder(self.device)

    def unload(self) -> None:
        self._network = self._encoder = None
        for member in self.members:
            member.unload()

    def prepare(self, sample: Sample) -> dict[str, Any]:
        """Return the views of the edited image and its source, and the instruction's tokens."""
        from .views import scaled_image, scoring_views, size_of

        network = self._loaded()
        rule = network.recipe.images
        edited = scaled_image(sample.edited, rule)
        prepared: dict[str, Any] = {"edited": scoring_views(edited, rule)}
        if network.reference:
            source = scaled_image(sample.source, rule, like=size_of(edited))
            prepared["source"] = scoring_views(source, rule)
        if self._encoder is not None:
            if not (sample.prompt or "").strip():
                raise SampleError(f"{self.name} reads the instruction, and this sample's prompt is empty", "skipped")
            prepared["tokens"] = self._encoder.tokens(sample.prompt or "")
        return prepared

    def batch_key(self, prepared: dict[str, Any]) -> Hashable:
        return len(prepared["edited"].pixels)  # images of like many views

    def score_batch(self, batch: list[dict[str, Any]]) -> list[Score]:
        import torch

        network = self._loaded()
        with torch.inference_mode():
            instructions = self._encoder.encode([item["tokens"] for item in batch]) if self._encoder else None
            maps = network.maps(
                [item["edited"] for item in batch], [item["source"] for item in batch if "source" in item]
            )
            (numbers,) = read_results(network.rate(network.rows(maps), instructions).numbers)
        return [self._score(row) for row in numbers.double().tolist()]

    def _score(self, row: Sequence[float]) -> Score:
        """Turn parts of the scale into ratings, log-odds into probabilities; what lies beyond the scale is its end."""
        from math import exp

        low, high = self.label_scale
        trained = self.checkpoint.dimensions if self.checkpoint else ()
        values, beyond = {}, {}
        for name, number in zip(trained, row, strict=True):
            if name in self.label_dimensions:
                values[name] = 1 / (1 + exp(-max(min(number, 700.0), -700.0)))
                continue
            rating = low + (high - low) * number
            values[name] = min(max(rating, low), high)
            if values[name] != rating:
                beyond[name] = rating
        return Score(values, details={"beyond_scale": beyond} if beyond else {})

    def _loaded(self) -> RegressorNetwork:
        if self._network is None:
            raise EditMetricsError(f"{self.name} is not loaded: call load() first")
        return self._network

    def _any(self, setting: str) -> bool:
        return any(checkpoint.settings[setting] for checkpoint in self.trained)

    # ------------------------------------------------------------------ training

    @classmethod
    def presets(cls) -> Mapping[str, tuple[RegressorMethod, Recipe]]:
        from .method import Presets

        return Presets()

    def train_stages(self, job: FitJob) -> None:
        """Train the network that the preset's recipe names, on kept features where its backbone is frozen."""
        from .fit import train_stages

        train_stages(job, str(self.device), self.backbone, self.label_dimensions)
