"""Compare entries of the weights registry with what their sources say now, for `editmetrics weights check --remote`.

Nothing is downloaded: the hub gives the list of a repository's files in one request, a site the size of a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal
from urllib.parse import urlsplit

from .checkpoints import File, WeightsEntry, checkpoint
from .downloads import DownloadError, UnreachableError, content_length
from .hub import HubRepository, look_up
from .wording import first_few

GONE = {"RepositoryNotFoundError", "RevisionNotFoundError", "DisabledRepoError", "EntryNotFoundError"}
"""Errors of the hub client that say that something was removed or renamed."""

COMMIT_LENGTH = 40
"""Digits of a commit; a revision of another length is a branch or a tag."""

State = Literal["unchanged", "moved", "not asked"]


@dataclass(frozen=True)
class SourceCheck:
    """One entry against its source: `moved` where they differ, `not asked` without an answer; `details` say how."""

    name: str
    state: State
    details: tuple[str, ...] = ()


def compare(names: Iterable[str]) -> Iterator[SourceCheck]:
    """Compare each named checkpoint that is downloaded with its source; those of packages are left out.

    A host that could not be reached is not asked again, and a repository only once.
    """
    ask = cache(look_up)
    unreachable: dict[tuple[bool, str], str] = {}  # by whether it is the hub, and by host: the first checkpoint
    for name in names:
        entry = checkpoint(name)
        if entry.source.package is not None:
            continue
        host = entry.source.repository is not None, urlsplit(entry.source.url_of(entry.files[0])).netloc
        if host in unreachable:
            yield SourceCheck(name, "not asked", (f"{host[1]} could not be reached for {unreachable[host]}",))
            continue
        try:
            differences, notes = _on_hub(entry, ask) if entry.source.repository else _on_site(entry)
        except DownloadError as error:
            if isinstance(error, UnreachableError):
                unreachable[host] = name
            yield SourceCheck(name, "moved" if _is_gone(error) else "not asked", (str(error),))
            continue
        yield SourceCheck(name, "moved" if differences else "unchanged", (*differences, *notes))


def _on_hub(entry: WeightsEntry, ask: Callable[[str, str], HubRepository]) -> tuple[list[str], list[str]]:
    """The differences from the registry, and notes on what else is worth knowing."""
    repository, revision = str(entry.source.repository), entry.source.revision
    remote = ask(repository, revision)
    differences = [text for file in entry.files for text in _file_differences(entry, file, remote)]
    if text := _licence_difference(entry.licence, remote.licence):
        differences.append(text)
    notes = [f"asks for consent: https://huggingface.co/{repository}"] if remote.gated else []
    for file in entry.files:
        path = next((path for path in entry.paths_of(file) if path in remote.files), file.path)
        if path != file.path:
            notes.append(f"{file.path} is at {path} there")
    if len(revision) == COMMIT_LENGTH:
        latest = ask(repository, "main").commit
        if latest not in (None, revision):
            notes.append(f"pinned at {revision[:7]}; main is at {str(latest)[:7]}")
    else:
        notes.append(f"not pinned; {revision} is at {str(remote.commit)[:7]}")
    return differences, notes


def _file_differences(entry: WeightsEntry, file: File, remote: HubRepository) -> Iterator[str]:
    known = next((remote.files[path] for path in entry.paths_of(file) if path in remote.files), None)
    if known is None:
        others = first_few(sorted(remote.files), 6) or "no files"
        yield f"has no {' and no '.join(entry.paths_of(file))}; it has {others}"
        return
    if file.size is not None and known.size is not None and known.size != file.size:
        yield f"{file.path} has {known.size} bytes, registered are {file.size}"
    if file.sha256 is not None and known.sha256 is not None and not known.sha256.startswith(file.sha256):
        yield f"{file.path} has sha256 {known.sha256}, registered is {file.sha256}"


def _licence_difference(registered: str, stated: str | None) -> str | None:
    """Whether the hub's licence tag and the registry's text disagree, in words.

    >>> _licence_difference("Apache-2.0 (repository)", "apache-2.0"), _licence_difference("not stated", None)
    (None, None)
    >>> _licence_difference("not stated (the code: MIT)", "mit")
    "states the licence mit, registered is 'not stated (the code: MIT)'"
    """
    own = registered.partition("(")[0].partition(";")[0].lower()
    if stated is None:
        return None if own.startswith("not stated") else f"states no licence any more, registered is {registered!r}"
    return None if stated.lower() in own else f"states the licence {stated}, registered is {registered!r}"


def _on_site(entry: WeightsEntry) -> tuple[list[str], list[str]]:
    differences = []
    for file in entry.files:
        size = content_length(entry.source.url_of(file))
        if file.size is not None and size is not None and size != file.size:
            differences.append(f"{file.path} has {size} bytes, registered are {file.size}")
    return differences, ["its checksum cannot be asked for"]


def _is_gone(error: DownloadError) -> bool:
    if isinstance(error, UnreachableError):
        return False
    names = {cls.__name__ for cls in type(error.__cause__).__mro__}
    status = getattr(getattr(error.__cause__, "response", None), "status_code", None)
    return bool(names & GONE) or status in (404, 410)
