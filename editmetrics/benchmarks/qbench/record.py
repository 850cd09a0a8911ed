"""The record of a run: an append-only journal of every answer, which the same command goes on from.

JSON lines: a line of kind "run" for each run, with all that produces its answers; a line of kind "answer" for each
answer of the model or of the judge, under a key of all that produced it. A crash costs the last, unfinished line.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...files.journal import Journal
from ...judge import Answer
from ...scoring.record import BEGINNING
from .items import BenchmarkError


def key_of(identity: dict[str, Any], text: str, system: str | None, image_sha256: str | None, decoder: str) -> str:
    """The sha256 of all that an answer comes from: the model, the words, the file of the image and its decoder."""
    said = {"model": identity, "system": system, "text": text, "image": image_sha256, "decoder": decoder}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


PROBLEMS_HEAD = "What editmetrics qbench found wrong with the data:"
"""The first line of `problems.txt`."""


def check_own(folder: Path) -> None:
    """Raise `BenchmarkError` for a folder that holds files and none of a run: its files would be taken for ours."""
    if not folder.is_dir() or all(path.name.startswith(".") for path in folder.iterdir()):
        return
    heads = {"record.jsonl": BEGINNING, "problems.txt": PROBLEMS_HEAD.encode()}
    for name, head in heads.items():
        if (folder / name).is_file():
            with (folder / name).open("rb") as file:
                begins = file.read(len(head))
            if begins == head or (name == "record.jsonl" and head.startswith(begins)):  # cut in its first line
                return
    raise BenchmarkError(f"{folder} holds files that no run of qbench wrote; give -o a folder of its own")


class Record(Journal):
    """`record.jsonl` in the folder of results; one run at a time holds it. Use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "record.jsonl", beginning=BEGINNING)
        self.answers: dict[str, Answer] = {}
        self.runs: list[dict[str, Any]] = []

    def read(self) -> None:
        """Load what earlier runs wrote."""
        self.each(self._take)

    def forget(self) -> None:
        """Start afresh: the file is put aside as `record.jsonl.old`, in place of an older one."""
        if self.path.exists():
            self.path.replace(self.path.with_suffix(".jsonl.old"))
        self.answers, self.runs = {}, []

    def start(self, run: dict[str, Any]) -> None:
        """Write the line of this run."""
        self.runs.append(run)
        self.append({"kind": "run", **run})

    def write(self, key: str, answer: Answer, of: str) -> None:
        """Keep an answer. `of` names the question, for people who read the file."""
        self.answers[key] = answer
        self.append({"kind": "answer", "key": key, "of": of, "answer": asdict(answer)})

    def _take(self, entry: dict[str, Any]) -> None:
        if entry["kind"] == "answer":
            self.answers[entry["key"]] = Answer(**entry["answer"])
        else:
            self.runs.append({name: value for name, value in entry.items() if name != "kind"})
