"""A request as one safetensors file: pixels and files byte for byte, without base64 and without encoding an image.

Its metadata hold the request's JSON under the key `request`, the same as that of a JSON body, in which an image is
`{"tensor": NAME}`: a tensor (H, W, 3) of uint8 or of float32 in [0, 1] is pixels, one of uint8 with one axis is the
content of an image file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..images import read_bytes, read_image
from ..sample import FIELDS, IMAGE_FIELDS, EditMetricsError, Sample, images_of
from .wire import RequestError

CONTENT_TYPE = "application/x-safetensors"

Packed = tuple[dict[str, Any], dict[str, np.ndarray]]
"""The JSON object of a sample, and its tensors by the names that it uses."""


def packed_sample(sample: Sample, prefix: str) -> Packed:
    """Return the JSON object of a sample and its tensors, whose names begin with `prefix`.

    Raises `ImageError` for an image that cannot be sent.

    >>> fields, tensors = packed_sample(Sample("a", edited=np.zeros((4, 6, 3), np.uint8)), "0")
    >>> fields, tensors["0.edited.0"].shape
    ({'id': 'a', 'edited': {'tensor': '0.edited.0'}}, (4, 6, 3))
    """
    fields: dict[str, Any] = {"id": sample.id}
    tensors: dict[str, np.ndarray] = {}
    for name in FIELDS:
        value = getattr(sample, name)
        if value is None:
            continue
        if name not in IMAGE_FIELDS:
            fields[name] = list(value) if name == "questions" else value
            continue
        arrays = {f"{prefix}.{name}.{index}": _array(image, name) for index, image in enumerate(images_of(value))}
        named = [{"tensor": tensor} for tensor in arrays]
        fields[name] = named if len(named) > 1 else named[0]
        tensors |= arrays
    return fields, tensors


def packed_request(samples: Sequence[Packed], **keys: Any) -> bytes:
    """Return the body of a request for `samples`; `keys` are its other keys (`metrics`, `timeout`)."""
    from safetensors.numpy import save

    request = {"samples": [fields for fields, _ in samples], **keys}
    tensors = {name: np.ascontiguousarray(array) for _, tensors in samples for name, array in tensors.items()}
    return save(tensors, metadata={"request": json.dumps(request)})


def unpacked_request(body: bytes) -> tuple[Any, Mapping[str, np.ndarray]]:
    """Return the JSON of a request, and its tensors by name. Raises `RequestError` for another body.

    >>> packed = packed_sample(Sample("a", edited=np.zeros((4, 6, 3), np.uint8)), "0")
    >>> unpacked_request(packed_request([packed]))[0]
    {'samples': [{'id': 'a', 'edited': {'tensor': '0.edited.0'}}]}
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        header = json.loads(body[8 : 8 + int.from_bytes(body[:8], "little")])
        request = json.loads(header["__metadata__"]["request"])
        tensors = load(body)
    except (SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RequestError(
            f"cannot read the safetensors file of the request ({type(error).__name__}: {error}); its metadata must "
            'hold the JSON {"samples": [...]} under the key request'
        ) from error
    return request, tensors


def _array(image: Any, name: str) -> np.ndarray:
    if isinstance(image, (str, os.PathLike)):
        return np.frombuffer(read_bytes(image), np.uint8)
    if isinstance(image, (bytes, bytearray, memoryview)):
        return np.frombuffer(image, np.uint8)
    return read_image(image, name=name)


def packed_or_reason(sample: Sample, prefix: str) -> Packed | str:
    """Return `packed_sample`, or the reason why the sample cannot be sent."""
    try:
        fields, tensors = packed_sample(sample, prefix)
        json.dumps(fields)
    except EditMetricsError as error:
        return str(error)
    except Exception as error:  # an image object or a text of the caller may raise anything
        return f"the sample cannot be sent: {type(error).__name__}: {error}"
    return fields, tensors
