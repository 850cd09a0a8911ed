"""Rows of a data set of torch or of Hugging Face, whose images stay out of memory until they are scored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..images.read import is_tensor
from ..images.stand_ins import Deferred, Unreadable


def rows_of_data_set(data_set: Any) -> list[Any]:
    """Return each row of an object with `__len__` and `__getitem__`, with images in memory as `Deferred`.

    A row is read twice: here for its texts, and for its images when it is scored. One that cannot be read has
    `Unreadable` images.

    >>> class Cats:
    ...     def __len__(self):
    ...         return 1
    ...     def __getitem__(self, index):
    ...         return {"edited": np.zeros((4, 4, 3)), "prompt": "a cat"}
    >>> rows_of_data_set(Cats())
    [{'edited': Deferred(row 0, 'edited'), 'prompt': 'a cat'}]
    """
    data_set = _with_files(data_set)
    rows = [_light(data_set, index) for index in range(len(data_set))]
    columns = {name for row in rows if isinstance(row, Mapping) for name, v in row.items() if isinstance(v, Deferred)}
    return [dict.fromkeys(columns or {"edited"}, row) if isinstance(row, Unreadable) else row for row in rows]


def _light(data_set: Any, index: int) -> Any:
    row = Deferred(data_set, index, "").row()
    if not isinstance(row, Mapping):
        return row
    return {name: Deferred(data_set, index, name) if _is_image(value) else value for name, value in row.items()}


def _with_files(data_set: Any) -> Any:
    """A data set of Hugging Face with the files of its images, which are then decoded as all files are."""
    for name, feature in (getattr(data_set, "features", None) or {}).items():
        if hasattr(data_set, "cast_column") and (undecoded := _undecoded(feature)) is not None:
            data_set = data_set.cast_column(name, undecoded)
    return data_set


def _undecoded(feature: Any) -> Any:
    """The feature of an image, or of a list of images, without decoding; None for other features."""
    if type(feature).__name__ == "Image":
        return type(feature)(decode=False)
    if isinstance(feature, list) and len(feature) == 1:
        inner = _undecoded(feature[0])
        return None if inner is None else [inner]
    inner = _undecoded(feature.feature) if type(feature).__name__ in ("Sequence", "List") else None
    return None if inner is None else type(feature)(inner)


def _is_image(value: Any) -> bool:
    if isinstance(value, Mapping):
        return value.keys() == {"bytes", "path"}
    if isinstance(value, (list, tuple)):
        return bool(value) and all(map(_is_image, value))
    return hasattr(value, "getexif") or ((isinstance(value, np.ndarray) or is_tensor(value)) and value.ndim > 1)
