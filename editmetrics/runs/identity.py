"""Identities as flat fields, and the differences between two of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def fields(identity: Any, prefix: str = "") -> dict[str, str]:
    """Map the path of each field, joined by dots, to its value as text.

    >>> fields({"metric": "psnr", "options": {"eps": 0.0}, "weights": ["ab", "cd"]})
    {'metric': 'psnr', 'options.eps': '0.0', 'weights.0': 'ab', 'weights.1': 'cd'}
    """
    if isinstance(identity, Mapping):
        items = [(str(name), value) for name, value in identity.items()]
    elif isinstance(identity, list):
        items = [(str(index), value) for index, value in enumerate(identity)]
    else:
        return {prefix: identity if isinstance(identity, str) else json.dumps(identity, default=str)}
    flat: dict[str, str] = {}
    for name, value in items:
        flat |= fields(value, f"{prefix}.{name}" if prefix else name)
    return flat


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, str | None, str | None]]:
    """(field, value before, value after) of each field that differs; None where the field is missing.

    >>> changes({"metric": "psnr", "version": 1}, {"metric": "psnr", "version": 2, "images": "Pillow"})
    [('version', '1', '2'), ('images', None, 'Pillow')]
    """
    one, other = fields(before), fields(after)
    return [(name, one.get(name), other.get(name)) for name in {**one, **other} if one.get(name) != other.get(name)]
