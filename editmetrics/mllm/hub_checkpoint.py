"""A checkpoint that stands on the Hugging Face hub: `weights=hub:OWNER/NAME` or `weights=hub:OWNER/NAME@REVISION`."""

from __future__ import annotations

import json
import logging
import re
import shutil
from pathlib import Path, PurePosixPath

from ..checkpoints import File, WeightsError
from ..downloads import DownloadError, UnreachableError
from ..file_hashes import home
from ..hub import fetch_from_hub, look_up
from ..sample import UnavailableError
from ..wording import in_words

PREFIX = "hub:"
FORM = re.compile(rf"{PREFIX}([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@([\w./-]+))?")
COMMIT = re.compile("[0-9a-f]{40}")

SUFFIXES = frozenset({".safetensors", ".json", ".jsonl", ".toml", ".csv", ".md", ".txt", ".jinja", ".model"})
"""The kinds of files that a checkpoint on the hub may consist of; none of them can run code."""

METRIC = "metric.json"
"""The file that describes a checkpoint, and names its other files with their checksums."""

logger = logging.getLogger(__name__)


class HubCheckpointUnavailableError(WeightsError, UnavailableError):
    """A checkpoint of the hub is not on this machine, and cannot be fetched now."""


def is_on_hub(name: str) -> bool:
    """Whether `name` names a checkpoint of the hub.

    >>> is_on_hub("hub:ada/my-assessor"), is_on_hub("runs/mine")
    (True, False)
    """
    return name.startswith(PREFIX)


def fetch_checkpoint(name: str) -> Path:
    """Download the checkpoint `name`, unless that commit is here, and return its folder; `read_checkpoint` verifies it.

    Only the files that its `metric.json` names are fetched, `metric.json` last. A revision that is a full commit needs
    no network once its files are here. Raises `WeightsError` for a name that is none and for a repository that holds no
    checkpoint, and an `UnavailableError` where the hub cannot be reached.
    """
    match = FORM.fullmatch(name)
    if match is None:
        raise WeightsError(f"invalid weights {name!r}; expected hub:OWNER/NAME or hub:OWNER/NAME@REVISION")
    repository, revision = match[1], match[2] or "main"
    store = home() / "checkpoints" / repository
    if COMMIT.fullmatch(revision) and (store / revision / METRIC).is_file():
        return store / revision
    try:
        return _fetched(name, repository, revision, store)
    except UnreachableError as error:
        raise HubCheckpointUnavailableError(f"{name}: {error}{_copies(repository, store)}") from error
    except DownloadError as error:
        raise WeightsError(f"{name}: {error}") from error


def _fetched(name: str, repository: str, revision: str, store: Path) -> Path:
    known = look_up(repository, revision)
    if METRIC not in known.files:
        raise WeightsError(f"{name} holds no checkpoint: {repository} has no {METRIC}, which 'editmetrics push' writes")
    commit = known.commit or ""
    if not COMMIT.fullmatch(commit):  # the folder is named by it
        raise WeightsError(
            f"{name}: the hub stated {commit!r} as its commit; expected 40 hexadecimal digits, without "
            "which a changed checkpoint is not noticed; see HF_ENDPOINT"
        )
    folder = store / commit
    if (folder / METRIC).is_file():
        return folder
    unfinished = folder / "incomplete"
    described, _ = fetch_from_hub(repository, commit, METRIC, unfinished)
    paths = _named_files(name, described)
    if missing := [path for path in paths if path not in known.files]:
        raise WeightsError(f"{name}: {METRIC} names {missing[0]}, which {repository} does not have")
    size = in_words(sum(known.files[path].size or 0 for path in paths) / 1e6)
    logger.info("downloading %s at %s (%s; licence: %s)", name, commit[:8], size, known.licence or "not stated")
    for path in paths:
        fetch_from_hub(repository, commit, path, folder)
    described.replace(folder / METRIC)
    shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _named_files(name: str, described: Path) -> list[str]:
    """The files that a `metric.json` names. Raises `WeightsError` for one that may not be fetched."""
    try:
        files = [File(path).path for path in json.loads(described.read_bytes())["files"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{name}: its {METRIC} is damaged: {error}") from error
    if odd := [path for path in files if PurePosixPath(path).suffix not in SUFFIXES]:
        raise WeightsError(f"{name}: its {METRIC} names {odd[0]}; expected {', '.join(sorted(SUFFIXES))} only")
    return files


def _copies(repository: str, store: Path) -> str:
    here = sorted(folder.name for folder in store.glob("*") if (folder / METRIC).is_file())
    return f"; or name the commit that is here: {PREFIX}{repository}@{here[-1]}" if here else ""
