"""What earlier runs scored, in little memory: a resumed run holds it whole."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping, MutableMapping, Sequence

from ..sample import Score

Row = tuple[str, str]
"""A sample's id and the key of a metric's identity."""

Done = MutableMapping[Row, tuple[str, Score]]
"""From (sample id, identity key) to (fingerprint of what was scored, score)."""


class CompactDone(Done):
    """`Done` in about 150 bytes a plain score: numbers and fingerprint are packed, and anything said beside is kept.

    `dimensions` are the names of each identity key's dimensions, in order.

    >>> done = CompactDone({"a1": ["psnr"]})
    >>> done["cat", "a1"] = "00" * 16, Score({"psnr": 31.5})
    >>> done["cat", "a1"]
    ('00000000000000000000000000000000', Score(psnr=31.5))
    """

    def __init__(self, dimensions: Mapping[str, Sequence[str]]) -> None:
        self._dimensions = {key: list(names) for key, names in dimensions.items()}
        self._rows: dict[str, dict[str, bytes | tuple[str, Score]]] = {key: {} for key in dimensions}
        self._ids: dict[str, str] = {}  # one text for all metrics of a sample

    def __setitem__(self, row: Row, scored: tuple[str, Score]) -> None:
        id_, key = row
        fingerprint, score = scored
        beside = score.explanation or score.uncertainty or score.details
        plain = score.ok and not beside and list(score) == self._dimensions[key]
        packed: bytes | tuple[str, Score] = scored
        if plain and re.fullmatch(r"[0-9a-f]{32}", fingerprint):
            packed = bytes.fromhex(fingerprint) + struct.pack(f"{len(score)}d", *score.values())
        self._rows[key][self._ids.setdefault(id_, id_)] = packed

    def __getitem__(self, row: Row) -> tuple[str, Score]:
        id_, key = row
        packed = self._rows[key][id_]
        if not isinstance(packed, bytes):
            return packed
        names = self._dimensions[key]
        values = struct.unpack(f"{len(names)}d", packed[16:])
        return packed[:16].hex(), Score(dict(zip(names, values, strict=True)))

    def __delitem__(self, row: Row) -> None:
        del self._rows[row[1]][row[0]]

    def __iter__(self) -> Iterator[Row]:
        return ((id_, key) for key, rows in self._rows.items() for id_ in rows)

    def __len__(self) -> int:
        return sum(map(len, self._rows.values()))
