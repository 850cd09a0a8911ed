"""Samples from paths: folders whose images are paired by name, single files, or a manifest."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..files.rows import table_suffix
from ..files.text import DataError
from ..images import SUFFIXES, image_name, is_url, unreadable_kind
from ..sample import Sample, UnusableText
from ..wording import first_few
from .manifest import ManifestTable, read_manifest, read_parquet_files, set_of_table
from .pairing import PairBy, advice, pairs_by_pattern
from .prompts import PromptTable, read_prompt_table
from .sample_set import HOW_NAMES_MATCH, Listing, Named, SampleSet, examples, images_in, is_hub, look_up, system_names

EXPECTED = (
    "expected a source folder and one or more edited folders, a single folder, a source and an edited image, "
    "a single image, a manifest (.csv, .jsonl, .parquet, .xlsx, ...), or hf://OWNER/NAME"
)


def find_samples(
    paths: Sequence[str | os.PathLike[str]],
    *,
    prompts: str | os.PathLike[str] | None = None,
    prompt: str | None = None,
    masks: str | os.PathLike[str] | None = None,
    references: str | os.PathLike[str] | None = None,
    root: str | os.PathLike[str] | None = None,
    pair_by: str | None = None,
    columns: Mapping[str, str] | None = None,
    split: str | None = None,
) -> SampleSet:
    """The samples that `paths` stand for:

    - `source/ edited/`, or `source/ edited_a/ edited_b/`: `from_folders`, with several systems in the second form;
    - `edited/`: the same, without sources;
    - `source.png edited.png`, or `edited.png`: `from_files`;
    - `manifest.csv` (or .jsonl, .parquet, .xlsx, ...): `from_manifest`, whose paths are relative to `root`;
    - `manifest.csv edited/`, or several folders: `keys.from_keys`, whose images are called after the rows;
    - `hf://OWNER/NAME` in the place of a manifest: a data set on the hub, of which `split` names the part.

    `columns` says which heading of the manifest, or of the table of prompts, to read as which column.

    `pair_by` is a pattern of the names in folders; with it, one folder may hold sources and edits.

    Raises `DataError` for anything else.

    >>> len(find_samples(["docs/examples/source/cat.jpg", "docs/examples/edited/cat.jpg"]))
    1
    """
    for path in paths:
        if not os.path.exists(path) and not is_hub(path):
            raise DataError(f"{_why_missing(os.fspath(path))}; {EXPECTED}")
    more: dict[str, Any] = {"prompts": prompts, "prompt": prompt, "masks": masks, "references": references}
    places = [Path(path) for path in paths]
    if paths and is_hub(paths[0]):
        return _from_table(paths, lambda: _hub_table(paths[0], split), {**more, "root": root}, pair_by, columns)
    if split is not None:
        raise DataError(f"split={split} is for a data set on the hub, hf://OWNER/NAME; {EXPECTED}")
    if places and table_suffix(places[0]) and places[0].is_file():
        return _from_table(paths, lambda: read_manifest(places[0], root), more, pair_by, columns)
    if columns:
        if prompts is None or isinstance(prompts, Mapping):
            raise DataError(
                "columns are named (--map, columns=) where no table is read: neither a manifest nor prompts"
            )
        more["prompts"] = read_prompt_table(prompts, columns)
    if root is not None:
        raise DataError(
            f"root={os.fspath(root)} is the folder of a manifest's paths, and no manifest is given; {EXPECTED}"
        )
    return _from_images(places, more, pair_by)


def _from_images(places: Sequence[Path], more: Mapping[str, Any], pair_by: str | None) -> SampleSet:
    if places and all(map(os.path.isdir, places)):
        source, edited = (places[0], places[1:]) if len(places) > 1 else (None, places)
        return from_folders(source, edited, **more, pair_by=pair_by)
    if pair_by is not None:
        raise DataError(f"--pair-by ({pair_by!r}) is for images in folders; {EXPECTED}")
    if 1 <= len(places) <= 2 and all(os.path.isfile(path) and path.suffix.lower() in SUFFIXES for path in places):
        source_file = places[0] if len(places) == 2 else None
        return from_files(source_file, places[-1], **more)
    listed = ", ".join(f"{path} ({_kind(path)})" for path in places)
    raise DataError(f"nothing can be made of {listed or 'no path'}; {EXPECTED}")


def _from_table(
    paths: Sequence[str | os.PathLike[str]],
    table: Callable[[], ManifestTable],
    more: Mapping[str, Any],
    pair_by: str | None,
    columns: Mapping[str, str] | None,
) -> SampleSet:
    """The samples of a manifest, or of its keys in folders of images."""
    name, folders = os.fspath(paths[0]), [Path(path) for path in paths[1:]]
    if extra := [option for option, value in more.items() if value is not None]:
        raise DataError(f"{name} is a manifest: put {', '.join(extra)} into its columns prompt, mask, reference")
    if other := [path for path in folders if not os.path.isdir(path)]:
        raise DataError(f"{name} is a manifest: expected folders of edited images behind it, not {other[0]}")
    if folders:
        from .keys import from_keys

        return from_keys(table(), folders, columns, pair_by)
    if pair_by is not None:
        raise DataError(f"--pair-by ({pair_by!r}) is for images in folders; {EXPECTED}")
    return set_of_table(table(), columns)


def _hub_table(path: str | os.PathLike[str], split: str | None) -> ManifestTable:
    from .hub_tables import HubAddress, fetch_table

    fetched = fetch_table(HubAddress.parse(path), split, progress=sys.stderr.isatty())
    return read_parquet_files(fetched.name, fetched.files)


def _why_missing(path: str) -> str:
    if is_url(path):
        whole = re.sub(r"\A([A-Za-z][A-Za-z0-9+.-]+:)/(?!/)", r"\1//", path)  # a Path keeps one slash of the two
        return f"{whole} is a URL; download it first"
    if os.path.islink(path):
        return f"{path} is a broken symbolic link, or leads where you have no permission"
    return f"{path} does not exist"


def _kind(path: Path) -> str:
    if os.path.isdir(path):
        return "a folder"
    suffix = path.suffix.lower()
    if table_suffix(path) is None and (kind := unreadable_kind(path)):
        return f"an image that cannot be read here: {kind}"
    return "an image" if suffix in SUFFIXES else "a manifest" if table_suffix(path) else "a file of another kind"


def from_folders(
    source: str | os.PathLike[str] | None,
    edited: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    prompts: str | os.PathLike[str] | Mapping[str, str] | PromptTable | None = None,
    prompt: str | None = None,
    masks: str | os.PathLike[str] | None = None,
    references: str | os.PathLike[str] | None = None,
    systems: Sequence[str] | None = None,
    pair_by: str | None = None,
) -> SampleSet:
    """A sample for each image of the folder `source` that has an edited image of the same name.

    The name is the path inside the folder without the suffix: `source/animals/cat.jpg` is paired with
    `edited/animals/cat.png`. Names are compared exactly (in Unicode's NFC), never by order. Two files of one name in
    one folder are not paired. Without `source`, there is a sample for each edited image.

    - `edited`: one folder, or several, one for each system that is compared; then `meta["system"]` is the folder's name
      (`systems` gives others) and the id is `system/name`. With one folder and no `systems`, the id is the name.
    - `prompts`: a file for `read_prompts` (or a `read_prompt_table`), or a mapping from name (or id) to prompt;
      `prompt`: one for all. Without either, the text file beside the edited or the source image, as in `cat.txt`, is
      its prompt.
    - `masks`, `references`: folders of images with the same names (or ids).
    - `pair_by`: a pattern of the edited images' names, such as "{id}_edited", where {id} is the source's name; two, as
      in "{id}_src,{id}_edit", are the source's and the edited image's. `{n}` is a number, `{system}` the system, any
      other field a column. Without `source`, the folder holds both.

    Raises `DataError` for a folder without images, and for one of which not a single name is matched.

    >>> found = from_folders("docs/examples/source", "docs/examples/edited", prompts="docs/examples/prompts.csv")
    >>> [sample.prompt for sample in found if sample.id == "cat"]
    ['Give the cat bright blue eyes.']
    """
    folders = [Path(edited)] if isinstance(edited, (str, os.PathLike)) else [Path(folder) for folder in edited]
    source = None if source is None else Path(source)
    named_folders = [Path(folder) for folder in (source, *folders, masks, references) if folder is not None]
    sources = None if source is None else images_in(source, named_folders)
    unmatched: dict[str, list[str]] = {"ambiguous": [], "unusable": []}
    _note(sources, unmatched)
    pairs: list[Named] = []
    patterns = None if pair_by is None else PairBy.parse(pair_by)
    for folder, system in zip(folders, system_names(folders, systems), strict=True):
        edits = images_in(folder, named_folders)
        _note(edits, unmatched)
        if patterns is not None:
            pairs += pairs_by_pattern(patterns, sources or edits, edits, system, unmatched)
            continue
        matched = _pairs(sources, edits, system, unmatched)
        if not matched:
            raise DataError(_nothing_paired(sources, edits))
        pairs += matched
    return look_up(
        pairs,
        unmatched,
        prompts=prompts,
        prompt=prompt,
        masks=masks,
        references=references,
        named_folders=named_folders,
    )


def from_files(
    source: str | os.PathLike[str] | None,
    edited: str | os.PathLike[str],
    *,
    prompts: str | os.PathLike[str] | Mapping[str, str] | PromptTable | None = None,
    prompt: str | None = None,
    masks: str | os.PathLike[str] | None = None,
    references: str | os.PathLike[str] | None = None,
) -> SampleSet:
    """One sample of two files, whatever they are called, or of one without `source`; its id is the edited image's name.

    `masks` and `references` are a file each, or a folder that has one of the name of the edited or the source image;
    `prompts` are looked up by these names too. All else is as in `from_folders`.

    >>> found = from_files("docs/examples/source/cat.jpg", "docs/examples/edited/cat.jpg", prompt="blue eyes")
    >>> found.samples[0].id, found.samples[0].prompt
    ('cat', 'blue eyes')
    """
    paths = [Path(path) for path in (edited, source) if path is not None]
    names = tuple(dict.fromkeys(image_name(path.name) for path in paths))
    source = None if source is None else Path(source)
    mask, masks = (None, masks) if masks is None or os.path.isdir(masks) else (Path(masks), None)
    reference, references = (
        (None, references) if references is None or os.path.isdir(references) else (Path(references), None)
    )
    sample = Sample(names[0], edited=paths[0], source=source, mask=mask, reference=reference)
    samples = look_up([Named(sample, names)], prompts=prompts, prompt=prompt, masks=masks, references=references)
    missing = {kind: ids for kind, ids in samples.unmatched.items() if kind.startswith("without_")}
    if isinstance(prompt_of := samples.samples[0].prompt, UnusableText):
        missing["unreadable"] = [prompt_of.reason]
    return replace(samples, unmatched=missing)  # files of other images do not concern this pair


def _note(listing: Listing | None, unmatched: dict[str, list[str]]) -> None:
    if listing is not None:
        unmatched["ambiguous"] += listing.shared()
        unmatched["unusable"] += listing.unusable


def _pairs(sources: Listing | None, edits: Listing, system: str | None, unmatched: dict[str, list[str]]) -> list[Named]:
    pairs = []
    for name in sorted({*(sources.images if sources else {}), *edits.images}):
        source, edited = sources.images.get(name, []) if sources else [], edits.images.get(name, [])
        label = name if system is None else f"{system}/{name}"
        if len(source) > 1 or len(edited) > 1:
            continue
        if not edited:
            unmatched.setdefault("sources", []).append(label + edits.why_none(name))
        elif sources is not None and not source:
            unmatched.setdefault("edited", []).append(label + sources.why_none(name))
        else:
            meta = {} if system is None else {"system": system}
            sample = Sample(label, edited=edited[0], source=source[0] if source else None, meta=meta)
            pairs.append(Named(sample, (label, name)))
    return pairs


def _nothing_paired(sources: Listing | None, edits: Listing) -> str:
    if sources is None:
        shared = first_few(edits.shared())
        return f"every image in {edits.folder} shares its name with another: {shared}; {HOW_NAMES_MATCH}"
    ambiguous = first_few([*sources.shared(), *edits.shared()])
    if sources.images.keys() & edits.images.keys():
        return (
            f"no image in {edits.folder} can be paired with one in {sources.folder}: every name that both have is the "
            f"name of several files of one folder: {ambiguous}; remove or rename all but one"
        )
    message = (
        f"no image in {edits.folder} belongs to one in {sources.folder}: {sources.folder} has "
        f"{examples(sources.images)}, {edits.folder} has {examples(edits.images)}"
    )
    if ambiguous:
        message += f"; names that several files of a folder have are ambiguous, and not used: {ambiguous}"
    if unusable := [*sources.unusable, *edits.unusable]:
        message += f"; what cannot be read here: {first_few(unusable)}"
    return message + advice(sources, edits)
