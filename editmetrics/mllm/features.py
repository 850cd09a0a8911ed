"""Features of images from a frozen vision tower, computed once and kept on disk for all epochs, dimensions and prompts.

    store = FeatureStore("runs/features", backbone)
    store.require_room(pictures[:8], len(pictures), 250e9)     # before anything is written
    store.fill(pictures)                                       # resumes where it was stopped
    output = backbone.forward(prompts, [store.get(prompt.pictures) for prompt in prompts])

A file for each picture, named by the sha256 of its pixels, in a folder for each backbone (its weights, dtype, attention
and, where the vision tower has one, adapter): features of another tower are never used.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from ..files.writing import replacing
from ..sample import EditMetricsError
from ..wording import plural
from .lora import adapts_vision, using
from .tensors import Features, Picture

if TYPE_CHECKING:
    from .backbone import Backbone

logger = logging.getLogger(__name__)

DECISIVE = ("sha256", "family", "dtype", "attention", "transformers")
"""The fields of a backbone's identity that affect its features; the others affect the pixels."""


class FeatureError(EditMetricsError):
    """Features cannot be kept; the message names the file and the reason."""


@dataclass(frozen=True, eq=False)
class KeptPicture(Picture):
    """A picture without its pixels, whose features are in a store: a few bytes instead of megabytes."""

    key: str = ""


class FeatureStore:
    """Features of pictures under `folder`, computed by `backbone` if they are missing.

    - `adapter`: the LoRA adapter active in the vision tower, which is frozen by now; None for the raw tower.
    - `memory`: bytes of features that stay in memory; the least recently used ones are dropped first.
    - `batch`: pictures that go through the vision tower at a time, and so many of `keep` wait for one another.

    Several processes may share a folder. Features are on the CPU, in the backbone's dtype, without gradients.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        backbone: Backbone,
        *,
        adapter: str | None = None,
        memory: int = 1 << 30,
        batch: int = 8,
    ) -> None:
        self.backbone, self.adapter, self.memory, self.batch = backbone, adapter, memory, batch
        identity = {name: value for name, value in backbone.identity().items() if name in DECISIVE}
        if adapts_vision(backbone, adapter):
            identity["adapter"] = _digest_of_adapter(backbone, str(adapter))
        text = json.dumps(identity, sort_keys=True, indent=1)
        self.folder = Path(folder) / hashlib.sha256(text.encode()).hexdigest()[:16]
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "identity.json").write_text(text, encoding="utf-8")
        self._waiting: dict[str, Picture] = {}
        self._recent: OrderedDict[str, Features] = OrderedDict()
        self._held = 0

    def size_of(self, tokens: float) -> float:
        """The bytes of the features of `tokens` image tokens: tokens x width x vectors of each x bytes of a number.

        >>> import tempfile
        >>> from editmetrics.mllm.backbone import Backbone
        >>> from editmetrics.testing import tiny_backbone
        >>> backbone = Backbone.load(tiny_backbone("qwen3_vl", tempfile.mkdtemp()), device="cpu")
        >>> vectors = backbone.family.vectors(backbone.model)  # the tower's last layer, and those of deepstack
        >>> FeatureStore(tempfile.mkdtemp(), backbone).size_of(100) == 100 * backbone.hidden_size * vectors * 4
        True
        """
        backbone = self.backbone
        return tokens * backbone.hidden_size * backbone.family.vectors(backbone.model) * backbone.dtype.itemsize

    def require_room(self, pictures: Sequence[Picture], count: int, limit: float) -> float:
        """The bytes that the features of `count` pictures like `pictures` will take, which are logged.

        Raises `FeatureError` if they exceed `limit`, or what is free on the disk and already taken by this store.
        """
        total = count * self.size_of(sum(picture.tokens for picture in pictures) / len(pictures))
        present = sum(file.stat().st_size for file in self.folder.glob("*/*.safetensors"))
        free = shutil.disk_usage(self.folder).free
        sizes = f"about {_gb(total)}, of which {_gb(present)} are there; {_gb(free)} are free"
        logger.info("features of %s in %s take %s", plural(count, "image"), self.folder, sizes)
        if total > limit or total - present > free:
            raise FeatureError(
                f"features of {plural(count, 'image')} in {self.folder} take {sizes}, {_gb(limit)} are allowed; "
                "name an output folder on a disk with room and a larger feature_store_gb, or set feature_store=false: "
                "then every step runs the vision tower"
            )
        return total

    def get(self, pictures: Sequence[Picture]) -> list[Features]:
        """The features of `pictures`, from memory or from disk, or else computed and kept."""
        keys = [picture_key(picture) for picture in pictures]
        features = self._features(dict(zip(keys, pictures, strict=True)))
        return [features[key] for key in keys]

    def fill(self, pictures: Iterable[Picture], progress: Callable[[int], None] | None = None) -> int:
        """Compute and keep the missing features of `pictures`; returns their number.

        `pictures` may be a generator: no more than a batch of them is held. `progress` is called with the number of
        pictures seen so far.
        """
        waiting: dict[str, Picture] = {}
        computed = 0
        for count, picture in enumerate(pictures, 1):
            key = picture_key(picture)
            if not self._file(key).is_file():
                waiting[key] = picture
            if len(waiting) == self.batch:
                computed += sum(1 for _ in self._computed(waiting))
                waiting = {}
            if progress is not None:
                progress(count)
        return computed + sum(1 for _ in self._computed(waiting))

    def keep(self, picture: Picture) -> KeptPicture:
        """Keep the features of `picture`, and return it without its pixels; prompts accept it like `picture`.

        They are computed when `batch` pictures wait for it, or when some of them are asked for.
        """
        key = picture_key(picture)
        if key not in self._waiting and not self._is_kept(key, picture):
            self._waiting[key] = picture
        if len(self._waiting) >= self.batch:
            self._compute_waiting()
        small = {name: value for name, value in picture.pixels.items() if name != "pixel_values"}
        return KeptPicture(small, picture.tokens, picture.size, picture.among, key)

    def _is_kept(self, key: str, picture: Picture) -> bool:
        """Return whether the features are there; a file that was cut off is too small."""
        file = self._file(key)
        return key in self._recent or (file.is_file() and file.stat().st_size > self.size_of(picture.tokens))

    def _compute_waiting(self) -> None:
        for _ in self._computed(self._waiting):
            pass
        self._waiting = {}

    def _features(self, pictures: dict[str, Picture]) -> dict[str, Features]:
        if not self._waiting.keys().isdisjoint(pictures):
            self._compute_waiting()
        known = {key: features for key in pictures if (features := self._known(key)) is not None}
        return known | dict(self._computed({key: picture for key, picture in pictures.items() if key not in known}))

    def _known(self, key: str) -> Features | None:
        if key in self._recent:
            self._recent.move_to_end(key)
            return self._recent[key]
        file = self._file(key)
        if not file.is_file():
            return None
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            features = Features.from_tensors(load_file(str(file)))
        except (OSError, SafetensorError, KeyError) as error:
            logger.warning("%s is damaged (%s); its features are computed again", file, error)
            file.unlink(missing_ok=True)
            return None
        self._remember(key, features)
        return features

    def _computed(self, pictures: dict[str, Picture]) -> Iterable[tuple[str, Features]]:
        import torch

        waiting = list(pictures.items())
        for start in range(0, len(waiting), self.batch):
            some = waiting[start : start + self.batch]
            if lost := [key for key, picture in some if isinstance(picture, KeptPicture)]:
                raise FeatureError(
                    f"{self._file(lost[0])} is missing, and its picture has no pixels any more; start again"
                )
            with torch.no_grad(), using(self.backbone, self.adapter):
                made = self.backbone.look([picture for _, picture in some])
            for (key, _), features in zip(some, made, strict=True):
                tensors = features.detach().to("cpu").tensors()
                kept = Features.from_tensors({name: tensor.clone() for name, tensor in tensors.items()})  # no views
                self._write(key, kept)
                self._remember(key, kept)
                yield key, kept

    def _write(self, key: str, features: Features) -> None:
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        file = self._file(key)
        try:
            file.parent.mkdir(exist_ok=True)
            with replacing(file) as temporary:
                save_file(dict(features.tensors()), str(temporary))
        except (OSError, SafetensorError) as error:
            size = _bytes(features)
            raise FeatureError(
                f"{file} cannot be written ({error}); a picture's features take {size / 1e6:.1f} MB, so give a folder "
                "with room for all of them"
            ) from error

    def _remember(self, key: str, features: Features) -> None:
        self._recent[key] = features
        self._held += _bytes(features)
        while self._held > self.memory and self._recent:
            _, oldest = self._recent.popitem(last=False)
            self._held -= _bytes(oldest)

    def _file(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.safetensors"


def picture_key(picture: Picture) -> str:
    """The sha256 of the pixels as the vision tower takes them; equal pictures of different files have equal keys."""
    if isinstance(picture, KeptPicture):
        return picture.key
    if picture not in _keys:
        digest = hashlib.sha256()
        for name, tensor in sorted(picture.pixels.items()):
            pixels = tensor.contiguous()
            digest.update(f"{name} {pixels.dtype} {tuple(pixels.shape)} ".encode())
            digest.update(pixels.numpy().data)
        _keys[picture] = digest.hexdigest()
    return _keys[picture]


_keys: WeakKeyDictionary[Picture, str] = WeakKeyDictionary()
"""Keys of pictures that are in memory: megabytes of pixels are hashed for each."""


def _digest_of_adapter(backbone: Backbone, name: str) -> str:
    inside = {id(parameter) for parameter in backbone.vision.parameters()}
    digest = hashlib.sha256()
    for key, parameter in backbone.model.named_parameters():
        if id(parameter) in inside and f".{name}." in key:
            digest.update(key.encode() + parameter.detach().cpu().float().numpy().tobytes())
    return digest.hexdigest()


def _bytes(features: Features) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in features.tensors().values())


def _gb(size: float) -> str:
    return f"{size / 1e9:.4g} GB"
