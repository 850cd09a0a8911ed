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
    if folders and all(folder.is_dir() for folder in folders):
        for suite in suites:
            if (samples := _from_own_folders(suite, folders, options)) is not None:
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


def _from_own_folders(suite: Suite, folders: Sequence[Path], options: dict[str, Any]) -> SampleSet | None:
    """The samples of the benchmark's own folders; None for others, which are paired by the names of images."""
    if suite.folders is None:
        return None
    prompts = _path(options.get("prompts"))
    if len(folders) > 1 and (samples := suite.folders.read(folders[0], folders[1:], prompts)) is not None:
        _require_no_more(suite, folders[0], options)
        return samples
    wanted = f"expected the benchmark's folder ({suite.folders.data}) and then one or more folders of outputs"
    for later in folders[len(folders) > 1 :]:
        try:
            data = suite.folders.read(later, folders[:1], prompts) is not None
        except DataError:  # it is the benchmark's, and these outputs are not its
            data = True
        if data:
            raise SuiteError(f"{later} is {suite.name}'s data; {wanted}: {later} OUTPUTS")
    if not any(options.get(name) for name in ("references", "masks", "pair_by")):
        note_once(f"{folders[0]} is not laid out as {suite.name}'s data, and images are paired by name; {wanted}")
    return None


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
