"""Batches of images in memory as samples: tensors (N, 3, H, W), arrays (N, H, W, 3), lists of images and of texts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from .sample import FIELDS, IMAGE_FIELDS, EditMetricsError, Sample
from .wording import plural

COLOURS = (1, 3, 4)
"""Numbers of channels that an image may have."""


class BatchError(EditMetricsError, ValueError):
    """The fields of a batch do not belong together; the message has their lengths."""


def named_fields(caller: str, images: Sequence[Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `caller(source, edited, prompt=...)` or `caller(edited)` by their names.

    Raises `TypeError` for a field that a sample does not have, that occurs twice, and for more than two images.

    >>> named_fields("psnr", ["a.png", "b.png"], {"prompt": "a dog"})
    {'source': 'a.png', 'edited': 'b.png', 'prompt': 'a dog'}
    """
    if len(images) > 2:
        raise TypeError(f"{caller}(source, edited, ...) takes two images in order; the others go by keyword")
    names = ("edited",) if len(images) == 1 and "edited" not in fields else ("source", "edited")
    values = dict(zip(names, images, strict=False))
    if twice := values.keys() & fields.keys():
        raise TypeError(f"{caller} was given {', '.join(sorted(twice))} both by position and by keyword")
    values |= fields
    if unknown := values.keys() - {*FIELDS, "id", "meta"}:
        raise TypeError(f"{caller} was given {', '.join(sorted(unknown))}; a sample has {', '.join(FIELDS)}")
    return values


def is_batch(fields: Mapping[str, Any], several: Collection[str] = ()) -> bool:
    """Return whether a field holds several images or several texts, and not one.

    A list in the fields `several`, of which a metric takes several images, makes no batch where all others are single.

    >>> is_batch({"edited": np.zeros((8, 8, 3))}), is_batch({"edited": np.zeros((1, 8, 8, 3))})
    (False, True)
    """
    return any(_items(name, value) is not None for name, value in fields.items() if name not in several)


def samples_of_batch(fields: Mapping[str, Any], first: int = 0) -> list[Sample]:
    """Return a sample for each item of a batch; `fields` are named as those of `Sample`.

    - images: a tensor (N, C, H, W), an array (N, H, W, C) or (N, C, H, W), or a list of N images of any kind;
      masks may also be (N, H, W).
    - `prompt`, `source_prompt`: a list of N texts. `questions`: a list of N lists. `meta`: a list of N mappings.
    - `id`: a list, tensor or array of N ids; without it, numbers that begin with `first`.

    A field that is one image or one text belongs to all samples; an item that is a list of images is several images of
    one sample. Raises `BatchError` where lengths differ.

    >>> batch = samples_of_batch({"edited": np.zeros((2, 8, 8, 3)), "prompt": ["a dog", "a cat"]})
    >>> [(sample.id, sample.edited.shape, sample.prompt) for sample in batch]
    [('0', (8, 8, 3), 'a dog'), ('1', (8, 8, 3), 'a cat')]
    """
    several = {name: items for name, value in fields.items() if (items := _items(name, value)) is not None}
    if "mask" not in several and several and _are_masks(fields.get("mask"), len(next(iter(several.values())))):
        several["mask"] = list(fields["mask"])
    lengths = {name: len(items) for name, items in several.items()}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{name} has {plural(count, 'item')}" for name, count in lengths.items())
        raise BatchError(
            f"the fields of a batch differ in length: {counts}; give an image or text for all samples alone"
        )
    count = next(iter(lengths.values()), 1)
    shared = {name: value for name, value in fields.items() if name not in several}
    if "id" in shared and count != 1:
        raise BatchError(f"the id {shared['id']!r} stands for {plural(count, 'sample')}; give a list of ids")
    samples = []
    for index in range(count):
        values = {**shared, **{name: items[index] for name, items in several.items()}}
        identifier = str(values.pop("id", first + index))
        if isinstance(values.get("questions"), list):
            values["questions"] = tuple(values["questions"])
        samples.append(Sample(identifier, **{"edited": None, **values}))
    return samples


def _items(name: str, value: Any) -> Sequence[Any] | None:
    """The items of one field of a batch; None for a value that is one image, one text, or missing."""
    if name in IMAGE_FIELDS:
        return _images(name, value)
    if name == "id" and getattr(value, "ndim", 0) == 1:
        numbers: list[Any] = value.tolist()
        return numbers
    if not isinstance(value, (list, tuple)):
        return None
    if name == "questions" and all(isinstance(question, str) for question in value) and value:
        return None
    return value


def _images(name: str, value: Any) -> Sequence[Any] | None:
    if isinstance(value, (list, tuple)):
        return value
    if getattr(value, "ndim", 0) != 4 and not (name == "mask" and _are_masks(value)):
        return None
    return [_colours_last(image) for image in value] if isinstance(value, np.ndarray) else list(value)


def _are_masks(value: Any, count: int = 0) -> bool:
    """Whether three axes are (N, H, W), masks of `count` samples, and not one mask with its channels."""
    if getattr(value, "ndim", 0) != 3:
        return False
    if isinstance(value, np.ndarray):
        return value.shape[-1] not in COLOURS
    return len(value) not in (1, 3) or len(value) == count > 1


def _colours_last(image: np.ndarray) -> np.ndarray:
    """An array (H, W, C), or (H, W) for one channel, of one whose colours may stand first, as tensors have them."""
    if image.ndim == 3 and image.shape[-1] not in COLOURS and image.shape[0] in COLOURS:
        image = np.moveaxis(image, 0, -1)
    return image[..., 0] if image.ndim == 3 and image.shape[-1] == 1 else image
