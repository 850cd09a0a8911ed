"""The plan of an upload: every file that would leave this machine, and where it would go."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..sample import EditMetricsError
from ..wording import in_lines
from .scrub import problems

Kind = Literal["record", "checkpoint", "space"]

HUB_KINDS = {"record": "dataset", "checkpoint": "model", "space": "space"}
"""The kind of repository on the hub that each upload is."""

REPOSITORY = r"[A-Za-z0-9](?:[\w.-]{0,94}[A-Za-z0-9_])?"


class PublishingError(EditMetricsError):
    """Something cannot be published; the message names the file or the repository, and says why."""


@dataclass(frozen=True)
class UploadFile:
    """One file of an upload: its path in the repository, and its content, or where it lies on this machine.

    `sha256`: of a file on this machine as it was when the plan was made.
    """

    path: str
    content: bytes | Path
    sha256: str = ""

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self.content.stat().st_size if isinstance(self.content, Path) else len(self.content)


@dataclass(frozen=True)
class UploadPlan:
    """An upload: `files` go to `repository` (owner/name), which is created `private` or public.

    `notes`: for the user, on what was left out or replaced.
    """

    kind: Kind
    repository: str
    private: bool
    files: Sequence[UploadFile]
    notes: Sequence[str] = ()

    @property
    def size(self) -> int:
        """The size of all files in bytes."""
        return sum(file.size for file in self.files)

    @property
    def address(self) -> str:
        """The address of the repository on the hub."""
        from ..hub import endpoint

        folder = {"record": "datasets/", "checkpoint": "", "space": "spaces/"}[self.kind]
        return f"{endpoint()}/{folder}{self.repository}"


def check_repository(name: str) -> None:
    """Raise `PublishingError` unless `name` is OWNER/NAME as the hub allows it."""
    owner, slash, repository = name.partition("/")
    parts = (owner, repository)
    valid = slash and all(re.fullmatch(REPOSITORY, part) and not re.search(r"--|\.\.", part) for part in parts)
    if not valid or name.endswith(".git"):
        raise PublishingError(
            f"invalid repository {name!r}; expected OWNER/NAME of letters, digits, '-', '_' and '.', as in ada/my-edits"
        )


def refuse_private(files: Iterable[UploadFile], *, images: bool, allowed: Sequence[str]) -> None:
    """Raise `PublishingError` where a text names this user or machine, or holds a secret or an unwanted image."""
    lines = [
        line
        for file in files
        if isinstance(file.content, bytes)
        for line in problems(file.path, file.content.decode("utf-8", "replace"), images=images, allowed=allowed)
    ]
    if lines:
        title = "nothing was sent; remove this, or let a name that says nothing leave with --allow NAME: the upload"
        raise PublishingError(in_lines(title, lines))
