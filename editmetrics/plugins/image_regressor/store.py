"""Features of a frozen backbone, computed once for each image and kept on disk for all epochs, folds and heads."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from ...bases.feature_cache import FeatureCache
from ...images import decoder
from ...mllm.features import FeatureError
from ...mllm.lessons import in_batches
from ...mllm.processes import shared
from ...wording import plural

if TYPE_CHECKING:
    from torch import Tensor

    from .network import RegressorNetwork
    from .parts.layout import ViewLayout
    from .views import Views

logger = logging.getLogger(__name__)

AT_ONCE = 8
"""Images that go through the backbone together."""

IN_MEMORY = 2e9
"""Bytes of features that are held in memory; more of them are read from disk batch by batch."""

Pair = "tuple[Views, Views | None]"


class KeptFeatures:
    """Features of the views of images, by a key for each, under `$EDITMETRICS_HOME/features`.

    `network` is frozen; `see(key)` gives the views of an image and those of its source. What is kept is the body's rows
    where it has no parameters, else the maps.
    """

    def __init__(self, network: RegressorNetwork, backbones: Sequence[str]) -> None:
        from dataclasses import asdict

        self.network = network
        recipe = network.recipe
        self.identity = {
            "backbones": [
                {"sha256": digest, "stages": list(rule.stages), "positions": rule.positions}
                for digest, rule in zip(backbones, recipe.backbones, strict=True)
            ],
            "images": asdict(recipe.images),
            "decoder": decoder("ignore"),
            "reference": recipe.fusion if network.reference else None,
            "rows": asdict(recipe.body) if network.keeps_rows else None,
        }
        self.cache = FeatureCache(self.identity)
        self.shapes: list[tuple[int, ...]] = []
        self._held: dict[str, np.ndarray] = {}

    def fill(self, keys: Sequence[str], see: Callable[[str], Any], limit: float) -> None:
        """Compute what is missing of `keys`, shared among processes. Raises `FeatureError` where there is no room."""
        with self.cache as cache:
            first = self._compute([see(keys[0])])[0]
            missing = [key for key in dict.fromkeys(keys) if not cache.get([key])]
            total = first.nbytes * len(set(keys))
            self._require_room(total, first.nbytes * len(missing), len(set(keys)), limit)
            shared(missing, lambda own: self._fill(cache, own, see))
            if total <= IN_MEMORY:
                self._held = cache.get(dict.fromkeys(keys))

    def get(self, keys: Sequence[str]) -> list[np.ndarray]:
        """Return the features of each image, (views, numbers)."""
        rows = self._held
        if any(key not in rows for key in keys):
            with self.cache as cache:
                rows = cache.get(dict.fromkeys(keys))
        size = self.size
        return [rows[key].reshape(-1, size) for key in keys]

    @property
    def size(self) -> int:
        """The numbers of a view."""
        return sum(int(np.prod(shape)) for shape in self.shapes)

    def seen(self, features: Sequence[Tensor], layout: ViewLayout) -> tuple[Any, ViewLayout]:
        """Return kept features of several images as the network's rows, or as the maps that its body takes."""
        import torch

        joined = torch.cat(list(features)).to(self.network.device)
        parts = [part.unflatten(1, shape) if len(shape) > 1 else part for part, shape in zip(
            joined.split([int(np.prod(shape)) for shape in self.shapes], dim=1), self.shapes, strict=True
        )]  # fmt: skip
        if self.network.keeps_rows:
            return parts[0], layout
        return self.network.rows((parts, layout))

    # ------------------------------------------------------------------ inside

    def _fill(self, cache: FeatureCache, keys: Sequence[str], see: Callable[[str], Any]) -> list[None]:
        with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
            ahead = None
            for some in in_batches(keys, AT_ONCE):
                coming = [pool.submit(see, key) for key in some]
                if ahead is not None:
                    cache.put(self._rows(*ahead))
                ahead = (some, coming)
            if ahead is not None:
                cache.put(self._rows(*ahead))
        return [None] * len(keys)

    def _rows(self, keys: Sequence[str], coming: Sequence[Any]) -> dict[str, np.ndarray]:
        return dict(zip(keys, self._compute([future.result() for future in coming]), strict=True))

    def _compute(self, images: Sequence[tuple[Views, Views | None]]) -> list[np.ndarray]:
        import torch

        self.network.eval()
        with torch.inference_mode():
            edited = [views for views, _ in images]
            source = [views for _, views in images if views is not None]
            maps, layout = self.network.maps(edited, source)
            kept = [self.network.body(maps, layout)] if self.network.keeps_rows else maps
            self.shapes = [tuple(each.shape[1:]) for each in kept]
            rows = torch.cat([each.flatten(1) for each in kept], dim=1).float().cpu()
        return [part.numpy() for part in rows.split(list(layout.counts))]

    def _require_room(self, total: int, missing: int, count: int, limit: float) -> None:
        folder = self.cache.path.parent
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        sizes = f"about {total / 1e9:.3g} GB, of which {missing / 1e9:.3g} GB are missing; {free / 1e9:.3g} GB are free"
        logger.info("features of %s in %s take %s", plural(count, "image"), self.cache.path, sizes)
        if total > limit or missing > free:
            raise FeatureError(
                f"features of {plural(count, 'image')} in {self.cache.path} take {sizes}, {limit / 1e9:.3g} GB are "
                "allowed; set feature_store_gb, choose a recipe that pools its features, or set freeze=false"
            )
