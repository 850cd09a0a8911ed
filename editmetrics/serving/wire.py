"""What goes over the wire: samples as JSON on the way in, scores as JSON on the way out."""

from __future__ import annotations

import base64
import binascii
import io
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..files.text import json_ready
from ..sample import FIELDS, IMAGE_FIELDS, TEXT_FIELDS, EditMetricsError, Sample, Score


class RequestError(EditMetricsError, ValueError):
    """A request that is not what it should be; the message says where."""


class UnusableError(RequestError):
    """A sample of the right form that cannot be used: it costs itself, and none of the request's other samples."""


def sample_from(said: Any, folder: Path | None) -> Sample:
    """The sample that a JSON object describes: an image is {"base64": "..."} or, below `folder`, {"path": "..."}.

    Raises `RequestError` for what is of another form, unknown fields and, where `folder` is None, paths; and its
    subclass `UnusableError` for what is no base64, for a path that leads out of the folder, and for half characters.
    """
    if not isinstance(said, Mapping):
        raise RequestError(f"a sample is an object with the fields {', '.join(FIELDS)}; this one is {said!r:.80}")
    if unknown := said.keys() - {*FIELDS, "id"}:
        raise RequestError(f"a sample has no field {sorted(unknown)[0]!r}; it has id, {', '.join(FIELDS)}")
    images: dict[str, Any] = {
        name: _image(name, said[name], folder) for name in IMAGE_FIELDS if said.get(name) is not None
    }
    texts: dict[str, Any] = {name: said.get(name) for name in TEXT_FIELDS if name != "questions"}
    for name, text in texts.items():
        if not isinstance(text, (str, type(None))):
            raise RequestError(f"{name} is {text!r:.80}; expected text")
        _check_text(name, text)
    questions = said.get("questions")
    if questions is not None and not (isinstance(questions, list) and all(isinstance(q, str) for q in questions)):
        raise RequestError(f"questions is {questions!r:.80}; expected a list of texts")
    for question in questions or ():
        _check_text("questions", question)
    if "edited" not in images:
        raise RequestError("a sample needs the image edited")
    asked = None if questions is None else tuple(questions)
    return Sample(str(said.get("id") or ""), questions=asked, **texts, **images)


def _image(name: str, said: Any, folder: Path | None) -> bytes | Path:
    if isinstance(said, bytes):  # of a form; JSON has no bytes
        return said
    if isinstance(said, Mapping) and said.keys() == {"base64"}:
        try:
            return base64.b64decode(said["base64"], validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise UnusableError(f"{name}: this is no base64 ({error})") from error
    if isinstance(said, Mapping) and said.keys() == {"path"}:
        return _below(name, said["path"], folder)
    raise RequestError(
        f'{name} is {said!r:.80}; expected {{"base64": "..."}}, or {{"path": "..."}} where that is allowed'
    )


def _below(name: str, path: Any, folder: Path | None) -> Path:
    if folder is None:
        raise RequestError(f"{name}: this server reads no files; send the image, or start it with --folder DIR")
    if not isinstance(path, str):
        raise RequestError(f"{name}: a path is text, relative to the server's folder; this one is {path!r:.80}")
    try:
        found = (folder / path).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # half a character, a NUL, too long a name, a loop of links
        raise UnusableError(f"{name}: {path!r:.80} is no path that can be followed") from error
    if not found.is_relative_to(folder.resolve()):
        raise UnusableError(f"{name}: {path!r:.80} leads out of the server's folder")
    return found


def _check_text(name: str, text: str | None) -> None:
    """Raise `UnusableError` for a text that holds half a character, which no UTF-8 can carry."""
    if text is not None and any("\ud800" <= character <= "\udfff" for character in text):
        raise UnusableError(f"{name} holds half a character (a lone surrogate), which is no text")


def sample_said(sample: Sample) -> dict[str, Any]:
    """The JSON object of a sample, its images as base64: files as they are, pixels as PNG."""
    said: dict[str, Any] = {"id": sample.id}
    for name in FIELDS:
        value = getattr(sample, name)
        if value is None:
            continue
        if name in IMAGE_FIELDS:
            said[name] = {"base64": base64.b64encode(_bytes(name, value)).decode()}
        else:
            said[name] = list(value) if name == "questions" else value
    return said


def _bytes(name: str, image: Any) -> bytes:
    from ..images import eight_bits, read_bytes, read_image

    if isinstance(image, (str, os.PathLike)):
        return read_bytes(image)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return bytes(image)
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(eight_bits(read_image(image, name=name))).save(file, "PNG", compress_level=1)
    return file.getvalue()


def score_said(score: Score) -> dict[str, Any]:
    """The JSON object of a score; infinite numbers, which JSON has not, are the texts "inf" and "-inf"."""
    said: dict[str, Any] = {"status": score.status, "values": json_ready(dict(score))}
    more = {
        "reason": score.reason,
        "explanation": score.explanation,
        "uncertainty": json_ready(dict(score.uncertainty or {})),
        "details": score.details,
    }
    return said | {name: value for name, value in more.items() if value}


def score_from(said: Mapping[str, Any]) -> Score:
    """The score that `score_said` described."""
    uncertainty = said.get("uncertainty")
    return Score(
        {name: float(value) for name, value in said["values"].items()},
        said["status"],
        said.get("reason"),
        said.get("explanation"),
        uncertainty and {name: float(value) for name, value in uncertainty.items()},
        said.get("details"),
    )


def without_places(said: Any, folder: Path | None) -> Any:
    """JSON whose texts name files as clients may know them: relative to `folder`, and never where they lie here."""
    if isinstance(said, dict):
        return {name: without_places(value, folder) for name, value in said.items()}
    if isinstance(said, list):
        return [without_places(value, folder) for value in said]
    if not isinstance(said, str):
        return said
    for place in (*((folder.resolve(), folder.absolute()) if folder else ()), Path.home(), Path(sys.prefix)):
        if place != Path(place.anchor):
            said = said.replace(f"{place}{os.sep}", "")
    return said
