"""The JSON of requests and answers: samples on the way in, scores on the way out."""

from __future__ import annotations

import base64
import binascii
import io
import math
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

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
    images_of,
)


class RequestError(EditMetricsError, ValueError):
    """A malformed request; the message names the field."""


class UnusableError(RequestError):
    """A well-formed sample that cannot be used: it fails alone, the request's other samples are scored."""


def sample_from_json(fields: Any, folder: Path | None) -> Sample:
    """Return the sample of a JSON object: an image is {"base64": "..."} or, below `folder`, {"path": "..."}.

    Several sources or references are a list of them.

    Raises `RequestError` for another form, unknown fields and, if `folder` is None, paths; and its subclass
    `UnusableError` for invalid base64, a path that leads out of the folder, and lone surrogates.
    """
    if not isinstance(fields, Mapping):
        raise RequestError(f"expected a sample (an object with the fields {', '.join(FIELDS)}), got {fields!r:.80}")
    if unknown := fields.keys() - {*FIELDS, "id"}:
        raise RequestError(f"a sample has no field {sorted(unknown)[0]!r}; expected id, {', '.join(FIELDS)}")
    images: dict[str, Any] = {
        name: _images(name, fields[name], folder) for name in IMAGE_FIELDS if fields.get(name) is not None
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


def _images(name: str, value: Any, folder: Path | None) -> Any:
    """One image, or a list of them where a sample may have several."""
    if isinstance(value, list) and name in SEVERAL_IMAGES:
        return [_image(name, one, folder) for one in value]
    return _image(name, value, folder)


def _image(name: str, value: Any, folder: Path | None) -> bytes | Path:
    if isinstance(value, bytes):  # from a form; JSON cannot hold bytes
        return value
    if isinstance(value, Mapping) and value.keys() == {"base64"}:
        try:
            return base64.b64decode(value["base64"], validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise UnusableError(f"{name}: invalid base64 ({error})") from error
    if isinstance(value, Mapping) and value.keys() == {"path"}:
        return _below(name, value["path"], folder)
    raise RequestError(
        f'{name}: expected {{"base64": "..."}}, or {{"path": "..."}} where paths are allowed, got {value!r:.80}'
    )


def _below(name: str, path: Any, folder: Path | None) -> Path:
    if folder is None:
        raise RequestError(f"{name}: this server reads no files; send the image, or start it with --folder DIR")
    if not isinstance(path, str):
        raise RequestError(f"{name}: expected a path relative to the server's folder, got {path!r:.80}")
    try:
        resolved = (folder / path).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a lone surrogate, NUL, too long a name, a loop of links
        raise UnusableError(f"{name}: {path!r:.80} is not a valid path") from error
    if not resolved.is_relative_to(folder.resolve()):
        raise UnusableError(f"{name}: {path!r:.80} leads out of the server's folder")
    return resolved


def _check_text(name: str, text: str | None) -> None:
    """Raise `UnusableError` for a text with a lone surrogate, which UTF-8 cannot encode."""
    if text is not None and any("\ud800" <= character <= "\udfff" for character in text):
        raise UnusableError(f"{name} contains a lone surrogate, which is not valid text")


def claimed_pixels(image: bytes | Path) -> int:
    """Return the number of pixels that the header of an image file claims; 0 if it is unreadable.

    Decodes nothing, so that a server can refuse an image before it spends memory on it.
    """
    try:
        with as_image_errors("the image cannot be opened", "the image"):
            data = read_bytes(image) if isinstance(image, Path) else image
            return math.prod(open_image(data, "the image").size)
    except (ImageError, UnavailableError):
        return 0  # scoring reports the reason


def sample_to_json(sample: Sample) -> dict[str, Any]:
    """Return the JSON object of a sample, its images as base64: files byte for byte, pixels as PNG."""
    fields: dict[str, Any] = {"id": sample.id}
    for name in FIELDS:
        value = getattr(sample, name)
        if value is None:
            continue
        if name in IMAGE_FIELDS:
            images = [{"base64": base64.b64encode(_bytes(name, image)).decode()} for image in images_of(value)]
            fields[name] = images if len(images) > 1 else images[0]
        else:
            fields[name] = list(value) if name == "questions" else value
    return fields


def _bytes(name: str, image: Any) -> bytes:
    if isinstance(image, (str, os.PathLike)):
        return read_bytes(image)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return bytes(image)
    from PIL import Image

    from ..images import eight_bits, read_image

    file = io.BytesIO()
    Image.fromarray(eight_bits(read_image(image, name=name))).save(file, "PNG", compress_level=1)
    return file.getvalue()


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
