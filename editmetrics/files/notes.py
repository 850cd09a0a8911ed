"""Notes on how a file was read, each logged once in a process."""

from __future__ import annotations

import logging
from functools import lru_cache

logger = logging.getLogger(__name__)


@lru_cache(maxsize=4096)
def note_once(text: str) -> None:
    """Log `note: text` as a warning, unless this process has logged it before; files are often read several times."""
    logger.warning("note: %s", text)
