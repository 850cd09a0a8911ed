"""Global image statistics of the items of a combination, for the baseline that never looks at content."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from ..agreement.measure import Floats
from ..images import is_url
from ..mllm.survey import survey
from ..sample import Sample
from ..wording import first_few, plural
from .inputs import CombinedItems

logger = logging.getLogger(__name__)

BASELINE = "image statistics"
"""The name of the baseline: ridge regression on them."""

MANY = 1000
"""From this number of images, a log line announces that they are read."""


def image_table(items: CombinedItems) -> tuple[Floats, str | None]:
    """Return statistics of the items' images (n, q), rows of NaN for those that cannot be read, and a note on these.

    Where every item has a source, the changes from it are statistics, too. No columns where no image is at hand.
    """
    paths = [tuple(_path(name, items.folder) for name in pair) for pair in items.images or ()]
    if not paths or not any(edited for edited, _ in paths):
        return np.empty((len(items), 0)), "no baseline of image statistics: no image of a column 'edited' is at hand"
    if len(paths) >= MANY:
        logger.info("reading %s for the baseline (--no-baseline leaves it out)", plural(len(paths), "image"))
    readable = [(row, Sample(str(row), edited=e, source=s)) for row, (e, s) in enumerate(paths) if e is not None]
    measured = dict(zip((row for row, _ in readable), survey([sample for _, sample in readable]), strict=True))
    surveyed = [measured.get(row) for row in range(len(paths))]
    with_source = all(one is None or one.to_source is not None for one in surveyed)
    rows = [
        None if one is None
        else np.concatenate([one.edited, one.to_source]) if with_source and one.to_source is not None
        else one.edited
        for one in surveyed
    ]  # fmt: skip
    width = next((len(row) for row in rows if row is not None), 0)
    table = np.array([np.full(width, np.nan) if row is None else row for row in rows])
    unread = [str(name) for name, row in zip(items.ids, rows, strict=True) if row is None]
    return table, f"image statistics: {len(unread)} images cannot be read: {first_few(unread)}" if unread else None


def _path(name: str | None, folder: Path | None) -> str | None:
    """The file that a cell names, from the current folder or the table's; None where it does not exist."""
    if not name or is_url(name) or "\0" in name:
        return None
    return next((str(path) for base in (Path(), folder) if base and (path := base / name).is_file()), None)
