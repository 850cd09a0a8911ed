"""Data sets on the Hugging Face hub as manifests: `hf://OWNER/NAME`, a split of it, its files in the hub's cache.

Only parquet files are read. Where authors published others, the hub's own conversion is taken (the branch
`refs/convert/parquet`). No code of a data set is ever run.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from ..downloads import UnreachableError
from ..file_hashes import home
from ..files.notes import note_once
from ..files.text import DataError
from ..files.writing import replacing
from ..hub import HubFile, HubRepository, cached_file, fetch_files, look_up
from ..wording import did_you_mean, first_few, in_words, plural

CONVERTED = "refs/convert/parquet"
"""The branch with the hub's conversion of a data set."""

_SHARD = re.compile(r"-\d{5}-of-\d{5}(-[0-9a-f]+)?$")

Key = tuple[str, str]
"""A configuration, and a split of it."""


@dataclass(frozen=True)
class HubAddress:
    """The address of a data set: `hf://OWNER/NAME[@REVISION][/CONFIGURATION or /FILE]`.

    >>> HubAddress.parse("hf://stepfun-ai/GEdit-Bench@0a1b/data")
    HubAddress(repository='datasets/stepfun-ai/GEdit-Bench', revision='0a1b', inner='data')
    """

    repository: str
    revision: str = "main"
    inner: str = ""

    @classmethod
    def parse(cls, address: str | os.PathLike[str]) -> HubAddress:
        """Raises `DataError` for another text."""
        text = os.fspath(address).replace("\\", "/")
        parts = re.fullmatch(r"hf:/+(?:datasets/)?([\w.-]+/[\w.-]+)(?:@([\w.-]+|refs/[\w./-]+?))?(?:/(.*))?", text)
        if parts is None:
            raise DataError(f"{text}: expected hf://OWNER/NAME, the address of a data set on the hub")
        return cls(f"datasets/{parts[1]}", parts[2] or "main", (parts[3] or "").strip("/"))

    def __str__(self) -> str:
        revision = "" if self.revision == "main" else f"@{self.revision}"
        return f"hf://{self.repository.removeprefix('datasets/')}{revision}" + (f"/{self.inner}" if self.inner else "")


@dataclass(frozen=True)
class HubTable:
    """The files of one split on this machine; `name` says what and of which commit."""

    name: str
    files: tuple[Path, ...]


def fetch_table(address: HubAddress, split: str | None = None, *, progress: bool = False) -> HubTable:
    """Download the files of one split, unless the hub's cache has them; says first how large they are, and the licence.

    Raises `DataError` for a data set without parquet files, and where a split or configuration has to be chosen;
    `DownloadError` and `UnreachableError` for what the hub answers.
    """
    facts, part, files = files_of_split(address, split)
    commit = facts.commit or address.revision
    tell_download(str(address), facts, address.repository, files)
    folder = fetch_files(address.repository, commit, files, progress=progress)
    return HubTable(f"{HubAddress(address.repository, commit[:12])} {part}", tuple(folder / file for file in files))


def files_of_split(address: HubAddress, split: str | None) -> tuple[HubRepository, str, Sequence[str]]:
    """Return what the hub says of a data set, and the name and files of one split; downloads nothing.

    Raises the errors of `fetch_table`.
    """
    facts = listing(address.repository, address.revision)
    tables = _tables(facts)
    if not tables and address.revision == "main":
        facts = listing(address.repository, CONVERTED)
        tables = _tables(facts)
    if not tables:
        kinds = sorted({os.path.splitext(name)[1] for name in facts.files} - {"", ".md"})
        raise DataError(
            f"{address} has no parquet files, only {', '.join(kinds) or 'none'}; download it and score its files"
        )
    (configuration, chosen), files = _one(address, tables, split)
    return facts, chosen if configuration == "default" else f"{configuration}/{chosen}", files


def tell_download(name: str, facts: HubRepository, repository: str, files: Sequence[str]) -> None:
    """Say what is about to be downloaded, and under which licence; nothing where all is in the cache."""
    missing = [file for file in files if cached_file(repository, facts.commit or "main", file) is None]
    if missing:
        sizes = [facts.files[file].size for file in missing]
        size = in_words(sum(filter(None, sizes)) / 1e6 if all(sizes) else None)
        licence = facts.licence or "not stated"
        note_once(f"{name}: downloading {plural(len(missing), 'file')}, {size}; licence: {licence} ")


def listing(repository: str, revision: str) -> HubRepository:
    """Return what the hub says of a data set; without a network, what it said the last time, with a note."""
    kept = home() / "data_sets" / f"{repository.removeprefix('datasets/')}@{revision}.json".replace("/", "--")
    try:
        facts = look_up(repository, revision)
    except UnreachableError as error:
        if not kept.is_file():
            raise
        known = json.loads(kept.read_text(encoding="utf-8"))
        note_once(
            f"{repository}: the hub was not asked ({error}); taking the commit {known['commit']} of the last time"
        )
        return HubRepository(
            known["commit"],
            known["licence"],
            False,
            {name: HubFile(size, None) for name, size in known["files"].items()},
            {"configs": known["configs"]},
        )
    kept.parent.mkdir(parents=True, exist_ok=True)
    with replacing(kept) as temporary:
        sizes = {name: file.size for name, file in facts.files.items()}
        configs = facts.card.get("configs")
        described = {"commit": facts.commit, "licence": facts.licence, "files": sizes, "configs": configs}
        temporary.write_text(json.dumps(described, default=str), encoding="utf-8")
    return facts


def _one(address: HubAddress, tables: Mapping[Key, Sequence[str]], split: str | None) -> tuple[Key, Sequence[str]]:
    """Choose the table that is meant; `DataError`, naming all of them, where more than one may be."""
    kept = dict(tables)
    if address.inner:
        kept = {
            key: [f for f in files if key[0] == address.inner or _within(f, address.inner)]
            for key, files in kept.items()
        }
        kept = {key: files for key, files in kept.items() if files}
        if not kept:
            known = sorted({configuration for configuration, _ in tables})
            raise DataError(
                f"{address}: no configuration, folder or file {address.inner!r}; expected one of {first_few(known, 12)}"
            )
    elif len({configuration for configuration, _ in kept}) > 1 and any(key[0] == "default" for key in kept):
        kept = {key: files for key, files in kept.items() if key[0] == "default"}
    splits = sorted({name for _, name in kept})
    if split is not None:
        kept = {key: files for key, files in kept.items() if key[1] == split}
        if not kept:
            raise DataError(
                f"{address} has no split {split!r}; expected one of {', '.join(splits)}.{did_you_mean(split, splits)}"
            )
    configurations = sorted({configuration for configuration, _ in kept})
    if len(configurations) > 1:
        raise DataError(
            f"{address} has several configurations: {first_few(configurations, 12)}; choose one, as in "
            f"hf://{address.repository.removeprefix('datasets/')}/{configurations[0]}"
        )
    if len(kept) > 1:
        test = "test" if "test" in splits else splits[0]
        raise DataError(f"{address} has several splits: {', '.join(splits)}; choose one, as in --split {test}")
    return next(iter(kept.items()))


def _within(file: str, inner: str) -> bool:
    return file == inner or file.startswith(f"{inner}/")


def _tables(facts: HubRepository) -> dict[Key, list[str]]:
    """The parquet files of each split: as the card says, or else by their names."""
    files = sorted(name for name in facts.files if name.endswith(".parquet"))
    tables: dict[Key, list[str]] = {}
    for configuration, split, patterns in _configured(facts.card.get("configs")):
        matched = [file for file in files if any(_matches(file, pattern) for pattern in patterns)]
        if matched:
            tables.setdefault((configuration, split), []).extend(matched)
    if not tables:
        for file in files:
            tables.setdefault(_by_name(file), []).append(file)
    return tables


def _configured(configs: Any) -> Iterator[tuple[str, str, Sequence[str]]]:
    """Configuration, split and patterns of files, as the head of a card has them."""
    for config in configs if isinstance(configs, list) else ():
        data_files = config.get("data_files") if isinstance(config, Mapping) else None
        name = str(config.get("config_name", "default")) if data_files else ""
        if isinstance(data_files, str) or (
            isinstance(data_files, list) and all(isinstance(f, str) for f in data_files)
        ):
            yield name, "train", _listed(data_files)
        elif isinstance(data_files, list):
            for one in data_files:
                if isinstance(one, Mapping) and one.get("path"):
                    yield name, str(one.get("split", "train")), _listed(one["path"])


def _listed(patterns: str | Iterable[str]) -> list[str]:
    return [patterns] if isinstance(patterns, str) else [str(pattern) for pattern in patterns]


def _matches(file: str, pattern: str) -> bool:
    return fnmatchcase(file, pattern) or fnmatchcase(file, pattern.replace("**/", ""))


def configuration_of(file: str) -> str:
    """Return the configuration that a parquet file belongs to by its path, "default" for none."""
    return _by_name(file)[0]


def _by_name(file: str) -> Key:
    """The configuration and split of a file by its path.

    >>> _by_name("data/test-00000-of-00002.parquet"), _by_name("gold/dev-00000-of-00001-0abc.parquet")
    (('default', 'test'), ('gold', 'dev'))
    >>> _by_name("default/train/0000.parquet"), _by_name("test/part.parquet")
    (('default', 'train'), ('test', 'part'))
    """
    *folders, name = file.removesuffix(".parquet").split("/")
    split = _SHARD.sub("", name)
    if split.isdigit() and folders:
        *folders, split = folders
    folders = folders[1:] if folders[:1] == ["data"] else folders
    return "/".join(folders) or "default", split
