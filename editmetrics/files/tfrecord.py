"""Records of TensorFlow (.tfrecord) whose contents are `tf.train.Example`, without TensorFlow.

A record is a length (8 bytes), the checksum of the length, the data, and the checksum of the data. The first checksum
is verified, which finds files that are shifted or of another kind; the second is not, as it would take minutes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from .protobuf import message_fields, packed_integers
from .text import DataError

POLYNOMIAL = 0x82F63B78
"""Of CRC-32C (Castagnoli), reflected."""

BYTES, FLOATS, INTEGERS = 1, 2, 3
"""The fields of a `Feature`: the kinds of its list."""


def read_examples(path: Path) -> Iterator[dict[str, list[Any]]]:
    """Yield the features of each record, by name: a list of bytes, of floats, or of integers.

    Raises `DataError`, naming the record, at the first that cannot be read.
    """
    with path.open("rb") as file:
        number = 0
        while head := file.read(12):
            number += 1
            if len(head) < 12 or masked_crc32c(head[:8]) != struct.unpack("<I", head[8:])[0]:
                raise DataError(f"{path.name}, record {number}: its length is damaged; is this a whole .tfrecord file?")
            (length,) = struct.unpack("<Q", head[:8])
            data = file.read(length)
            if len(data) < length or len(file.read(4)) < 4:
                raise DataError(f"{path.name}, record {number}: is cut off; was its download interrupted?")
            try:
                yield _example(data)
            except (ValueError, IndexError, struct.error) as error:
                raise DataError(f"{path.name}, record {number}: is not an Example: {error}") from error


def crc32c(data: bytes) -> int:
    """Return the CRC-32C of bytes.

    >>> hex(crc32c(b"123456789"))  # the check value of RFC 3720
    '0xe3069283'
    """
    value, table = 0xFFFFFFFF, _table()
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


@cache
def _table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return tuple(table)


def masked_crc32c(data: bytes) -> int:
    """Return the checksum as records have it: rotated, and with a constant added."""
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _example(data: bytes) -> dict[str, list[Any]]:
    features: dict[str, list[Any]] = {}
    for _, inner in message_fields(data):
        for _, entry in message_fields(_bytes(inner)):
            pair = dict(message_fields(_bytes(entry)))
            features[_bytes(pair[1]).decode("utf-8")] = _values(_bytes(pair.get(2, b"")))
    return features


def _values(feature: bytes) -> list[Any]:
    values: list[Any] = []
    for kind, content in message_fields(feature):
        for _, value in message_fields(_bytes(content)):
            if kind == BYTES:
                values.append(_bytes(value))
            elif kind == FLOATS:
                packed = _bytes(value)
                values += struct.unpack(f"<{len(packed) // 4}f", packed)
            elif kind == INTEGERS:
                values += [value] if isinstance(value, int) else packed_integers(value)
    return values


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number stands where a message was expected")
    return value
