"""From the name of a checkpoint to verified files on this machine.

Files live in the store, `$EDITMETRICS_HOME/weights/NAME/`, beside a `record.json` of what was found in them. Only
`pull` downloads (a metric calls it when it loads), and nothing is used before its checksum is known to be right: that
of the registry, or, where it has none, the one that was recorded when the file was first seen. See `docs/weights.md`.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .checkpoints import (
    RECORD_FILE,
    SCHEMA_VERSION,
    File,
    WeightsEntry,
    WeightsError,
    WeightsUnavailableError,
    broken_registries,
    bundled_folder,
    checkpoint,
    file_paths,
    missing_from_package,
    registered,
)
from .downloads import DownloadError, UnreachableError, check_online, fetch_url
from .file_hashes import digest, home, sha256
from .files.writing import write_text
from .hub import HubFile, fetch_from_hub

if TYPE_CHECKING:
    from filelock import BaseFileLock
    from torch import Tensor

__all__ = [
    "WeightsEntry",
    "WeightsError",
    "WeightsUnavailableError",
    "all_finite",
    "broken_registries",
    "checkpoint",
    "checksums",
    "find",
    "folder_of",
    "load_state_dict",
    "path",
    "pull",
    "registered",
    "sha256",
    "store",
    "substitute",
    "verify",
]

UNKNOWN = "unknown until downloaded"

logger = logging.getLogger(__name__)


def store() -> Path:
    """The folder of all checkpoints: `$EDITMETRICS_HOME/weights`, else in the platform's cache folder."""
    return home() / "weights"


def folder_of(name: str) -> Path:
    """Where the files of the checkpoint `name` are, or belong."""
    return _substitutes.get(name) or bundled_folder(name) or store() / name


def find(name: str) -> Path | None:
    """The folder of the checkpoint `name` when all its files are there, else None. Cheap: nothing is hashed."""
    folder = folder_of(name)
    return folder if all((folder / file).is_file() for file in file_paths(name)) else None


def path(name: str, file: str | None = None) -> Path:
    """The verified path of a file of the checkpoint `name`; without `file`, of its only one. Downloads nothing.

    A file is hashed unless its size, times and inode are as when it was hashed before; one that was put there by hand
    is recorded now. Raises `WeightsError`: the file is not here (and how to get it), or it is not the right one.
    """
    entry = checkpoint(name)
    if file is None and len(entry.files) > 1:
        raise WeightsError(f"{name} has several files: say which of {', '.join(one.path for one in entry.files)}")
    wanted = entry.files[0] if file is None else entry.file(file)
    _watched(name)
    _verified_digest(entry, wanted)
    return folder_of(name) / wanted.path


def pull(name: str, *, progress: bool | None = None) -> Path:
    """Download what is missing of the checkpoint `name`, verify it all, and return its folder.

    `progress` draws a bar; by default, where standard error is a terminal. Two processes that pull the same checkpoint
    wait for one another. Raises `WeightsError`, which says what to fetch by hand and where to put it, when a file
    cannot be downloaded or is not what the registry or the record says.
    """
    entry = checkpoint(name)
    _watched(name)
    progress = sys.stderr.isatty() if progress is None else progress
    if entry.doubts and name not in {*_substitutes, *_doubted}:
        _doubted.add(name)
        logger.warning("%s: not confirmed: %s", name, entry.doubts)
    if find(name) is None and _keeps_record(name):
        try:
            folder_of(name).mkdir(parents=True, exist_ok=True)
            with _lock(name):
                for file in entry.files:
                    if not (folder_of(name) / file.path).is_file():
                        _download(entry, file, progress)
        except OSError as error:
            raise WeightsUnavailableError(
                f"{name} cannot be stored: {error}. EDITMETRICS_HOME may name another folder"
            ) from error
    for file in entry.files:
        _verified_digest(entry, file)
    return folder_of(name)


def verify(name: str) -> dict[str, str]:
    """The sha256 of each file of `name`, all hashed again; `WeightsError` when one is missing or not the right one."""
    entry = checkpoint(name)
    return {file.path: _verified_digest(entry, file, rehash=True) for file in entry.files}


def checksums(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """The sha256 of each file of each checkpoint, for `Metric.identity`.

    That of the file where it is here, else what the record or the registry knows, else "unknown until downloaded".
    """
    return {name: {file.path: _checksum(checkpoint(name), file) for file in checkpoint(name).files} for name in names}


@contextmanager
def substitute(name: str, folder: str | os.PathLike[str]) -> Iterator[None]:
    """Inside a `with` block, use the files in `folder` for the checkpoint `name`, whatever the registry says of them.

    For weights of one's own in a known architecture, and for tests. Their true checksums stand in a metric's identity,
    so their scores cannot be taken for those of the published weights. Holds for this process only.
    """
    before = dict(_substitutes)
    _substitutes[checkpoint(name).name] = Path(folder)
    try:
        yield
    finally:
        _substitutes.clear()
        _substitutes.update(before)


@contextmanager
def used() -> Iterator[set[str]]:
    """Collect, inside a `with` block, the names of the checkpoints whose files are asked for by `path` and `pull`."""
    names: set[str] = set()
    _watchers.append(names)
    try:
        yield names
    finally:
        _watchers.remove(names)


def load_state_dict(file: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The tensors of a checkpoint file, by name, on the CPU: of `.safetensors` or a pickle (`weights_only`).

    Of a training's checkpoint, these are the tensors under "state_dict" or "model"; its other entries are left out.
    Raises `WeightsError` for a file that cannot be read, or that holds anything but tensors of finite numbers.
    """
    import pickle

    import torch

    try:
        if Path(file).suffix == ".safetensors":
            from safetensors.torch import load_file

            tensors: Any = load_file(file)
        else:
            tensors = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(f"{file} is not loaded: it is damaged, or holds more than tensors: {error}") from error
    except Exception as error:  # a damaged file raises whatever its reader stumbled on
        raise WeightsError(f"{file} cannot be read as weights: {type(error).__name__}: {error}") from error
    for whole in ("state_dict", "model"):
        if isinstance(tensors, dict) and isinstance(tensors.get(whole), dict):
            tensors = tensors[whole]
    if not isinstance(tensors, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in tensors.values()):
        raise WeightsError(f"{file} is not a state dict; expected tensors by name")
    for name, tensor in tensors.items():
        if not all_finite(tensor):
            raise WeightsError(f"{file} is not loaded: its tensor {name} holds NaN or an infinite number")
    return tensors


def all_finite(tensor: Tensor) -> bool:
    """Whether no number of a tensor is NaN or infinite; takes no memory beside it.

    >>> import torch
    >>> all_finite(torch.ones(3)), all_finite(torch.tensor([1.0, float("nan")]))
    (True, False)
    """
    import torch

    if not tensor.numel() or not tensor.is_floating_point():
        return bool(tensor.isfinite().all())
    return bool(torch.stack(torch.aminmax(tensor.detach())).isfinite().all())


# ---------------------------------------------------------------------- one file: download, verify, record

_substitutes: dict[str, Path] = {}
_watchers: list[set[str]] = []
_doubted: set[str] = set()
"""Checkpoints whose doubtful facts this process has logged."""


def _watched(name: str) -> None:
    for names in _watchers:
        names.add(name)


def _download(entry: WeightsEntry, file: File, progress: bool) -> None:
    folder, source, url = folder_of(entry.name), entry.source, entry.source.url_of(file)
    unfinished = folder / ".partial"  # on the same file system, so that the last step is a rename
    downloaded, commit = unfinished / file.path, None
    try:
        check_online()
        logger.info("downloading %s (%s; licence: %s)", url, entry.size, entry.licence)
        if source.repository is not None:  # a broken download stays: huggingface_hub may resume it
            downloaded, commit = _fetch_from_hub(entry, file, unfinished, progress)
            url = source.url_of(File(downloaded.relative_to(unfinished).as_posix()))
        else:
            shutil.rmtree(unfinished, ignore_errors=True)
            fetch_url(url, downloaded, progress=progress)
    except DownloadError as error:
        kind = WeightsUnavailableError if isinstance(error, UnreachableError) else WeightsError
        raise kind(f"{entry.name} was not downloaded: {error}. {_by_hand(entry, file)}") from error
    facts = _fingerprint(downloaded)
    if wrong := _mismatch(entry, file, facts):
        shutil.rmtree(unfinished)
        raise WeightsError(f"{entry.name}: what {url} gave was thrown away: {wrong}. {_by_hand(entry, file)}")
    _record(entry.name, file.path, {**facts, "origin": url, "commit": commit})
    (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
    os.replace(downloaded, folder / file.path)
    shutil.rmtree(unfinished)


def _fetch_from_hub(entry: WeightsEntry, file: File, folder: Path, progress: bool) -> tuple[Path, str | None]:
    """A file of a hub repository, at the first of the paths that it may have there."""
    repository, paths = str(entry.source.repository), entry.paths_of(file)
    for path in paths:
        try:
            return fetch_from_hub(
                repository,
                entry.source.revision,
                path,
                folder,
                progress=progress,
                check=partial(_expected, entry, file),
            )
        except DownloadError as error:
            if entry.inferred is None or not _lacks_the_file(error):
                raise
            missing = error
    raise DownloadError(
        f"{repository} has no {' and no '.join(paths)} ({missing}). The name was inferred: {entry.inferred}. Look for "
        f"it in https://huggingface.co/{repository}/tree/{entry.source.revision}"
    ) from missing


def _lacks_the_file(error: DownloadError) -> bool:
    """Whether the repository and the revision exist, and this file does not."""
    names = {cls.__name__ for cls in type(error.__cause__).__mro__}
    status = getattr(getattr(error.__cause__, "response", None), "status_code", None)
    return status == 404 and not names & {"RepositoryNotFoundError", "RevisionNotFoundError"}


def _expected(entry: WeightsEntry, file: File, remote: HubFile) -> None:
    """Raise `WeightsError` when the hub has another file than the registry or the record; nothing is downloaded."""
    if wrong := _mismatch(entry, file, {"size": remote.size, "sha256": remote.sha256}):
        raise WeightsError(
            f"{entry.name} was not downloaded: {entry.source.url_of(file)} is not the file that was registered: "
            f"{wrong}. Update editmetrics, which may know the new one; 'editmetrics weights check --remote' "
            "shows what has moved"
        )


def _verified_digest(entry: WeightsEntry, file: File, rehash: bool = False) -> str:
    target = folder_of(entry.name) / file.path
    if not target.is_file() and entry.source.package is not None:
        raise missing_from_package(entry, target)
    if not target.is_file():
        raise WeightsUnavailableError(
            f"{entry.name} is not on this machine. Run 'editmetrics weights pull {entry.name}' ("
            f"{entry.size}; licence: {entry.licence}). {_by_hand(entry, file)}"
        )
    recorded = _recorded(entry.name).get(file.path)
    by_hand = {"origin": "put there by hand", "commit": None}
    facts = {**by_hand, **(recorded or {}), **_fingerprint(target, rehash)}
    if wrong := _mismatch(entry, file, facts):
        mend = (
            "Install its package again"
            if entry.source.package
            else f"Delete it and run 'editmetrics weights pull {entry.name}'"
        )
        raise WeightsError(f"{target} is not used: {wrong}. {mend}")
    if facts != recorded:
        _remember(entry.name, file.path, facts)
    return str(facts["sha256"])


def _mismatch(entry: WeightsEntry, file: File, facts: dict[str, Any]) -> str | None:
    if entry.name in _substitutes:
        return None
    if file.size is not None and facts["size"] is not None and facts["size"] != file.size:
        return f"it has {facts['size']} bytes and the registry says {file.size}"
    if facts["sha256"] is None:  # the hub states that of large files only
        return None
    if file.sha256 is not None and not facts["sha256"].startswith(file.sha256):
        return f"its sha256 is {facts['sha256']} and the registry says {file.sha256}"
    recorded = _recorded(entry.name).get(file.path)
    if recorded is not None and recorded["sha256"] != facts["sha256"]:
        return (
            f"its sha256 is {facts['sha256']}, and {recorded['sha256']} was recorded on {recorded['date']} (if the "
            f"change is meant, delete {folder_of(entry.name) / RECORD_FILE})"
        )
    return None


def _by_hand(entry: WeightsEntry, file: File) -> str:
    known = [f"sha256 {file.sha256}"] if file.sha256 else []
    known += [f"{file.size} bytes"] if file.size else []
    names = f" ({', '.join(known)})" if known else ""
    return f"To fetch it by hand, save {entry.source.url_of(file)}{names} as {folder_of(entry.name) / file.path}"


def _checksum(entry: WeightsEntry, file: File) -> str:
    if (folder_of(entry.name) / file.path).is_file():
        return _verified_digest(entry, file)
    recorded = _recorded(entry.name).get(file.path)
    return str(recorded["sha256"]) if recorded else file.sha256 or UNKNOWN


def _fingerprint(file: Path, rehash: bool = False) -> dict[str, Any]:
    status = file.stat()
    checksum = digest(file) if rehash else sha256(file)
    return {"sha256": checksum, "size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _keeps_record(name: str) -> bool:
    """Whether its files lie in the store: nothing is written into a package, or into somebody's own folder."""
    return name not in _substitutes and bundled_folder(name) is None


def _recorded(name: str) -> dict[str, Any]:
    file = folder_of(name) / RECORD_FILE
    if not _keeps_record(name) or not file.is_file():
        return {}
    try:
        files: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["files"]
        for path, facts in files.items():
            if not re.fullmatch(r"[0-9a-f]{64}", facts["sha256"]):
                raise ValueError(f"the sha256 of {path} is {facts['sha256']!r}")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsError(
            f"{file} cannot be read ({type(error).__name__}: {error}); delete it, and its checkpoint is verified anew"
        ) from error
    return {path: {"date": "an unknown date", **facts} for path, facts in files.items()}


def _remember(name: str, file: str, facts: dict[str, Any]) -> None:
    """Record a file that is in place already, where the store can be written."""
    if _keeps_record(name):
        try:
            with _lock(name):
                _record(name, file, facts)
        except OSError as error:
            logger.info("%s is not recorded: %s", name, error)


def _record(name: str, file: str, facts: dict[str, Any]) -> None:
    target = folder_of(name) / RECORD_FILE
    date = datetime.now(timezone.utc).isoformat(timespec="seconds")
    files = {**_recorded(name), file: {"date": date, **facts}}
    write_text(target, json.dumps({"schema_version": SCHEMA_VERSION, "files": files}, indent=2))


def _lock(name: str) -> BaseFileLock:
    from filelock import FileLock

    return FileLock(store() / f"{name}.lock")
