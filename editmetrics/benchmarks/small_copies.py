"""Write small made-up copies of the data sets: edits in, files in a data set's layout out.

`benchmarks/NAME/small_copy.py` writes the layout of one; the names of models and tasks are the real ones, a few images
each, so that a copy is whole in itself and far from complete.
"""

from __future__ import annotations

import csv
import importlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from .catalogue import FOLDERS

QUALITY, FIDELITY, PRESERVATION = "visual_quality", "editing_fidelity", "content_preservation"
YES = 50
"""From this fidelity, an edit counts as following its instruction."""


class RatedEdit(Protocol):
    """An edit of known quality: its images (height, width, 3) of uint8, and scores from 0 to 100 by name."""

    source: Any
    edited: Any
    prompt: str
    scores: Mapping[str, float]


MakeEdits = Callable[..., Iterable[RatedEdit]]
"""Gives as many edits as its argument says, `per_source` of each source image."""


def write_copy(name: str, folder: str | os.PathLike[str], edits: MakeEdits, each: int = 2) -> Path:
    """Write a copy of the data set `name` into `folder`, with `each` images of every model (or group), and return it.

    The three scores of `edits` stand in for ratings. EvalMi-50K needs openpyxl.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    importlib.import_module(f".{FOLDERS[name]}.small_copy", __package__).write(folder, each, edits)
    return folder


def save(pixels: Any, path: Path) -> None:
    """Write an image, creating its folder."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=95)


def ranks_of(edits: Sequence[RatedEdit]) -> list[int]:
    """Return the rank of each edit by the sum of its scores, from 1, the best."""
    sums = [sum(edit.scores.values()) for edit in edits]
    return [1 + sum(bool(other > own) for other in sums) for own in sums]


def save_pair(folder: Path, number: int, edit: RatedEdit) -> tuple[str, str, str]:
    """Write the two images of an edit; return its name and their paths."""
    name = f"{number:04}"
    save(edit.source, folder / "source" / f"{name}.png")
    save(edit.edited, folder / "edited" / f"{name}.png")
    return name, f"source/{name}.png", f"edited/{name}.png"


def write_csv(path: Path, heading: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table with a heading."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([heading, *rows])


def in_cell(pixels: Any) -> dict[str, Any]:
    """Return an image as the cell of a parquet file that data sets of the Hugging Face hub have."""
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}


def write_parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a parquet file with a row for each mapping."""
    import polars

    path.parent.mkdir(parents=True, exist_ok=True)
    polars.DataFrame(rows).write_parquet(path)


def write_json_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write an object on each line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
