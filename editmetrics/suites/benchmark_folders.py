"""A benchmark's folder and folders of outputs, as its own script lays them out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..data import SampleSet


@dataclass(frozen=True)
class BenchmarkFolders:
    """Folders as a benchmark's script has them, which are read as they are.

    - `data`, `outputs`: words on what the benchmark's folder holds, and how outputs are called.
    - `read`: the samples of the benchmark's folder and of folders of outputs, a system each, with a file of prompts;
      None for a folder that is not the benchmark's.
    """

    data: str
    outputs: str
    read: Callable[[Path, Sequence[Path], Path | None], SampleSet | None]
