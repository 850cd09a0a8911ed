"""Where samples come from: folders paired by name, single files, or a manifest.

Every function gives a `SampleSet`: the samples, and what found no partner, so that nothing is left out without a word.
"""

from __future__ import annotations

from ..files.text import DataError
from .find import find_samples, from_files, from_folders
from .manifest import from_manifest
from .prompts import read_prompts
from .sample_set import SampleSet

__all__ = ["DataError", "SampleSet", "find_samples", "from_files", "from_folders", "from_manifest", "read_prompts"]
