"""`SetMetric`, the base of metrics that compare a set of images with another, such as FID: one number for a system."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from ..clean_room import clean_room
from ..late_checks import read_results
from ..sample import Sample, SampleError, Score
from ..transfer import stacked
from ..wording import plural
from .network import HasNetwork

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..data.image_sets import ImageSet
    from ..images import Profile


@dataclass(frozen=True)
class SetEstimate:
    """A statistic of a set of images: its values by dimension, and how sure they are.

    - `deviation`: the standard error of each. `interval`: its 95 % interval, over other sets of as many images.
    - `notes`: sentences that readers are shown beside the number.
    """

    values: Mapping[str, float]
    deviation: Mapping[str, float] = field(default_factory=dict)
    interval: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    notes: Sequence[str] = ()


class SetMetric(HasNetwork):
    """Base of metrics of sets of images: features of each image by a network, and a statistic of all of them.

    `edited` and `reference` of its samples are sets (`ImageSet`, a folder, a list of images): a sample is a system. A
    subclass gives `name`, `version`, `dimensions`, `preprocessing`, what `HasNetwork` asks for, `see` and `reduce`, and
    `features` where they are not the network's output. This class reads images in threads, runs the network in batches,
    keeps features on disk by the content of the image, and refuses sets that are too small.

    A set with an image that cannot be read has no score. Duplicates count as often as they are there, with a note. The
    order of the images and their names change nothing.

    Options:
        cache: Keep features in $EDITMETRICS_HOME/features, so that no image is seen twice by the same network.

    >>> from editmetrics import create_metric
    >>> fid = create_metric("fid")
    >>> fid.of_sets, sorted(fid.required()), fid.minimum
    (True, ['edited', 'reference'], 50)
    """

    of_sets: ClassVar[bool] = True
    needs = frozenset({"edited", "reference"})
    several = frozenset({"edited", "reference"})
    runtime_options = frozenset({"cache"})
    host_reads: ClassVar[int | None] = None  # once for each batch of images
    minimum: int = 50
    """The least number of images of a set."""
    preprocessing: str = ""
    """How `see` makes the network's input of an image, in words; part of the identity."""
    on_images: Callable[[int], None] | None = None
    """Called with a number of images whenever so many more are seen: for progress."""

    def __init__(self, *, cache: bool = True) -> None:
        self.cache = cache

    @abstractmethod
    def see(self, pixels: np.ndarray) -> Tensor:
        """Preprocess an image (H, W, 3), uint8 or float32 in [0, 1], for the network; always of one size."""

    def features(self, images: Tensor) -> Tensor:
        """Return the features of preprocessed images on the device, (N, D): by default the network's output."""
        features: Tensor = self.module(images)
        return features

    @abstractmethod
    def reduce(self, features: np.ndarray, reference: np.ndarray) -> SetEstimate:
        """Return the statistic of the features (n, D) of a set, and of those (m, D) of the reference set.

        Rows are float32, in an order that depends on the images' content alone. `reference` has no row for a metric
        that does not need a reference set.
        """

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "network": self.network_name(), "preprocessing": self.preprocessing}

    def fields(self) -> frozenset[str]:
        return self.required()

    def check_fields(self, sample: Sample) -> None:
        """Raise `SampleError` as any metric does, and for a set below `minimum`: before anything is downloaded."""
        super().check_fields(sample)
        for images in self._sets(sample).values():
            if len(images) < self.minimum:
                raise SampleError(
                    f"{self.name} needs at least {self.minimum} images in a set; {images.name} has {len(images)}"
                )

    def prepare(self, sample: Sample) -> dict[str, Any]:
        """Return the sets of a sample by field, and its id."""
        return {"id": sample.id} | self._sets(sample)

    def batch_key(self, prepared: dict[str, Any]) -> Hashable:
        return prepared["id"]  # systems one by one

    def score_batch(self, batch: list[dict[str, Any]]) -> list[Score]:
        return [self._score(item["edited"], item.get("reference")) for item in batch]

    def features_of(self, images: ImageSet) -> np.ndarray:
        """Return the features of a set, (n, D) float32, ordered by the digests of the images."""
        import numpy as np

        digests = images.digests()
        first = {digest: index for index, digest in reversed([*enumerate(digests)])}
        with self._kept(images.profile) as kept:
            rows = kept.get(first) if kept else {}
            todo = [(digest, index) for digest, index in first.items() if digest not in rows]
            self._tell(len(digests) - len(todo))
            for part, features in self._computed(images, todo):
                fresh = {digest: row for (digest, _), row in zip(part, features, strict=True)}
                if kept:
                    kept.put(fresh)
                rows |= fresh
                self._tell(len(part))
        return np.stack([rows[digest] for digest in sorted(digests)])

    # ------------------------------------------------------------------ inside

    def _sets(self, sample: Sample) -> dict[str, ImageSet]:
        from ..data.image_sets import ImageSet

        names = [name for name in ("edited", "reference") if name in self.required()]
        return {name: ImageSet.of(getattr(sample, name)) for name in names}

    def _score(self, edited: ImageSet, reference: ImageSet | None) -> Score:
        features = self.features_of(edited)
        compared = features[:0] if reference is None else self.features_of(reference)
        estimate = self.reduce(features, compared)
        notes = [*_notes(edited, reference), *estimate.notes]
        details: dict[str, Any] = {"images": len(edited)}
        if reference is not None:
            details["reference_images"] = len(reference)
        if estimate.interval:
            details["interval"] = {name: [float(end) for end in ends] for name, ends in estimate.interval.items()}
        if notes:
            details["note"] = "; ".join(notes)
        deviation = {name: float(value) for name, value in estimate.deviation.items()}
        return Score(estimate.values, uncertainty=deviation or None, details=details)

    def _kept(self, profile: Profile) -> Any:
        """The cache of features, in a `with` block; None where there is none."""
        if not self.cache or self._stand_in is not None:
            return nullcontext()
        from .. import weights
        from ..images import decoder
        from .feature_cache import FeatureCache

        checksums = weights.checksums(self.checkpoints())
        network = {"network": self.network_name(), "preprocessing": self.preprocessing, "checkpoints": checksums}
        return FeatureCache({**network, "images": decoder(profile)})

    def _computed(
        self, images: ImageSet, todo: Sequence[tuple[str, int]]
    ) -> Iterator[tuple[Sequence[tuple[str, int]], np.ndarray]]:
        """Compute features batch by batch, while threads read ahead."""
        import torch

        size = 16 if (self.device or "cpu") == "cpu" else 64
        parts = [todo[start : start + size] for start in range(0, len(todo), size)]
        waiting: deque[list[Future[Tensor]]] = deque()
        pool = ThreadPoolExecutor(max(2, os.cpu_count() or 1), thread_name_prefix="editmetrics")
        try:
            ahead = iter(parts)
            for part in parts:
                while len(waiting) < 4 and (following := next(ahead, None)) is not None:
                    waiting.append([pool.submit(self._seen, images, index) for _, index in following])
                seen = [future.result() for future in waiting.popleft()]
                with torch.inference_mode():
                    (features,) = read_results(self.features(stacked({"images": seen}, self.device)["images"]))
                if not bool(features.isfinite().all()):
                    raise SampleError(f"{self.name}: the network's features of {images.name} are not finite")
                yield part, features.float().numpy()
        finally:
            pool.shutdown(cancel_futures=True)

    def _seen(self, images: ImageSet, index: int) -> Tensor:
        with clean_room():
            return self.see(images.read(index))

    def _tell(self, count: int) -> None:
        if self.on_images is not None and count:
            self.on_images(count)

    def _sample(self, images: tuple[Any, ...], fields: dict[str, Any]) -> Sample | list[Sample]:
        """The sample of `metric(reference, edited)` or `metric(edited)`, of folders or lists of images."""
        from ..data.image_sets import ImageSet

        if images and isinstance(images[0], Sample):
            return super()._sample(images, fields)
        if isinstance(images[0] if images else None, (list, tuple)) and images[0] and isinstance(images[0][0], Sample):
            return super()._sample(images, fields)
        if len(images) > 2:
            raise TypeError(f"{self.name} compares two sets: {self.name}(reference, edited)")
        values: dict[str, Any] = {"id": "set", "edited": None}
        values.update(zip(("reference", "edited")[2 - len(images) :], images, strict=True))
        values.update(fields)
        for name in ("edited", "reference"):
            if values.get(name) is not None:
                values[name] = ImageSet.of(values[name])
        return Sample(**values)


def _notes(edited: ImageSet, reference: ImageSet | None) -> list[str]:
    """Sentences on images that are in a set twice, or in both."""
    notes = []
    for images in filter(None, (edited, reference)):
        if twice := sum(count - 1 for count in Counter(images.digests()).values()):
            notes.append(f"duplicates among {plural(len(images), 'image')} of {images.name}: {twice}, all counted")
    if reference is not None:
        both = set(edited.digests()) & set(reference.digests())
        if len(both) == len(set(edited.digests())):
            notes.append(f"all images of {edited.name} stand in the reference set, too: it is compared with itself")
        elif both:
            stand = "stands" if len(both) == 1 else "stand"
            notes.append(f"{plural(len(both), 'image')} of {edited.name} {stand} in the reference set, too")
    return notes
