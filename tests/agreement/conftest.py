"""Real ratings: 3,672 edits by 17 systems of 216 sources (see data/README.md)."""

import csv
from pathlib import Path

import numpy as np
import pytest

LMM4EDIT = Path(__file__).parent / "data" / "lmm4edit.csv"


@pytest.fixture(scope="session")
def rated():
    """The columns as arrays; the three MOS as floats."""
    with LMM4EDIT.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return columns | {name: columns[name].astype(float) for name in ("quality", "alignment", "preservation")}
