"""Features of images, kept on disk by the content of the image: a second run, or another reference set, costs nothing.

One SQLite file for each network and way of reading images, `$EDITMETRICS_HOME/features/KEY.sqlite`; rows are written
batch by batch, so that a run that was killed resumes in the middle of a set. It may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from ..file_hashes import home
from ..sample import UnavailableError

PATIENCE = 60.0
"""Seconds that one process waits for another to finish writing."""

AT_ONCE = 500
"""Rows of one query; SQLite takes a limited number of values."""


class FeatureCache:
    """The features that one network gives, by the digest of an image. A context manager.

    `identity` is all that the features depend on besides the image. Raises `UnavailableError`, naming the file, when it
    is damaged or cannot be written.
    """

    def __init__(self, identity: Mapping[str, Any]) -> None:
        text = json.dumps(identity, sort_keys=True)
        self.path = folder() / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.sqlite"
        self._identity = text

    def __enter__(self) -> FeatureCache:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(self.path, timeout=PATIENCE)
            with self._connection:
                self._connection.execute("CREATE TABLE IF NOT EXISTS features (digest TEXT PRIMARY KEY, row BLOB)")
                self._connection.execute("CREATE TABLE IF NOT EXISTS identity (text TEXT PRIMARY KEY)")
                self._connection.execute("INSERT OR IGNORE INTO identity VALUES (?)", (self._identity,))
        except (sqlite3.Error, OSError) as error:
            raise self._unusable(error) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def get(self, digests: Iterable[str]) -> dict[str, np.ndarray]:
        """Return the kept rows, float32, by digest; those of other images are missing."""
        wanted = list(digests)
        rows: dict[str, np.ndarray] = {}
        try:
            for start in range(0, len(wanted), AT_ONCE):
                part = wanted[start : start + AT_ONCE]
                marks = ",".join("?" * len(part))
                query = f"SELECT digest, row FROM features WHERE digest IN ({marks})"  # noqa: S608 - question marks
                with closing(self._connection.execute(query, part)) as cursor:
                    rows |= {digest: np.frombuffer(row, np.float32) for digest, row in cursor}
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        return rows

    def put(self, rows: Mapping[str, np.ndarray]) -> None:
        """Keep rows, all or none of them."""
        values = [(digest, np.ascontiguousarray(row, np.float32).tobytes()) for digest, row in rows.items()]
        try:
            with self._connection:
                self._connection.executemany("INSERT OR REPLACE INTO features VALUES (?, ?)", values)
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> UnavailableError:
        return UnavailableError(
            f"the features in {self.path} cannot be used: {error}. Delete the file if it is damaged, or compute "
            "without it (option cache=false)"
        )


def folder() -> Path:
    """`$EDITMETRICS_HOME/features`, else in the platform's cache folder."""
    return home() / "features"
