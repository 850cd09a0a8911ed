"""A sample's images are read once, hashed, and decoded once for all metrics of the run."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from ..data.image_sets import ImageSet
from ..images import ImageError, Profile, Unreadable, colour_profile, read_bytes, read_image, read_mask
from ..images.kinds import HEAD_BYTES, decoder_of
from ..images.profiles import profiles_differ
from ..images.read import FileBytes
from ..images.stand_ins import Deferred
from ..sample import IMAGE_FIELDS, EditMetricsError, Sample, UnavailableError, images_of

Content = bytes | np.ndarray | Unreadable
"""An image before it is decoded: a file's bytes, the pixels of an image in memory, or the reason why it has neither."""


class Opened:
    """A sample whose files have been read, and not yet decoded.

    `fingerprint` tells by content whether a score of an earlier run still holds; `decoded` is the sample as metrics
    get it. An image that cannot be read fails the metrics that look at it, and no others. `profile` says what becomes
    of colour profiles (`editmetrics.images.read_image`).
    """

    def __init__(self, sample: Sample, fields: Iterable[str], profile: Profile = "ignore") -> None:
        self.sample = sample = _read_deferred(sample)
        self.profile = profile
        names = [name for name in fields if name in IMAGE_FIELDS and sample.has(name)]
        self._sets = {name: image for name in names if isinstance(image := getattr(sample, name), ImageSet)}
        self._images = {
            name: [self._read(name, image) for image in images_of(getattr(sample, name))]
            for name in names
            if name not in self._sets
        }
        self._digests: dict[str, str] = {}
        self._profiles: dict[str, list[bytes | None]] = {}

    def fingerprint(self, fields: Iterable[str], columns: Iterable[str] = ()) -> str:
        """32 hex digits that change when the content of any of `fields` does, or a value of `columns` in `meta`."""
        meta = self.sample.meta
        contents = {name: self._digest(name) for name in fields if self.sample.has(name)}
        contents |= {f"meta.{name}": str(meta[name]) for name in columns if meta.get(name) is not None}
        text = json.dumps(contents, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def as_files(self, fields: Iterable[str]) -> Sample:
        """The sample with those of `fields` that are images as the bytes of their files, or as they are in memory."""
        images: dict[str, Any] = {name: list(self._images[name]) for name in fields if name in self._images}
        return replace(self.sample, **images, meta=MappingProxyType(dict(self.sample.meta)))

    def decoded(self, fields: Iterable[str]) -> Sample:
        """The sample with those of `fields` that are images as arrays; one that is damaged says so when it is used.

        Metrics share it: its arrays and `meta` cannot be written to.
        """
        images: dict[str, Any] = {name: self._decoded(name) for name in fields if name in self._images}
        images |= {name: of_set.with_profile(self.profile) for name, of_set in self._sets.items()}
        return replace(self.sample, **images, meta=MappingProxyType(dict(self.sample.meta)))

    def note(self, fields: Iterable[str]) -> str | None:
        """A note when the images among `fields` have colour profiles that give different colours, else None.

        None if profiles are converted. Images that cannot be opened, and masks, are ignored.
        """
        if self.profile == "convert":
            return None
        profiles = {}
        for name in fields:
            if name in self._images and name != "mask":
                with suppress(ImageError, UnavailableError):  # it has a reason of its own when it is looked at
                    for number, profile in enumerate(self._profiles_of(name), 1):
                        profiles[f"{name} {number}" if len(self._images[name]) > 1 else name] = profile
        differing = profiles_differ(profiles) if any(profiles.values()) else None
        return differing and f"{differing}: their colours are compared as they stand in the files"

    def _profiles_of(self, name: str) -> list[bytes | None]:
        if name not in self._profiles:
            both = zip(self._images[name], images_of(getattr(self.sample, name)), strict=True)
            self._profiles[name] = [
                colour_profile(image if isinstance(content, np.ndarray) else content) for content, image in both
            ]
        return self._profiles[name]

    def _digest(self, name: str) -> str:
        if name not in self._digests:  # several metrics look at the same images
            images = self._images.get(name)
            if name in self._sets:
                text = _digest_of_set(self._sets[name])
            elif images is None:
                text = json.dumps(getattr(self.sample, name), ensure_ascii=False)
            else:
                text = ", ".join(map(_digest, images))
            self._digests[name] = text
        return self._digests[name]

    def _read(self, name: str, image: Any) -> Content:
        try:
            if isinstance(image, (str, os.PathLike)):
                return FileBytes(read_bytes(image), os.fsdecode(image))
            if isinstance(image, (bytes, bytearray, memoryview)):
                return bytes(image)
            return self._pixels(name, image, image)
        except (ImageError, UnavailableError) as error:
            return Unreadable(str(error), by_machine=isinstance(error, UnavailableError))

    def _decoded(self, name: str) -> list[np.ndarray | Unreadable]:
        originals = images_of(getattr(self.sample, name))
        return [self._decoded_one(name, *both) for both in zip(self._images[name], originals, strict=True)]

    def _decoded_one(self, name: str, content: Content, original: Any) -> np.ndarray | Unreadable:
        try:
            return self._pixels(name, content, original)
        except (ImageError, UnavailableError) as error:
            return Unreadable(str(error), by_machine=isinstance(error, UnavailableError))

    def _pixels(self, name: str, image: Any, original: Any) -> np.ndarray:
        called = (
            os.fspath(original)
            if isinstance(original, (str, os.PathLike))
            else f"the {name} image of {self.sample.id!r}"
        )
        return read_mask(image, name=called) if name == "mask" else read_image(image, name=called, profile=self.profile)


def _read_deferred(sample: Sample) -> Sample:
    """The sample with its deferred images, all from one reading of its row: what is drawn at random fits together."""
    images = {name: images_of(getattr(sample, name)) for name in IMAGE_FIELDS}
    deferred = [image for several in images.values() for image in several if isinstance(image, Deferred)]
    if not deferred:
        return sample
    row = deferred[0].row()
    read: dict[str, Any] = {
        name: [image.read(row) if isinstance(image, Deferred) else image for image in several]
        for name, several in images.items()
    }
    return replace(sample, **{name: one[0] if len(one) == 1 else one for name, one in read.items()})


def _digest(content: Content) -> str:
    if isinstance(content, Unreadable):
        return f"unreadable: {content.reason}"
    if isinstance(content, np.ndarray):
        return f"{content.dtype} {content.shape} {hashlib.sha256(content.tobytes()).hexdigest()}"
    return f"{hashlib.sha256(content).hexdigest()} {decoder_of(content[:HEAD_BYTES])}".strip()


def _digest_of_set(images: ImageSet) -> str:
    try:
        return hashlib.sha256("\n".join(sorted(images.digests())).encode()).hexdigest()
    except EditMetricsError as error:  # the metric says so again
        return f"unreadable: {error}"
