"""A small made-up copy of RichHF-18K: records as TensorFlow writes them, images, and prompts."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

from ...files.tfrecord import BYTES, FLOATS, masked_crc32c
from ..small_copies import FIDELITY, PRESERVATION, QUALITY, MakeEdits, save, write_csv
from .reader import SPLITS


def write(folder: Path, each: int, edits: MakeEdits) -> None:
    """Write `each` images of every split."""
    made, prompts = iter(edits(each * len(SPLITS))), []
    for split in SPLITS:
        records = b""
        for number in range(each):
            edit, name = next(made), f"{split}/{number:08x}-0000.png"
            save(edit.edited, folder / "images" / name)
            prompts.append((name, edit.prompt))
            quality, alignment, aesthetics = (edit.scores[key] / 100 for key in (QUALITY, FIDELITY, PRESERVATION))
            overall = (quality + alignment + aesthetics) / 3
            records += record({
                "filename": name.encode(), "artifact_score": quality, "misalignment_score": alignment,
                "aesthetics_score": aesthetics, "overall_score": overall, "prompt_misalignment_label": b"1 1 0",
            })  # fmt: skip
        (folder / f"{split}.tfrecord").write_bytes(records)
    write_csv(folder / "prompts.csv", ("filename", "prompt"), prompts)


def record(features: Mapping[str, bytes | float]) -> bytes:
    """Return a record of one Example."""
    entries = b""
    for name, value in features.items():
        own = value if isinstance(value, bytes) else struct.pack("<f", value)
        kind = BYTES if isinstance(value, bytes) else FLOATS
        entries += _field(1, _field(1, name.encode()) + _field(2, _field(kind, _field(1, own))))
    data = _field(1, entries)
    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked_crc32c(length)) + data + struct.pack("<I", masked_crc32c(data))


def _field(number: int, content: bytes) -> bytes:
    length, size = len(content), b""
    while length > 0x7F:
        size += bytes([length & 0x7F | 0x80])
        length >>= 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + content
