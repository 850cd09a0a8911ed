"""Sets of images, for metrics that compare one set with another: nothing in them is paired."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from ..files.rows import table_suffix
from ..files.text import DataError
from ..images import ImageError, Profile, read_bytes, read_image
from ..images.kinds import HEAD_BYTES, decoder_of
from ..sample import Sample, SampleError, images_of
from ..wording import first_few, plural
from .manifest import from_manifest
from .sample_set import SampleSet, images_in

EXPECTED = "expected a folder of reference images and one or more folders of generated ones, or a manifest"


class ImageSet:
    """A set of images, in the place of one image of a `Sample`; read when a metric of sets looks at them.

    - `images`: paths, bytes, PIL images, arrays or tensors, as `read_image` takes them.
    - `name`: how messages call the set: a folder, or the system that made the images.
    - `profile`: "convert" converts images with a colour profile to sRGB.

    >>> ImageSet.of("docs/examples/edited")
    ImageSet('docs/examples/edited', 9 images)
    """

    def __init__(self, images: Iterable[Any], name: str = "the set", profile: Profile = "ignore") -> None:
        self.images, self.name, self.profile = list(images), name, profile
        self.unusable: list[str] = []
        """Files of the folder that look like images and cannot be read here, with the reason."""
        self._digests: list[str] = []
        self._lock = threading.Lock()

    @classmethod
    def of(cls, images: Any) -> ImageSet:
        """Return the set that `images` stands for: itself, a folder, a list of images, or one image.

        Raises `DataError` for a path that is not a folder, and for a folder without images.
        """
        if isinstance(images, ImageSet):
            return images
        if isinstance(images, (str, os.PathLike)):
            if not os.path.isdir(images):
                raise DataError(f"{os.fspath(images)} is not a folder of images; a set has many")
            return _of_folder(Path(images))
        return cls(images if isinstance(images, (list, tuple)) else [images])

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return f"ImageSet({self.name!r}, {plural(len(self), 'image')})"

    def with_profile(self, profile: Profile) -> ImageSet:
        """Return the set with its images read in another way."""
        if profile == self.profile:
            return self
        other = ImageSet(self.images, self.name, profile)
        other._digests = self._digests
        return other

    def first(self, count: int) -> ImageSet:
        """Return the set of its first `count` images.

        >>> ImageSet.of("docs/examples/edited").first(3)
        ImageSet('docs/examples/edited', 3 images)
        """
        return ImageSet(self.images[:count], self.name, self.profile)

    def __reduce__(self) -> tuple[Any, ...]:
        return ImageSet, (self.images, self.name, self.profile)  # a lock stays in its process

    def digests(self) -> list[str]:
        """Return a text for each image that changes with its content; each is read once.

        Raises `SampleError`, naming them, when some cannot be read: a set without them would be another set.
        """
        with self._lock:
            if not self._digests:
                with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
                    read = list(pool.map(self._digest, range(len(self))))
                if failed := [reason for reason in read if isinstance(reason, ImageError)]:
                    raise SampleError(
                        f"{len(failed)} of {plural(len(self), 'image')} of {self.name} cannot be read: "
                        f"{first_few([str(reason) for reason in failed], 3)}. Remove or repair them"
                    )
                self._digests = [text for text in read if isinstance(text, str)]
        return self._digests

    def read(self, index: int) -> Any:
        """Return the pixels of an image, (H, W, 3). Raises `ImageError` naming it."""
        return read_image(self.images[index], name=self.called(index), profile=self.profile)

    def called(self, index: int) -> str:
        """Return how messages call an image: its path, or its number."""
        image = self.images[index]
        is_path = isinstance(image, (str, os.PathLike))
        return os.fspath(image) if is_path else f"image {index + 1} of {self.name}"

    def _digest(self, index: int) -> str | ImageError:
        image = self.images[index]
        try:
            if isinstance(image, (str, os.PathLike)):
                image = read_bytes(image)
            if isinstance(image, (bytes, bytearray, memoryview)):
                return f"{hashlib.sha256(image).hexdigest()} {decoder_of(bytes(image[:HEAD_BYTES]))}".strip()
            pixels = read_image(image, name=self.called(index))
        except ImageError as error:
            return error
        return f"{pixels.dtype} {pixels.shape} {hashlib.sha256(pixels.tobytes()).hexdigest()}"


def find_sets(
    paths: Sequence[str | os.PathLike[str]],
    *,
    references: str | os.PathLike[str] | None = None,
    root: str | os.PathLike[str] | None = None,
    pair_by: str | None = None,
    columns: Mapping[str, str] | None = None,
    **_: Any,
) -> SampleSet:
    """A sample for each system, whose images are sets (`ImageSet`), of what `paths` stand for:

    - `real/ generated/`, or `real/ generated_a/ generated_b/`: the first folder is the reference set of each other;
    - `generated/`, with the reference set as `references` or without one;
    - a manifest: a set for each `system`, see `sets_of`.

    Raises `DataError` for anything else.

    >>> [(sample.id, sample.edited) for sample in find_sets(["docs/examples/source", "docs/examples/edited"])]
    [('edited', ImageSet('docs/examples/edited', 9 images))]
    """
    if pair_by is not None:
        raise DataError(f"sets of images are not paired; leave out --pair-by ({pair_by!r})")
    folders = [Path(path) for path in paths]
    if len(folders) == 1 and table_suffix(folders[0]) and folders[0].is_file():
        listed = from_manifest(folders[0], root, columns)
        return SampleSet(sets_of(listed), listed.unmatched, listed.headings)
    if wrong := [str(path) for path in folders if not path.is_dir()]:
        raise DataError(f"{', '.join(wrong)} does not hold a set of images; {EXPECTED}")
    if references is not None:
        folders.insert(0, Path(references))
        if len(folders) > 2:
            raise DataError(f"--references names the reference set and {folders[1]} would be another; drop one of them")
    reference = _of_folder(folders[0]) if len(folders) > 1 else None
    generated = [_of_folder(folder) for folder in folders[min(1, len(folders) - 1) :]]
    names = _names([Path(one.name) for one in generated])
    samples = [Sample(n, edited=one, reference=reference) for n, one in zip(names, generated, strict=True)]
    sets = [*generated, *([reference] if reference else [])]
    return SampleSet(samples, {"unusable": [line for one in sets for line in one.unusable]})


def sets_of(samples: Iterable[Sample]) -> list[Sample]:
    """Return a sample for each system of `samples`, whose images are the sets of theirs.

    The reference set holds their references, or, where they have none, their sources; images that several rows name
    count once in it. Samples of sets are returned as they are.

    >>> cat = Sample("cat", edited="docs/examples/edited/cat.jpg", source="docs/examples/source/cat.jpg")
    >>> [(sample.id, sample.edited, sample.reference) for sample in sets_of([cat])]
    [('all', ImageSet('all', 1 image), ImageSet('the sources of all', 1 image))]
    """
    samples = list(samples)
    if any(isinstance(image, ImageSet) for sample in samples for image in (sample.edited, sample.reference)):
        return samples
    systems: dict[str, list[Sample]] = {}
    for sample in samples:
        systems.setdefault(str(sample.meta.get("system", "all")), []).append(sample)
    return [
        Sample(name, edited=ImageSet((one.edited for one in members), name), reference=_reference(name, members))
        for name, members in systems.items()
    ]


def _reference(name: str, members: Sequence[Sample]) -> ImageSet | None:
    for field in ("reference", "source"):
        images = [image for one in members if one.has(field) for image in images_of(getattr(one, field))]
        if images:
            once = {str(image) if isinstance(image, (str, os.PathLike)) else id(image): image for image in images}
            return ImageSet(once.values(), f"the {field}s of {name}")
    return None


def _of_folder(folder: Path) -> ImageSet:
    listing = images_in(folder)
    images = ImageSet([path for paths in listing.images.values() for path in paths], str(folder))
    images.unusable = listing.unusable
    return images


def _names(folders: Sequence[Path]) -> list[str]:
    """The folders' own names, or as much of their paths as tells them apart."""
    names = [folder.resolve().name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]
