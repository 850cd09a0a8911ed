"""The samples under way, kept on the disk while a run lasts: a sample that kills the process must not end every run.

Who was under way when a run was killed is tried again at the end of the next one, each alone. A sample that was alone
when the process was killed, twice, is given up.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from ..files.journal import Journal, complete_lines

TRIES_ALONE = 2


class UnderWay:
    """The file that says which samples were begun; removed when the run ends by itself, however it ends."""

    def __init__(self, record: Path) -> None:
        self.path = record.with_name(f".{record.name}.under_way")
        self.alone: Counter[str] = Counter()
        """How often each sample was alone under way in runs that were killed."""
        self.begun: set[str] = set()
        for line in complete_lines(self.path):
            try:
                entry = json.loads(line)
                self.begun.add(entry["id"])
                self.alone[entry["id"]] += bool(entry["alone"])
            except (ValueError, KeyError, TypeError):
                continue  # a damaged line names no sample
        self._journal = Journal(self.path, lock=False)

    def suspects(self, unfinished: Iterable[str]) -> set[str]:
        """Those of the samples `unfinished` that were under way when an earlier run was killed."""
        return self.begun & set(unfinished)

    def begin(self, id_: str, alone: bool = False) -> None:
        """Note, before anything is done with it, that a sample is begun."""
        self._journal.append({"id": id_, "alone": alone})

    def end(self) -> None:
        """Forget it all: the process has survived."""
        self._journal.close()
        self.path.unlink(missing_ok=True)

    def given_up(self, id_: str) -> str | None:
        """Why the sample is not tried again; None where it is."""
        if self.alone[id_] < TRIES_ALONE:
            return None
        return (
            f"the process was killed {self.alone[id_]} times while it scored this sample alone (out of memory, or a "
            "crash inside a library); '--retry failed' tries it again"
        )
