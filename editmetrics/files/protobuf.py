"""Read messages of protocol buffers without their definitions: fields by number, and packed integers."""

from __future__ import annotations

from collections.abc import Iterator


def message_fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the fields of a message: their numbers, and integers, or the bytes of all else (fixed numbers, too).

    Raises `ValueError` or `IndexError` for what is not a whole message.

    >>> list(message_fields(b"\\x08\\x96\\x01\\x12\\x02hi"))
    [(1, 150), (2, b'hi')]
    """
    position = 0
    while position < len(message):
        key, position = _integer(message, position)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, position = _integer(message, position)
            yield number, value
            continue
        length, position = _integer(message, position) if wire == 2 else ({1: 8, 5: 4}.get(wire, -1), position)
        if length < 0 or position + length > len(message):
            raise ValueError(f"field {number} of wire type {wire} is invalid")
        yield number, message[position : position + length]
        position += length


def packed_integers(packed: bytes) -> list[int]:
    """Return the integers of a packed field. Raises `IndexError` if it is cut off.

    >>> packed_integers(b"\\x03\\x96\\x01")
    [3, 150]
    """
    values, position = [], 0
    while position < len(packed):
        value, position = _integer(packed, position)
        values.append(value)
    return values


def _integer(message: bytes, position: int) -> tuple[int, int]:
    """Return an integer in groups of seven bits, the lowest first, and the position behind it."""
    value = shift = 0
    while True:
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
