"""A request as one safetensors file: pixels and files byte for byte, without base64 and without encoding an image.

Its metadata hold the request's JSON under the key `request`, the same as that of a JSON body, in which an image is
`{"tensor": NAME}`: a tensor (H, W, 3) of uint8 or of float32 in [0, 1] is pixels, one of uint8 with one axis is the
content of an image file.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..images import read_bytes, read_image
from ..sample import FIELDS, IMAGE_FIELDS, EditMetricsError, Sample, images_of
from .wire import RequestError

CONTENT_TYPE = "application/x-safetensors"

_DTYPES = {
    name: np.dtype(f"<{name[0].lower()}{int(name[1:]) // 8}")
    for name in ["U8", "I8", "U16", "I16", "F16", "U32", "I32", "F32", "U64", "I64", "F64"]
}
_NAMES = {dtype.str: name for name, dtype in _DTYPES.items()}
"""The names that safetensors files have for types of numbers, and back."""

PIECE_BYTES = 256 << 10
"""Bytes that are handed to the network at once."""

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


def packed_request(samples: Sequence[Packed], **keys: Any) -> list[memoryview]:
    """Return the body of a request for `samples`, in parts; `keys` are its other keys (`metrics`, `timeout`).

    The parts are the header and the memory of the tensors themselves. `safetensors` would copy every pixel three times.

    >>> body = packed_request([packed_sample(Sample("a", edited=np.zeros((4, 6, 3), np.uint8)), "0")])
    >>> [len(part) % 8 for part in body]
    [0, 0]
    """
    request = json.dumps({"samples": [fields for fields, _ in samples], **keys})
    tensors = {name: _little_endian(array) for _, tensors in samples for name, array in tensors.items()}
    header: dict[str, Any] = {"__metadata__": {"request": request}}
    parts, stop = [], 0
    for name in sorted(tensors, key=lambda name: -tensors[name].itemsize):  # each is aligned to its type
        array = tensors[name]
        start, stop = stop, stop + array.nbytes
        header[name] = {"dtype": _NAMES[array.dtype.str], "shape": array.shape, "data_offsets": [start, stop]}
        parts.append(array.reshape(-1).view(np.uint8).data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return [memoryview(len(text).to_bytes(8, "little") + text), *parts]


def in_pieces(body: Sequence[memoryview]) -> Iterator[bytes]:
    """Return a body in pieces that stay in the processor's cache while they are sent.

    >>> [len(piece) for piece in in_pieces([memoryview(bytes(300_000)), memoryview(b"end")])]
    [262144, 37856, 3]
    """
    for part in body:
        for start in range(0, len(part), PIECE_BYTES):
            yield bytes(part[start : start + PIECE_BYTES])


def unpacked_request(body: bytes | bytearray) -> tuple[Any, Mapping[str, np.ndarray]]:
    """Return the JSON of a request, and its tensors by name, which share the memory of `body` and are read-only.

    Raises `RequestError` for another body.

    >>> packed = packed_sample(Sample("a", edited=np.zeros((4, 6, 3), np.uint8)), "0")
    >>> unpacked_request(b"".join(packed_request([packed])))[0]
    {'samples': [{'id': 'a', 'edited': {'tensor': '0.edited.0'}}]}
    """
    view = memoryview(body).toreadonly()
    try:
        begin = 8 + int.from_bytes(view[:8], "little")
        header = json.loads(bytes(view[8:begin]))
        request = json.loads(header.pop("__metadata__")["request"])
        tensors = {name: _tensor(view[begin:], **entry) for name, entry in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise RequestError(
            f"cannot read the safetensors file of the request ({type(error).__name__}: {error}); its metadata must "
            'hold the JSON {"samples": [...]} under the key request'
        ) from error
    return request, tensors


def _tensor(data: memoryview, *, dtype: str, shape: list[int], data_offsets: list[int]) -> np.ndarray:
    """Return a tensor of a safetensors file as a view of its data. Raises `ValueError` where the header is wrong."""
    start, stop = data_offsets
    if not 0 <= start <= stop <= len(data):
        raise ValueError(f"data_offsets {data_offsets} lie outside the {len(data)} bytes of data")
    if min(shape, default=0) < 0 or stop - start != math.prod(shape) * _DTYPES[dtype].itemsize:
        raise ValueError(f"{stop - start} bytes do not hold {dtype} of the shape {shape}")
    return np.require(np.frombuffer(data[start:stop], _DTYPES[dtype]).reshape(shape), requirements="A")


def _little_endian(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<"))


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
