"""The samples of a benchmark: from its own folders, or from a manifest by the benchmark's own headings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..data import SampleSet, find_samples
from ..data.sample_set import is_hub
from ..files.notes import note_once
from ..files.rows import table_suffix
from ..files.text import DataError
from .definition import Suite, SuiteError


def find_suite_samples(suites: Sequence[Suite], paths: Sequence[str | os.PathLike[str]], **options: Any) -> SampleSet:
    """Return the samples that `paths` stand for, as the benchmarks name and lay them out; else as `find_samples` does.

    `options` are those of `find_samples`. Raises `DataError`, and `SuiteError` for a prompt that is an instruction
    where the benchmark's is a caption.
    """
    folders = [Path(path) for path in paths]
    if len(folders) > 1 and all(folder.is_dir() for folder in folders):
        for suite in suites:
            samples = suite.read_folders(folders[0], folders[1:], _path(options.get("prompts")))
            if samples is not None:
                _require_no_more(suite, folders[0], options)
                return samples
    preferred = {name: headings for suite in suites for name, headings in suite.headings.items()}
    chosen = options.get("columns") or {}
    if paths and (is_hub(paths[0]) or (table_suffix(folders[0]) and folders[0].is_file())):
        options["columns"] = {**preferred, **chosen}
    samples = find_samples(paths, **options)
    read_as = samples.headings.items()
    own = {name: heading for name, heading in read_as if name not in chosen and heading in preferred.get(name, ())}
    if own:
        read = ", ".join(f"{heading!r} as {name}" for name, heading in own.items())
        note_once(f"{samples.origin}: read {read}, which are the benchmark's own names")
    for suite in suites:
        _check_prompt(suite, samples, chosen)
    return samples


def systems_of(folders: Sequence[Path], inside: str = "") -> list[str | None]:
    """Return the names of the systems that made the outputs in `folders`; None for a single one.

    A folder called `inside`, which a benchmark's script makes, has its parent's name.
    """
    names = [folder.parent.name if folder.name == inside else folder.name for folder in map(Path.absolute, folders)]
    if len({*names}) < len(names):
        raise DataError(f"two folders of outputs are called {names[0]}; the folder's name is the name of the system")
    return list(names) if len(names) > 1 else [None]


def sample_id(system: str | None, name: str) -> str:
    """Return the id of a row: its name, and before it the system where there are several.

    >>> sample_id(None, "7"), sample_id("mine", "7")
    ('7', 'mine/7')
    """
    return name if system is None else f"{system}/{name}"


def _check_prompt(suite: Suite, samples: SampleSet, chosen: dict[str, str]) -> None:
    heading = samples.headings.get("prompt", "")
    if suite.prompt == "caption" and "instruction" in heading.lower() and "prompt" not in chosen:
        raise SuiteError(
            f"the prompt of the suite {suite.name} is a caption of the wanted image, and {samples.origin} has "
            f"{heading!r}; name the column of the captions: --map prompt=COLUMN"
        )


def _require_no_more(suite: Suite, folder: Path, options: dict[str, Any]) -> None:
    known = {"prompt": "--prompt", "masks": "--masks", "references": "--references", "pair_by": "--pair-by"}
    known |= {"columns": "--map", "root": "--root"}
    if extra := [flag for name, flag in known.items() if options.get(name)]:
        raise SuiteError(f"{folder} is laid out as {suite.name}'s data, which have it; leave out {', '.join(extra)}")


def _path(prompts: Any) -> Path | None:
    return None if prompts is None else Path(prompts)
