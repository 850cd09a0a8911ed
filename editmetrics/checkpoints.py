"""The entries of `weights_registry.json`, built-in and third-party: the facts on each checkpoint that a metric loads.

A package with metrics of its own brings its own `weights_registry.json`, and names itself in the entry-point group
`editmetrics.weights`. `docs/weights.md` describes the file; `editmetrics.weights` fetches and verifies what it lists.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import logging
import re
import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from .hub import hub_url
from .sample import EditMetricsError, UnavailableError
from .wording import did_you_mean

GROUP = "editmetrics.weights"
REGISTRY_FILE = "weights_registry.json"
SCHEMA_VERSION = 1
RECORD_FILE = "record.json"
"""The file that stands beside a checkpoint's own in the store; no checkpoint may have one of that name."""

logger = logging.getLogger(__name__)


class WeightsError(EditMetricsError):
    """A checkpoint is unknown, is not on this machine, cannot be fetched, or is not what it should be."""


class WeightsUnavailableError(WeightsError, UnavailableError):
    """A checkpoint is not on this machine, and this machine cannot fetch it now: no network, no room."""


@dataclass(frozen=True)
class File:
    """One file of a checkpoint: its path in the source and in the store, its sha256 (or the first digits) and size."""

    path: str
    sha256: str | None = None
    size: int | None = None

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012  (pydantic reads it from the class)

    def __post_init__(self) -> None:
        parts = PurePosixPath(self.path).parts
        unsafe = not parts or ".." in parts or self.path[0] in "/." or re.search(r"[\\:\0]", self.path)
        if unsafe or parts[0] == RECORD_FILE:
            raise ValueError(
                f"the file path {self.path!r} does not stay in a place of its own in the checkpoint's folder"
            )
        if self.sha256 is not None and not re.fullmatch(r"[0-9a-f]{8,64}", self.sha256):
            raise ValueError(f"sha256 {self.sha256!r} is not 8 to 64 lower-case hexadecimal digits")


@dataclass(frozen=True)
class Source:
    """Where a checkpoint comes from: the `url` of a folder, a hub `repository` (owner/name) at a `revision`, or a
    folder of an installed `package` ("editmetrics/plugins/ds_ieqa/toy"), which is not downloaded."""

    url: str | None = None
    repository: str | None = None
    package: str | None = None
    revision: str = "main"

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    def __post_init__(self) -> None:
        if [self.url, self.repository, self.package].count(None) != 2:
            raise ValueError("a source is either a url, a repository or a folder of a package")
        if self.package is not None and not re.fullmatch(r"\w+(/\w+)*", self.package):
            raise ValueError(f"the package folder {self.package!r} is not package/folder/...")
        if self.repository is not None and not re.fullmatch(r"[\w.-]+/[\w.-]+", self.repository):
            raise ValueError(f"the repository {self.repository!r} is not owner/name")

    def url_of(self, file: File) -> str:
        """The address of one file, which a person can fetch by hand.

        >>> Source(url="https://download.pytorch.org/models").url_of(File("vgg16-397923af.pth"))
        'https://download.pytorch.org/models/vgg16-397923af.pth'
        """
        if self.repository is not None:
            return hub_url(self.repository, self.revision, file.path)
        if self.package is not None:
            return f"{self.package}/{file.path}"
        return f"{self.url}/{file.path}"


@dataclass(frozen=True)
class WeightsEntry:
    """One entry of the registry; `docs/weights.md` describes each field."""

    name: str
    metric: str
    source: Source
    files: tuple[File, ...]
    megabytes: float | None
    licence: str
    commercial_use: bool | Literal["unknown"]
    paper: str
    label_scale: str | None = None
    inferred: str | None = None
    doubtful: str | None = None
    alternatives: tuple[str, ...] = ()

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", self.name):
            raise ValueError(f"the name {self.name!r} is not lower-case letters, digits, '.', '_' and '-'")
        if not self.files:
            raise ValueError(f"{self.name} has no files")
        if self.alternatives and (self.inferred is None or self.source.repository is None):
            raise ValueError(f"{self.name} has alternatives, which are for inferred names in a repository")
        for path in (path for file in self.files for path in self.paths_of(file)):
            File(path)  # raises where one does not stay in the checkpoint's folder

    def paths_of(self, file: File) -> list[str]:
        """Where in its source a file may be: at its path, or with another folder in the place of its first one.

        >>> entry = checkpoint("edit_hf.alignment")
        >>> entry.paths_of(entry.files[-1])
        ['lora_checkpoints_editing/mlp_head.pth', 'lora_checkpoints_alignment/mlp_head.pth']
        """
        _, _, inside = file.path.partition("/")
        return [file.path, *(f"{folder}/{inside or file.path}" for folder in self.alternatives)]

    @property
    def size(self) -> str:
        """The approximate download size, in words; "size unknown" if it is not stated."""
        return "size unknown" if self.megabytes is None else f"about {self.megabytes:g} MB"

    @property
    def doubts(self) -> str:
        """Facts of the entry that could not be confirmed, in words; "" where all were seen in public sources."""
        return "; ".join(filter(None, (self.inferred and f"file names are inferred: {self.inferred}", self.doubtful)))

    def file(self, path: str) -> File:
        """The file at `path`."""
        for file in self.files:
            if file.path == path:
                return file
        raise WeightsError(f"{self.name} has no file {path!r}; it has {', '.join(file.path for file in self.files)}")


def registered() -> dict[str, WeightsEntry]:
    """All checkpoints that are known, by name: the built-in ones, then those of other packages.

    >>> registered()["lpips-alexnet"].metric
    'lpips'
    """
    return _registries()[0]


def is_registered(name: str) -> bool:
    """Return whether there is a checkpoint `name`; for a built-in one without pydantic, so that constructing is light.

    >>> is_registered("lpips-alexnet"), is_registered("lpips-alexnet-2")
    (True, False)
    """
    return name in _built_in() or ("/" not in name and name in registered())


def broken_registries() -> list[str]:
    """The problems with registries of other packages, one sentence each; valid registries are used all the same."""
    return _registries()[1]


def checkpoint(name: str) -> WeightsEntry:
    """The checkpoint `name`; `WeightsError` with the nearest names if it does not exist.

    >>> checkpoint("lpips-vgg1")
    Traceback (most recent call last):
    editmetrics.checkpoints.WeightsError: no checkpoint is named 'lpips-vgg1'. Did you mean 'lpips-vgg16'?
    """
    known = registered()
    if name not in known:
        advice = did_you_mean(name, known) or f" There are {', '.join(known)}"
        raise WeightsError(f"no checkpoint is named {name!r}.{advice}")
    return known[name]


def file_paths(name: str) -> list[str]:
    """The paths of the files of the checkpoint `name`. For a built-in one without pydantic: listing stays light.

    >>> file_paths("lpips-alexnet")
    ['alexnet-owt-7be5be79.pth']
    """
    if name in _built_in():
        return [file["path"] for file in _built_in()[name]["files"]]
    return [file.path for file in checkpoint(name).files]


def size_and_licence(name: str) -> tuple[float | None, str]:
    """The size in MB, None if it is not stated, and the licence of a checkpoint; light for a built-in one.

    >>> size_and_licence("dists")
    (0.01, 'MIT')
    """
    if name in _built_in():
        return _built_in()[name]["megabytes"], _built_in()[name]["licence"]
    entry = checkpoint(name)
    return entry.megabytes, entry.licence


def bundled_folder(name: str) -> Path | None:
    """The folder of a package, installed or not, that holds the checkpoint `name`; None for one that is downloaded.

    >>> bundled_folder("lpips-alexnet") is None
    True
    """
    source = _built_in()[name]["source"].get("package") if name in _built_in() else checkpoint(name).source.package
    if not source:
        return None
    try:
        return _package_folder(source)
    except WeightsError:  # a package that is not installed: where it would be
        return Path(sysconfig.get_path("purelib"), *source.split("/"))


def missing_from_package(entry: WeightsEntry, target: Path) -> WeightsError:
    """Return the error for a file of a checkpoint in a package: the package is not installed, or it is damaged."""
    package = str(entry.source.package).partition("/")[0]
    if importlib.util.find_spec(package) is None:
        return WeightsUnavailableError(
            f"{entry.name} comes with the package {package}, which is not installed here: pip install {package}"
        )
    return WeightsError(f"{target} is missing from the installed package; install it again")


def registry_file() -> Path:
    """The built-in registry: inside the installed package, or at the root of a source checkout."""
    package = Path(__file__).parent
    installed = package / REGISTRY_FILE
    return installed if installed.is_file() else package.parent / REGISTRY_FILE


@cache
def _registries() -> tuple[dict[str, WeightsEntry], list[str]]:
    known = _validated(_built_in(), registry_file())
    broken: list[str] = []
    points = importlib.metadata.entry_points(group=GROUP)
    for point in sorted(points, key=lambda point: (point.dist.name if point.dist else "", point.value)):
        try:
            file = _file_in_package(point.value)
            entries = _validated(_read(file), file)
        except WeightsError as error:
            broken.append(f"the entry point {point.name} = {point.value} of {GROUP} cannot be used: {error}")
            continue
        for name, entry in entries.items():
            if name in known:
                broken.append(f"{file}: {name} is left out; a built-in checkpoint or another package has that name")
            else:
                known[name] = entry
    for sentence in broken:
        logger.warning(sentence)
    return known, broken


@cache
def _built_in() -> dict[str, Any]:
    return _read(registry_file())


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        version, entries = content["schema_version"], content["checkpoints"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise WeightsError(f"{file} is not a weights registry: {type(error).__name__}: {error}") from error
    if version != SCHEMA_VERSION or not isinstance(entries, dict):
        raise WeightsError(f"{file} has schema_version {version!r}; this version of editmetrics reads {SCHEMA_VERSION}")
    return entries


def _validated(entries: dict[str, Any], file: Path) -> dict[str, WeightsEntry]:
    from pydantic import TypeAdapter, ValidationError

    try:
        named = {name: {**entry, "name": name} for name, entry in entries.items()}
        return TypeAdapter(dict[str, WeightsEntry]).validate_python(named)
    except (ValidationError, TypeError) as error:
        raise WeightsError(f"{file} is not a weights registry: {error}") from error


def _file_in_package(package: str) -> Path:
    """The registry in `package`, found without importing it."""
    return _package_folder(package) / REGISTRY_FILE


def _package_folder(path: str) -> Path:
    """The folder of `package/folder/...`, found without importing the package."""
    package, *folders = path.split("/")
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        spec = None
    locations = list(spec.submodule_search_locations or []) if spec else []
    if not locations:
        raise WeightsError(f"the package {package} is not installed")
    return Path(locations[0], *folders)
