"""Base class of LMM4Edit and EditHF: for each of three dimensions an adapter on one backbone, and a head.

Both are published as folders with peft adapters and a head, one for each dimension. They are loaded as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ..bases.backbone_metric import BackboneMetric
from ..late_checks import read_results
from ..metric import pick_device
from ..mllm.prompts import length_class
from ..sample import Dimension, EditMetricsError, Sample, Score

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..mllm.backbone import Backbone, Features, Picture, Prompt

Aspect = Literal["visual_quality", "editing_alignment", "attribute_preservation"]

PARTS: dict[Aspect, str] = {
    "visual_quality": "visual",
    "editing_alignment": "alignment",
    "attribute_preservation": "preservation",
}
"""The authors' name of each dimension, in their folders and options."""

HIGHEST = 100.0


class PublishedWeightsError(EditMetricsError, ValueError):
    """A folder does not hold what the authors published; the message names the file and what is wrong with it."""


@dataclass(frozen=True)
class DimensionScorer:
    """The scorer of one dimension: the name of its adapter on the backbone, and its head, a hidden state to 0 to 1."""

    adapter: str
    head: Callable[[Tensor], Tensor]
    scale: float = HIGHEST


class EditRegression(BackboneMetric):
    """Base of the two. A subclass gives `FOLDERS` and `FILES`, what it asks (`ask`), where it reads (`BEHIND`), and how
    one dimension's folder is loaded (`load_part`).

    Options:
        weights: A folder as the authors published it; by default theirs, downloaded at their first use.
        dimension: One dimension alone, which needs only its part of the weights; by default all three.
    """

    needs = frozenset({"source", "edited", "prompt"})
    host_reads = 4  # for each dimension the choice of a mask by transformers; the results
    host_copies = 6
    dimensions = (
        Dimension("visual_quality", low=0, high=HIGHEST, primary=True, description="how good the edited image looks"),
        Dimension("editing_alignment", low=0, high=HIGHEST, description="how well it does what the instruction says"),
        Dimension("attribute_preservation", low=0, high=HIGHEST, description="how well it keeps the rest"),
    )

    FOLDERS: ClassVar[Mapping[str, str]]
    """The folder of each part."""

    FILES: ClassVar[tuple[str, ...]]
    """The files in each folder."""

    BEHIND: ClassVar[int]
    """The position of the hidden state that is read, counted from the end of the prompt."""

    def __init__(self, *, weights: str | None = None, dimension: Aspect | None = None, **shared: Any) -> None:
        super().__init__(**shared)
        self.weights, self.dimension = weights, dimension
        self._backbone: Backbone | None = None
        self._parts: dict[Aspect, DimensionScorer] = {}

    def active_dimensions(self) -> tuple[Dimension, ...]:
        """Return all three, or the one that the option `dimension` names."""
        kept = [each for each in type(self).dimensions if each.name in self._aspects]
        return tuple(replace(each, primary=not row) for row, each in enumerate(kept))

    @property
    def _aspects(self) -> tuple[Aspect, ...]:
        return tuple(PARTS) if self.dimension is None else (self.dimension,)

    # ------------------------------------------------------------------ what a subclass gives

    def see(self, backbone: Backbone, image: np.ndarray) -> Picture:
        """Prepare one of the two images (H, W, 3), uint8, for the backbone."""
        raise NotImplementedError

    def ask(self, backbone: Backbone, pictures: Sequence[Picture], aspect: Aspect, instruction: str) -> Prompt:
        """Make the prompt for one dimension."""
        raise NotImplementedError

    def load_part(self, backbone: Backbone, aspect: Aspect, folder: Path, adapter: str) -> DimensionScorer:
        """Put the adapters in `folder` on `backbone` as `adapter`, if it is not attached yet, and load the head."""
        raise NotImplementedError

    # ------------------------------------------------------------------ the contract

    def checkpoints(self) -> tuple[str, ...]:
        return () if self.weights else tuple(f"{self.name}.{PARTS[aspect]}" for aspect in self._aspects)

    def identity(self) -> dict[str, Any]:
        unknown = {"model": self.backbone or self.BACKBONE, "revision": self.revision, "sha256": "unknown until loaded"}
        return {
            **super().identity(),
            "weights": self._checksums() if self.weights else "those of checkpoints",
            "backbone": self._backbone.identity() if self._backbone else unknown,
            "prompts": {aspect: self.question(aspect, "{instruction}") for aspect in self._aspects},
        }

    def load(self) -> None:
        self.device = pick_device(self.device)
        if self._parts:
            return
        from .. import weights

        for name in self.checkpoints():
            weights.pull(name)
        folders = {aspect: self._folder(aspect) for aspect in self._aspects}
        for folder in folders.values():
            if missing := [file for file in self.FILES if not (folder / file).is_file()]:
                raise PublishedWeightsError(
                    f"{folder} has no {', '.join(missing)}; expected {', '.join(self.FILES)}, as the authors publish "
                    f"{self.name}"
                )
        backbone = self._backbone = self.load_backbone()
        for aspect, folder in folders.items():
            digests = "".join(weights.sha256(folder / file) for file in self.FILES if "adapter" in file)
            adapter = f"{self.name}_{PARTS[aspect]}_{_short(digests)}"
            self._parts[aspect] = self.load_part(backbone, aspect, folder, adapter)

    def unload(self) -> None:
        self._backbone = None
        self._parts.clear()

    def prepare(self, sample: Sample) -> dict[str, Prompt]:
        """Return a prompt for each dimension; all with the same two pictures."""
        from ..images import eight_bits, read_image

        if self._backbone is None:
            raise EditMetricsError(f"{self.name} prepares samples with its backbone: load() it first")
        images = [eight_bits(read_image(image)) for image in (sample.source, sample.edited)]
        pictures = [self.see(self._backbone, image) for image in images]
        return {aspect: self.ask(self._backbone, pictures, aspect, sample.prompt or "") for aspect in self._aspects}

    def score_batch(self, batch: list[dict[str, Prompt]]) -> list[Score]:
        seen: dict[str | None, list[Sequence[Features]]] = {}
        rated = [self._rate(aspect, [item[aspect] for item in batch], seen) for aspect in self._aspects]
        scales = [self._parts[aspect].scale for aspect in self._aspects]
        columns = {
            aspect: (numbers.double() * scale).tolist()
            for aspect, numbers, scale in zip(self._aspects, read_results(*rated), scales, strict=True)
        }
        scores = []
        for row in range(len(batch)):
            raw = {str(aspect): columns[aspect][row] for aspect in self._aspects}
            values = {name: min(max(value, 0.0), HIGHEST) for name, value in raw.items()}
            beyond = {name: value for name, value in raw.items() if values[name] != value}
            scores.append(Score(values, details={"beyond_scale": beyond} if beyond else {}))
        return scores

    def batch_key(self, prepared: dict[str, Prompt]) -> int:
        return length_class(prepared.values())

    def question(self, aspect: Aspect, instruction: str) -> str:
        """Return the question for one dimension, in the authors' words."""
        raise NotImplementedError

    # ------------------------------------------------------------------ inside

    def _rate(
        self, aspect: Aspect, prompts: Sequence[Prompt], seen: dict[str | None, list[Sequence[Features]]]
    ) -> Tensor:
        """Rate one dimension, before it is scaled; `seen` keeps the features of each vision tower."""
        import torch

        from ..mllm.lora import adapts_vision, using
        from ..mllm.states import read_head

        part, backbone = self._parts[aspect], self._backbone
        if backbone is None:
            raise EditMetricsError(f"{self.name} is not loaded: call load() first")
        with torch.inference_mode(), using(backbone, part.adapter):
            tower = part.adapter if adapts_vision(backbone, part.adapter) else None
            if tower not in seen:
                seen[tower] = backbone.look_at(prompts)
            hidden = backbone.forward(prompts, seen[tower]).at(-self.BEHIND)
            return read_head(part.head, hidden)

    def _folder(self, aspect: Aspect) -> Path:
        from .. import weights

        name = f"{self.name}.{PARTS[aspect]}"
        root = Path(self.weights or weights.folder_of(name))
        folders = [root / folder for folder in (self.FOLDERS[PARTS[aspect]], *weights.checkpoint(name).alternatives)]
        return next((folder for folder in folders if folder.is_dir()), folders[0])

    def _checksums(self) -> dict[str, str]:
        from .. import weights

        files = [self._folder(aspect) / file for aspect in self._aspects for file in self.FILES]
        return {str(file.relative_to(str(self.weights))): weights.sha256(file) for file in files if file.is_file()}


def load_head(file: Path, layers: Mapping[str, int], *, inputs: int, activation: str) -> Callable[[Tensor], Tensor]:
    """Load the regression head in a .pth file of the authors, ready for scoring; see `published_head`.

    Raises `PublishedWeightsError` naming the file and the tensor that is missing, too many or of another shape.
    """
    from .. import weights
    from ..mllm.heads import HeadError, published_head

    try:
        return published_head(weights.load_state_dict(file), layers, inputs=inputs, origin=file, activation=activation)
    except HeadError as error:
        raise PublishedWeightsError(str(error)) from error


def _short(digests: str) -> str:
    import hashlib

    return hashlib.sha256(digests.encode()).hexdigest()[:16]
