"""Read a request: its body within limits, its JSON from each of the forms that it may have, its samples one by one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException

from ..sample import IMAGE_FIELDS, Sample, images_of
from ..wording import plural
from .batcher import ServingOptions
from .tensor_wire import CONTENT_TYPE, unpacked_request
from .wire import ImageAccess, RequestError, UnusableError, claimed_pixels, sample_from_json
from .wires import Asked, Wire, seconds_to_wait

PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
"""The first bytes of a pickle, by its protocol."""


class RefusedError(Exception):
    """A request that is answered with an error: the status code, the reason and headers."""

    def __init__(self, code: int, reason: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(reason)
        self.code, self.reason, self.headers = code, reason, headers


@dataclass(frozen=True)
class Submitted:
    """A sample of a request, the metrics that it asks for and its images' pixels, or why it cannot be used."""

    id: str
    labels: frozenset[str]
    sample: Sample | None = None
    pixels: int = 0
    reason: str = ""


async def read_request(
    request: Request, wire: Wire, served: Sequence[str], options: ServingOptions
) -> tuple[list[Submitted], float | None]:
    """Return the samples of a request and the seconds that its client waits for them, or None.

    Raises `RefusedError` if it is too large or a pickle, and `RequestError` if it is malformed.
    """
    body = await _body(request, options.max_bytes)
    content_type = request.headers.get("content-type", "")
    if content_type.startswith("multipart/form-data"):
        content, access = await _form(request, body), ImageAccess()
    elif content_type.startswith(CONTENT_TYPE):
        content, tensors = await asyncio.to_thread(unpacked_request, body)
        access = ImageAccess(options.folder, tensors)
    else:
        content, access = await asyncio.to_thread(_json, body), ImageAccess(options.folder)
    asked = wire.parse(content, served)
    if not asked:
        raise RequestError("the request contains no samples")
    if len(asked) > options.capacity:
        raise RefusedError(
            413, f"{plural(len(asked), 'sample')} in one request; this server takes {options.capacity} at a time"
        )
    timeout = seconds_to_wait(content.get("timeout"))
    return await asyncio.to_thread(_checked, asked, access, options.max_pixels), timeout


def _checked(asked: Sequence[Asked], access: ImageAccess, max_pixels: int) -> list[Submitted]:
    """Read each sample; raises `RefusedError` if their images together have too many pixels."""
    submitted, total = [], 0
    for one in asked:
        sample_id = str(one.fields.get("id") or "") if isinstance(one.fields, dict) else ""
        try:
            sample = sample_from_json(one.fields, access)
            images = [image for field in IMAGE_FIELDS for image in images_of(getattr(sample, field))]
            pixels = sum(map(claimed_pixels, images))
            if pixels > max_pixels:
                raise UnusableError(f"its images have {pixels} pixels; this server decodes {max_pixels} per request")
        except UnusableError as error:
            submitted.append(Submitted(sample_id, one.labels, reason=str(error)))
            continue
        total += pixels
        submitted.append(Submitted(sample_id, one.labels, sample, pixels))
        if total > max_pixels:
            raise RefusedError(413, f"the images together exceed {max_pixels} pixels; send fewer samples at a time")
    return submitted


async def _body(request: Request, max_bytes: int) -> bytearray:
    refused = RefusedError(413, f"the request is larger than {plural(max_bytes, 'byte')}; send fewer samples at a time")
    expected = int(request.headers.get("content-length") or 0)
    if expected > max_bytes:
        raise refused
    body, length = bytearray(expected), 0  # of the size that is announced, so that nothing is moved as it grows
    async for chunk in request.stream():
        if length + len(chunk) > max_bytes:
            raise refused
        body[length : length + len(chunk)] = chunk
        length += len(chunk)
        if body.startswith(PICKLES):
            raise RefusedError(
                415,
                "the request is a pickle, which can run any code where it is read; use editmetrics.serving.Client, or "
                "send JSON or safetensors",
            )
    del body[length:]
    return body


def _json(body: bytearray) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"invalid JSON in the request ({error})") from error


async def _form(request: Request, body: bytearray) -> dict[str, Any]:
    """Read one sample from a form: images as files, texts as fields, besides `metrics` and `timeout`.

    `questions`, `source`, `reference` and `metrics` may be repeated.
    """

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": bytes(body), "more_body": False}

    try:
        async with Request(request.scope, receive).form() as form:
            fields: dict[str, Any] = {}
            for name in form:
                values = [value if isinstance(value, str) else await value.read() for value in form.getlist(name)]
                fields[name] = values if len(values) > 1 or name in ("questions", "metrics") else values[0]
    except (MultiPartException, HTTPException) as error:
        raise RequestError(f"cannot read the form: {getattr(error, 'detail', error)}") from error
    content: dict[str, Any] = {name: fields.pop(name) for name in ("metrics", "timeout") if name in fields}
    return content | {"samples": [fields]}
