"""Where samples come from: folders paired by name, single files, or a manifest.

Functions of paths give a `SampleSet`: the samples, and what found no partner, so that nothing is left out silently;
`from_rows` takes data frames and data sets.
"""

from __future__ import annotations

from ..files.text import DataError
from .do_nothing import with_source_as_system
from .find import find_samples, from_files, from_folders
from .frames import from_rows
from .image_sets import ImageSet, find_sets, sets_of
from .manifest import from_manifest
from .prompts import read_prompts
from .sample_set import SampleSet

__all__ = [
    "DataError", "ImageSet", "SampleSet", "find_samples", "find_sets", "from_files", "from_folders", "from_manifest",
    "from_rows", "read_prompts", "sets_of", "with_source_as_system",
]  # fmt: skip
