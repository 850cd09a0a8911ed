"""The JSON of a sample on its way in, and texts on their way out."""

from __future__ import annotations

import base64
import binascii
import math
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..images import read_bytes
from ..images.opening import ImageError, as_image_errors, open_image
from ..sample import (
    FIELDS,
    IMAGE_FIELDS,
    SEVERAL_IMAGES,
    TEXT_FIELDS,
    EditMetricsError,
    Sample,
    UnavailableError,
)


class RequestError(EditMetricsError, ValueError):
    """A malformed request; the message names the field."""


class UnusableError(RequestError):
    """A well-formed sample that cannot be used: it fails alone, the request's other samples are scored."""


class UnscoredError(RequestError):
    """A sample without a number, where the answer has no place for the reason; `code` is the answer's status."""

    def __init__(self, reason: str, code: int = 422) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True)
class ImageAccess:
    """Where the images of a request may come from: its own content, files below `folder`, its `tensors` by name."""

    folder: Path | None = None
    tensors: Mapping[str, np.ndarray] = field(default_factory=dict)

    def read(self, name: str, value: Any) -> Any:
        """Return the image that `value` of the field `name` stands for, or a list of them."""
        if isinstance(value, list) and name in SEVERAL_IMAGES:
            return [self._image(name, one) for one in value]
        return self._image(name, value)

    def _image(self, name: str, value: Any) -> bytes | Path | np.ndarray:
        if isinstance(value, bytes):  # from a form; JSON cannot hold bytes
            return value
        if isinstance(value, Mapping) and value.keys() == {"base64"}:
            return decoded(name, value["base64"])
        if isinstance(value, Mapping) and value.keys() == {"path"}:
            return self._below(name, value["path"])
        if isinstance(value, Mapping) and value.keys() == {"tensor"}:
            return self._tensor(name, value["tensor"])
        raise RequestError(
            f'{name}: expected {{"base64": "..."}}, or {{"path": "..."}} where paths are allowed, got {value!r:.80}'
        )

    def _tensor(self, name: str, tensor: Any) -> bytes | np.ndarray:
        array = self.tensors.get(tensor) if isinstance(tensor, str) else None
        if array is None:
            raise RequestError(f"{name}: the request has no tensor {tensor!r:.80}")
        return array.tobytes() if array.ndim == 1 and array.dtype == np.uint8 else array

    def _below(self, name: str, path: Any) -> Path:
        if self.folder is None:
            raise RequestError(f"{name}: this server reads no files; send the image, or start it with --folder DIR")
        if not isinstance(path, str):
            raise RequestError(f"{name}: expected a path relative to the server's folder, got {path!r:.80}")
        try:
            resolved = (self.folder / path).resolve()
        except (OSError, ValueError, RuntimeError) as error:  # a lone surrogate, NUL, too long a name, a loop of links
            raise UnusableError(f"{name}: {path!r:.80} is not a valid path") from error
        if not resolved.is_relative_to(self.folder.resolve()):
            raise UnusableError(f"{name}: {path!r:.80} leads out of the server's folder")
        return resolved


def decoded(name: str, text: Any) -> bytes:
    """Return the bytes of a base64 text; raises `UnusableError`, which calls it `name`, if it is invalid."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError) as error:
        raise UnusableError(f"{name}: invalid base64 ({error})") from error


def sample_from_json(fields: Any, access: ImageAccess) -> Sample:
    """Return the sample of a JSON object: an image is {"base64": "..."}, {"tensor": NAME} or {"path": "..."}.

    Several sources or references are a list of them.

    Raises `RequestError` for another form, unknown fields, unknown tensors and, without a folder, paths; and its
    subclass `UnusableError` for invalid base64, a path that leads out of the folder, and lone surrogates.
    """
    if not isinstance(fields, Mapping):
        raise RequestError(f"expected a sample (an object with the fields {', '.join(FIELDS)}), got {fields!r:.80}")
    if unknown := fields.keys() - {*FIELDS, "id"}:
        raise RequestError(f"a sample has no field {sorted(unknown)[0]!r}; expected id, {', '.join(FIELDS)}")
    images: dict[str, Any] = {
        name: access.read(name, fields[name]) for name in IMAGE_FIELDS if fields.get(name) is not None
    }
    texts: dict[str, Any] = {name: fields.get(name) for name in TEXT_FIELDS if name != "questions"}
    for name, text in texts.items():
        if not isinstance(text, (str, type(None))):
            raise RequestError(f"{name}: expected text, got {text!r:.80}")
        _check_text(name, text)
    questions = fields.get("questions")
    if questions is not None and not (isinstance(questions, list) and all(isinstance(q, str) for q in questions)):
        raise RequestError(f"questions: expected a list of texts, got {questions!r:.80}")
    for question in questions or ():
        _check_text("questions", question)
    if "edited" not in images:
        raise RequestError("a sample requires the image edited")
    texts["questions"] = None if questions is None else tuple(questions)
    return Sample(str(fields.get("id") or ""), **texts, **images)


def _check_text(name: str, text: str | None) -> None:
    """Raise `UnusableError` for a text with a lone surrogate, which UTF-8 cannot encode."""
    if text is not None and any("\ud800" <= character <= "\udfff" for character in text):
        raise UnusableError(f"{name} contains a lone surrogate, which is not valid text")


def claimed_pixels(image: bytes | Path | np.ndarray) -> int:
    """Return the number of pixels of an array, or those that the header of an image file claims; 0 if it is unreadable.

    Decodes nothing, so that a server can refuse an image before it spends memory on it.
    """
    if isinstance(image, np.ndarray):
        return math.prod(image.shape[:2])
    try:
        with as_image_errors("the image cannot be opened", "the image"):
            data = read_bytes(image) if isinstance(image, Path) else image
            return math.prod(open_image(data, "the image").size)
    except (ImageError, UnavailableError):
        return 0  # scoring reports the reason


def without_local_paths(content: Any, folder: Path | None) -> Any:
    """Return JSON whose texts name files relative to `folder`, without paths of this machine."""
    if isinstance(content, dict):
        return {name: without_local_paths(value, folder) for name, value in content.items()}
    if isinstance(content, list):
        return [without_local_paths(value, folder) for value in content]
    if not isinstance(content, str):
        return content
    for path in (*((folder.resolve(), folder.absolute()) if folder else ()), Path.home(), Path(sys.prefix)):
        if path != Path(path.anchor):
            content = content.replace(f"{path}{os.sep}", "")
    return content
