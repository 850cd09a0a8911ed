"""Files of repositories on the Hugging Face hub: their addresses, what the hub says of them, and their download.

Every error names the repository and the file, and says what to do: who is asked for access, which variable to set.
A data set is called `datasets/OWNER/NAME`, as in the addresses of the hub.
"""

from __future__ import annotations

import glob
import os
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .downloads import DownloadError, UnreachableError, check_online, check_url, is_unreachable
from .wording import error_in_one_line


@dataclass(frozen=True)
class HubFile:
    """Facts on a file as the hub states them: its size in bytes, and the sha256 of a large one (LFS or Xet)."""

    size: int | None
    sha256: str | None


@dataclass(frozen=True)
class HubRepository:
    """Facts on a repository at a revision as the hub states them: its commit, licence, access, and files by path.

    `card` is the head of its README.
    """

    commit: str | None
    licence: str | None
    gated: bool
    files: Mapping[str, HubFile]
    card: Mapping[str, Any] = field(default_factory=dict)


def hub_url(repository: str, revision: str, file: str) -> str:
    """The address of a file on the hub, or on the mirror that HF_ENDPOINT names.

    >>> hub_url("timm/vit_base_patch32_clip_224.openai", "main", "config.json")
    'https://huggingface.co/timm/vit_base_patch32_clip_224.openai/resolve/main/config.json'
    """
    return f"{endpoint()}/{repository}/resolve/{urllib.parse.quote(revision, safe='')}/{urllib.parse.quote(file)}"


def endpoint() -> str:
    """The address of the hub: HF_ENDPOINT, or https://huggingface.co.

    >>> endpoint()
    'https://huggingface.co'
    """
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"


def is_cached(repository: str) -> bool:
    """Whether the hub's own cache on this machine has a snapshot of the repository, complete or not."""
    cache = os.environ.get("HF_HUB_CACHE") or os.path.join(os.environ.get("HF_HOME", "~/.cache/huggingface"), "hub")
    folder = Path(cache).expanduser() / f"models--{repository.replace('/', '--')}" / "snapshots"
    return folder.is_dir() and any(folder.iterdir())


def fetch_from_hub(
    repository: str,
    revision: str,
    file: str,
    folder: Path,
    *,
    progress: bool = False,
    check: Callable[[HubFile], None] = lambda facts: None,
) -> tuple[Path, str | None]:
    """Download one file of a hub repository under `folder`; returns its path and the commit that it is from.

    `check` is called with what the hub says of the file, before anything is downloaded, and may raise.
    A download that breaks resumes where it broke: at once or at the next call, as the version of huggingface_hub has
    it. `folder` keeps what that needs.
    Raises `DownloadError`: no such repository, revision or file, no permission; `UnreachableError`: no network, a
    server that is down or slow, a quota that is used up.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_download

    check_online()
    url = hub_url(repository, revision, file)
    check_url(url)
    try:
        known = get_hf_file_metadata(url)
    except Exception as error:  # the hub client's errors and those of its HTTP library share no ancestor
        raise hub_failure(repository, revision, file, error) from error
    check(HubFile(known.size, _sha256(known.etag)))
    try:
        with hub_progress(progress):
            path = hf_hub_download(
                repository, file, revision=known.commit_hash or revision, local_dir=folder, endpoint=endpoint()
            )
    except Exception as error:
        raise hub_failure(repository, revision, file, error) from error
    return Path(path), known.commit_hash


def stated_sha256(file: Path) -> str | None:
    """The sha256 that the hub stated for a file when its client downloaded it; None where it is not known.

    In the hub's cache it is the name of the file that a link leads to; beside a folder that was downloaded, as `hf
    download --local-dir` does, it is noted in `.cache/huggingface`. The note of a file that was written again later is
    ignored, as the client does.
    """
    target = file.resolve()
    if target.parent.name == "blobs":
        return _sha256(target.name)
    try:
        note = file.parent / ".cache" / "huggingface" / "download" / f"{file.name}.metadata"
        _, etag, noted = note.read_text(encoding="utf-8").split("\n")[:3]
        return _sha256(etag.strip()) if file.stat().st_mtime - 1 <= float(noted) else None
    except (OSError, ValueError):
        return None


def look_up(repository: str, revision: str = "main") -> HubRepository:
    """Ask the hub about a repository at a revision, in one request; downloads no file.

    Raises `DownloadError` and `UnreachableError` as `fetch_from_hub` does.
    """
    from huggingface_hub import HfApi

    check_online()
    check_url(endpoint())
    kind, name = _kind(repository)
    try:
        info: Any = HfApi(endpoint=endpoint()).repo_info(name, repo_type=kind, revision=revision, files_metadata=True)
    except Exception as error:
        raise hub_failure(repository, revision, None, error) from error
    licences = [tag.partition(":")[2] for tag in info.tags or () if tag.startswith("license:")]
    files = {each.rfilename: HubFile(each.size, each.lfs.sha256 if each.lfs else None) for each in info.siblings or ()}
    card = info.card_data.to_dict() if info.card_data else {}
    return HubRepository(info.sha, licences[0] if licences else None, bool(info.gated), files, card)


def cached_file(repository: str, commit: str, file: str) -> Path | None:
    """The file in the hub's own cache on this machine, which other programs share; else None."""
    from huggingface_hub import try_to_load_from_cache

    kind, name = _kind(repository)
    path = try_to_load_from_cache(name, file, revision=commit, repo_type=kind)
    return Path(path) if isinstance(path, str) else None


def fetch_files(repository: str, commit: str, files: Sequence[str], *, progress: bool = False) -> Path:
    """Download files into the hub's own cache, unless they are in it, and return the folder that has them all.

    A download that broke resumes. Raises `DownloadError` and `UnreachableError` as `fetch_from_hub` does.
    """
    cached = [cached_file(repository, commit, file) for file in files]
    if files and cached[0] is not None and None not in cached:
        return Path(str(cached[0]).removesuffix(os.path.normpath(files[0])))
    from huggingface_hub import snapshot_download

    check_online()
    check_url(endpoint())
    kind, name = _kind(repository)
    patterns = [glob.escape(file) for file in files]
    try:
        with hub_progress(progress):
            folder = snapshot_download(
                name, revision=commit, repo_type=kind, allow_patterns=patterns, endpoint=endpoint()
            )
    except Exception as error:  # the hub client's errors and those of its HTTP library share no ancestor
        raise hub_failure(repository, commit, None, error) from error
    return Path(folder)


def _kind(repository: str) -> tuple[str, str]:
    """The kind of a repository in the hub client's words, and its name there."""
    name = repository.removeprefix("datasets/")
    return ("model" if name == repository else "dataset"), name


def hub_failure(repository: str, revision: str, file: str | None, error: Exception) -> DownloadError:
    """The error of a request to the hub, with the name of what was asked for, and what to do."""
    asked = f"{repository}/{file} at {revision}" if file else f"{repository} at {revision}"
    error = answer_behind(error)
    kind = UnreachableError if is_unreachable(error) else DownloadError
    return kind(
        f"{asked}: {advice(repository, revision, file, error)} ({endpoint()} answered {error_in_one_line(error)})"
    )


def answer_behind(error: Exception) -> Exception:
    """The answer of the hub behind an error that says no more than that a file is not on this machine."""
    cause = error.__cause__
    return cause if type(error).__name__ == "LocalEntryNotFoundError" and isinstance(cause, Exception) else error


def advice(repository: str, revision: str, file: str | None, error: BaseException) -> str:
    """The cause of a failed request to the hub, and what to do about it, in words.

    >>> advice("some/model", "main", None, TimeoutError("timed out"))
    'the hub cannot be reached; check the network, HF_ENDPOINT and HTTPS_PROXY, then run the same command again'
    """
    names = {cls.__name__ for cls in type(error).__mro__}
    status = getattr(getattr(error, "response", None), "status_code", None)
    page = f"{endpoint()}/{repository}"
    token = "set HF_TOKEN to a token of an account that has it (or run 'hf auth login')"  # noqa: S105
    if "GatedRepoError" in names:
        return f"its authors ask for consent; ask for access on {page}, then {token}"
    if "DisabledRepoError" in names:
        return f"the hub has disabled this repository; see {page}"
    if "RevisionNotFoundError" in names:
        return f"the repository has no revision {revision}; see {page}/commits/main, or update editmetrics"
    if "EntryNotFoundError" in names and status is not None:
        return f"the repository has no file {file}; see {page}/tree/{revision}"
    if "RepositoryNotFoundError" in names:
        return f"the repository does not exist, or is private; see {page}. If it is private, {token}"
    if status == 401:
        return "the token in HF_TOKEN (or of 'hf auth login') is not valid; correct it, or remove it for public files"
    if status == 403:
        return f"access is denied; see {page}. If the account has access, let its token read this repository"
    if status == 429:
        return "the hub's quota for this address or account is used up; wait some minutes, or set HF_TOKEN"
    if status is not None and status >= 500:
        return "the hub has a problem now; run the same command again later"
    if "FileMetadataError" in names:
        return f"{endpoint()} does not answer as the hub does (X-Repo-Commit is missing); correct HF_ENDPOINT"
    if is_unreachable(error):
        return (
            "the hub cannot be reached; check the network, HF_ENDPOINT and HTTPS_PROXY, then run the same command again"
        )
    return f"the download failed; see {page}"


@contextmanager
def hub_progress(wanted: bool) -> Iterator[None]:
    """The hub client draws its bars, or does not, inside a `with`."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    if wanted or are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def _sha256(etag: str | None) -> str | None:
    """The sha256 in the ETag of a large file; that of a small one is git's sha1."""
    return etag if etag is not None and len(etag) == 64 else None
