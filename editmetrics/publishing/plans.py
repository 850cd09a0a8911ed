"""From a table, a checkpoint or names of metrics to the plan of an upload."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..files.rows import table_suffix
from ..wording import either
from .plan import HUB_KINDS, Kind, PublishingError, UploadFile, UploadPlan, check_repository, refuse_private


def plan_push(
    what: str | os.PathLike[str] | Sequence[str],
    repository: str,
    *,
    kind: Kind | None = None,
    private: bool = True,
    images: bool = False,
    allowed: Sequence[str] = (),
) -> UploadPlan:
    """Return the plan of an upload; nothing is sent.

    - what: a table of scores with its record, the folder of a checkpoint, or metrics for a Space.
    - repository: owner/name on the hub. kind: "record", "checkpoint" or "space"; by default what `what` is.
    - private: whether the repository is created private. images: put thumbnails of the images into the page of a
      record. allowed: names of this user or machine that may leave, since they say nothing.

    Raises `PublishingError` for what cannot be published, and the errors of reading the table or checkpoint.
    """
    names = [os.fspath(what)] if isinstance(what, (str, os.PathLike)) else list(what)
    if not names:
        raise PublishingError("nothing to publish; name a table of scores, the folder of a checkpoint, or metrics")
    check_repository(repository)
    kind = kind or _kind_of(names)
    if kind not in HUB_KINDS:
        raise PublishingError(f"unknown kind {kind!r}; expected {either(HUB_KINDS)}")
    if kind != "space" and len(names) > 1:
        raise PublishingError(
            f"one {kind} goes to one repository; name {names[0]} alone, or several metrics for a Space"
        )
    files, notes = _files(kind, names, repository, images, allowed)
    refuse_private(files, images=images, allowed=allowed)
    return UploadPlan(kind, repository, private, files, notes)


def _kind_of(names: Sequence[str]) -> Kind:
    path = Path(names[0])
    if not path.exists() and (table_suffix(path) or names[0].startswith((".", "/", "~"))):
        raise PublishingError(
            f"{path} does not exist; expected a table of scores, the folder of a checkpoint, or metrics"
        )
    return "checkpoint" if path.is_dir() else "record" if path.is_file() else "space"


def _files(
    kind: Kind, names: Sequence[str], repository: str, images: bool, allowed: Sequence[str]
) -> tuple[list[UploadFile], list[str]]:
    path = Path(names[0])
    if kind == "record":
        from .record import record_files

        if not path.is_file():
            raise PublishingError(f"{path} is not a file; expected the table that 'editmetrics score -o' wrote")
        return record_files(path, images=images)
    if images:
        raise PublishingError(f"a {kind} holds no images; --include-images is for records")
    if kind == "checkpoint":
        from .checkpoint import checkpoint_files

        return checkpoint_files(path, repository, allowed)
    from .space import space_files

    return space_files(names, repository)
