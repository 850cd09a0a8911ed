"""Answers kept on disk, so that no question is paid for twice: one SQLite file, safe for many threads and processes.

Only answers are kept. What failed or was refused is asked again, since servers recover and filters change. Images and
keys are never in the file; the texts of questions and answers are.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import weights
from .chat import Answer, JudgeError, Question

APPLICATION, VERSION = 0x45444A47, 1
"""Values in the header of the SQLite file: the application and the version of the format."""

PATIENCE = 60.0
"""Seconds that one process waits for another to finish writing."""


@dataclass(frozen=True)
class Kept:
    """Number of answers of one model in a cache, and when they were asked."""

    model: str
    served: str
    answers: int
    first: str
    last: str


def default_path() -> Path:
    """`$EDITMETRICS_HOME/judge/answers.sqlite`, else in the platform's cache folder."""
    return weights.store().parent / "judge" / "answers.sqlite"


def key_of(identity: dict[str, Any], question: Question) -> str:
    """Return the sha256 of a question: the model, its parameters, the words, the pixels of the images, the round."""
    text = json.dumps({"model": identity, "question": question.content()}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


class Cache:
    """A file of answers, created when it is first used, readable by its owner only.

    Raises `JudgeError`, which names the file, when it is damaged, belongs to another program or a newer version, or
    cannot be written. Nothing is repaired or deleted automatically: the answers may have cost money.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self.path = Path(path).expanduser() if path is not None else default_path()
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._process = 0

    def get(self, key: str) -> Answer | None:
        """Return the answer kept under `key`, marked as cached."""
        with self._open() as connection:
            row = connection.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
        return None if row is None else Answer(**json.loads(row[0]), cached=True)

    def put(self, key: str, question: Question, answer: Answer, *, replace: bool = False) -> Answer:
        """Keep an answer, and return the kept one: the first that arrived, unless `replace`."""
        kept = {field.name: getattr(answer, field.name) for field in dataclasses.fields(answer)}
        del kept["cached"]
        row = (
            key,
            answer.model,
            answer.served or "",
            answer.asked or "",
            json.dumps(question.content()),
            json.dumps(kept),
        )
        conflict = "REPLACE" if replace else "IGNORE"
        with self._open() as connection:
            connection.execute(f"INSERT OR {conflict} INTO answers VALUES (?, ?, ?, ?, ?, ?)", row)  # noqa: S608
            stands = connection.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
        return answer if stands is None or stands[0] == row[-1] else Answer(**json.loads(stands[0]), cached=True)

    def summary(self) -> list[Kept]:
        """Summarise the answers by requested and served model."""
        query = (
            "SELECT model, served, COUNT(*), MIN(asked), MAX(asked) FROM answers GROUP BY model, served ORDER BY 1, 2"
        )
        with self._open() as connection:
            return [Kept(*row) for row in connection.execute(query)]

    def clear(self, model: str | None = None) -> int:
        """Delete all answers, or those of one model; return how many there were."""
        with self._open() as connection:
            if model is None:
                return connection.execute("DELETE FROM answers").rowcount
            return connection.execute("DELETE FROM answers WHERE model = ?", (model,)).rowcount

    def close(self) -> None:
        """Close the file; it opens again by itself when it is used."""
        with self._lock:
            if self._connection is not None and self._process == os.getpid():
                self._connection.close()
            self._connection = None

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                if self._connection is None or self._process != os.getpid():  # a connection must not cross a fork
                    self._connection, self._process = self._connect(), os.getpid()
                yield self._connection
            except (sqlite3.Error, OSError, ValueError, TypeError) as error:
                raise JudgeError(
                    f"the cache of answers {self.path} cannot be used: {error}. If it is damaged, move it away and its "
                    "questions are asked again; cache=PATH names another file, cache=False uses none"
                ) from error

    def _connect(self) -> sqlite3.Connection:
        from filelock import FileLock

        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.path}.lock"):  # two processes that make the file at once would meet half of it
            if not self.path.exists():
                os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
            connection = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        with closing(connection.cursor()) as cursor:
            application = cursor.execute("PRAGMA application_id").fetchone()[0]
            version = cursor.execute("PRAGMA user_version").fetchone()[0]
            tables = cursor.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
            if tables and application != APPLICATION:
                raise ValueError("it is a database of another program")
            if version > VERSION:
                raise ValueError(f"it is of version {version}, and this editmetrics reads up to {VERSION}; update it")
            if not tables:
                cursor.execute(
                    "CREATE TABLE answers (key TEXT PRIMARY KEY, model TEXT NOT NULL, served TEXT NOT NULL, "
                    "asked TEXT NOT NULL, question TEXT NOT NULL, answer TEXT NOT NULL)"
                )
                cursor.execute(f"PRAGMA application_id = {APPLICATION}")
                cursor.execute(f"PRAGMA user_version = {VERSION}")
            cursor.execute("PRAGMA journal_mode = WAL")
            cursor.execute("PRAGMA synchronous = NORMAL")
