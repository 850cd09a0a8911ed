"""Multimodal RewardBench 2 (MMRB2): its pairs of generated images and of edits, and which of both experts prefer.

The files that the repository's scripts build, prompts of other data sets included:

    t2i.json, edit.json      {"pairs": [{"id", "prompt_content", "response_a", "response_b", "chosen", ...}]}
    images/, input_images/   the responses, and the sources

Contents are lists of ["text", ...] and ["image", path]. Responses of its tasks interleaved.json and reasoning.json are
texts with images, and are not read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from ...files.decoding import read_json
from ...files.text import DataError
from ...sample import Sample
from ..benchmark import Benchmark, missing_rows
from ..checks import CopyChecks
from ..pair_layout import PREFERENCE, RATINGS, PairsOfCopy, edit_names

SIZES = {"t2i": 1000, "edit": 998}
"""Pairs of each task; in two more of edit.json, a response has several images."""

CHOICES = {"A": 1.0, "B": -1.0}


def _read(folder: Path, checks: CopyChecks) -> list[Sample]:
    pairs = PairsOfCopy(checks)
    files = {task: folder / f"{task}.json" for task in SIZES if (folder / f"{task}.json").is_file()}
    if not files:
        unbuilt = "; only *_response_only.json" if any(folder.glob("*_response_only.json")) else ""
        checks.add("file", str(folder), f"has no t2i.json and no edit.json{unbuilt}: build them with build_from_hf.py")
    for task, path in files.items():
        for number, pair in enumerate(_pairs_in(path, checks), 1):
            _add(task, f"{path.name}, pair {number}", pair, pairs)
    return pairs.samples()


def _pairs_in(path: Path, checks: CopyChecks) -> list[Any]:
    try:
        content = read_json(path)
    except DataError as error:
        checks.add("file", path.name, str(error))
        return []
    listed = content.get("pairs") if isinstance(content, dict) else None
    if not isinstance(listed, list):
        checks.add("file", path.name, 'has no list of pairs; expected {"pairs": [...]}')
        return []
    return listed


def _add(task: str, location: str, pair: Any, pairs: PairsOfCopy) -> None:
    """Add the pair of an entry. One of which a response is not a single image is noted, and left out."""
    cells = pair if isinstance(pair, dict) else {}
    name = str(cells.get("id") or cells.get("pair_id") or "")
    choice = CHOICES.get(str(cells.get("chosen")).upper())
    responses = [side if isinstance(side := cells.get(key), dict) else {} for key in ("response_a", "response_b")]
    prompt, *contents = map(_parts, [cells.get("prompt_content"), *(one.get("response_content") for one in responses)])
    if not name or choice is None or prompt is None or None in contents:
        expected = "an id, prompt_content, response_a and response_b with response_content, and chosen, A or B"
        pairs.checks.add("value", location, f"expected {expected}", name or location)
        return
    images = [_of_kind("image", content or ()) for content in contents]
    if any(len(listed) != 1 for listed in images):
        pairs.checks.note(
            location, f"the responses have {' and '.join(str(len(one)) for one in images)} images; left out"
        )
        return
    (edit,), (rival,) = images
    sources = _of_kind("image", prompt)
    shown: dict[str, tuple[str, Any]] = {"edited": ("response_a", edit), "rival": ("response_b", rival)}
    if sources:
        shown["source"] = ("prompt_content", sources[0] if len(sources) == 1 else sources)
    origin, models = cells.get("prompt_source"), [one.get("model_name") or one.get("model") for one in responses]
    known = {"origin": origin, "system": models[0], "rival_system": models[1]}
    meta = {"task": task, **{key: str(value) for key, value in known.items() if value}}
    preferred = {**edit_names(_item(cells, prompt), edit, rival), PREFERENCE: choice}
    text = "\n".join(_of_kind("text", prompt))
    pairs.add(f"{task}/{name}", location, shown, ("prompt_content", text), meta | preferred)


def _of_kind(kind: str, content: Iterable[tuple[str, str]]) -> list[str]:
    return [value for name, value in content if name == kind]


def _parts(content: Any) -> list[tuple[str, str]] | None:
    """The texts and images of a content; None if it is none."""
    if not isinstance(content, list):
        return None
    parts = [part for part in content if isinstance(part, list) and len(part) == 2]
    whole = len(parts) == len(content) and all(
        kind in ("text", "image") and isinstance(value, str) for kind, value in parts
    )
    return [(str(kind), str(value)) for kind, value in parts] if whole else None


def _item(cells: dict[str, Any], prompt: list[tuple[str, str]]) -> str:
    """Name the prompt of a pair: by its entry in the data set that it comes from, or by its words and images."""
    metadata = cells.get("prompt_metadata")
    own = metadata if isinstance(metadata, dict) and "id" in metadata else prompt
    return json.dumps([cells.get("prompt_source"), own], sort_keys=True, ensure_ascii=False)


BENCHMARK = Benchmark(
    name="mmrb2-images",
    title="Multimodal RewardBench 2 (MMRB2): images",
    paper="Hu et al., Multimodal RewardBench 2, arXiv 2512.16899",
    ratings=RATINGS,
    protocol="mmrb2-images",
    read=_read,
    size=sum(SIZES.values()),
    unit="pairs",
    missing=partial(missing_rows, column="task", expected=SIZES, unit="pairs"),
    pairing={"overall": PREFERENCE},
    obtain="github.com/facebookresearch/MMRB2: benchmark/build_from_hf.py writes t2i.json, edit.json and the images.",
    terms="CC BY-NC 4.0, for benchmarking only; prompts and sources have the terms of the data sets that they are of.",
    public=True,
    shown=("task", "origin"),
    headline={f"task={task}": (f"task={task}",) for task in SIZES},
    pairs=True,
    also_called=("mmrb2", "multimodal-rewardbench-2"),
)
