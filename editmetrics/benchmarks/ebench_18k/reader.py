"""EBench-18K (LMM4Edit): edits by 17 models of 21 tasks, rated in three respects, with a yes-or-no question.

Four files for each part, JSON lines in spite of their names, in the same order, beside the images:

    data/{test,train}_{v,e,c,yn}.json      {"query", "response", "images": [source, target]}
    sourceimg_{h,l}/MODEL/{H,L}_TT_NN.jpg  targetimg_{h,l}/MODEL/{H,L}_TT_NN.jpg

v is visual quality, e editing correspondence, c attribute preservation, yn whether the edit meets expectations. TT is
the number of the task, NN that of the source image.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...sample import Sample
from ..benchmark import Benchmark, RatedAspect, missing_rows
from ..checks import CopyChecks
from ..table_layout import rows_of

SYSTEMS = tuple(f"model{number:02}" for number in range(17))
HIGH = (
    "add", "remove", "replace", "colour", "material", "style", "action", "expression", "weather", "background",
    "counting", "position", "size",
)  # fmt: skip
LOW = (
    "deblurring", "denoising", "deraining", "desnowing", "dehazing", "low light", "shadow removal", "super-resolution",
)  # fmt: skip
TASKS = {f"H_{n:02}": name for n, name in enumerate(HIGH)} | {f"L_{n:02}": name for n, name in enumerate(LOW)}
"""The tasks, named after their instructions; the data set numbers them."""

SIZES = {"test": 216, "train": 864}
"""The number of edits of each model in a part; that of the training part is inferred from the total of 18,360."""

RATINGS = {
    "visual_quality": RatedAspect("visual quality"),
    "editing_alignment": RatedAspect("editing correspondence"),
    "attribute_preservation": RatedAspect("attribute preservation"),
    "answer": RatedAspect("whether the edit meets expectations", labels=("no", "yes"), quality=False),
}
FILES = {
    "v": ("visual_quality", "visual quality"),
    "e": ("editing_alignment", "editing correspondence"),
    "c": ("attribute_preservation", "attribute preservation"),
    "yn": ("answer", "meet the editing expectations"),
}
"""From the file's letter to its rating, and to words of its query, which reveal swapped files."""

QUERY = re.compile(r"With the image editing prompt \[(.*)\], the source image <image> is edited", re.DOTALL)
SCORE = re.compile(r"The [a-z ]*score is (\S+?)\.?")
TARGET = re.compile(r"(?:.*/)?(model\d\d)/(([HL])_(\d\d)_(\d\d))\.jpg")
KEYS = ("query", "response", "images")


@dataclass
class _Edit:
    location: str
    split: str
    source: str
    target: str
    prompt: str
    ratings: dict[str, Any] = field(default_factory=dict)


def _read(folder: Path, checks: CopyChecks) -> list[Sample]:
    below = folder / "data" if (folder / "data").is_dir() else folder
    edits: dict[str, _Edit] = {}
    for split in SIZES:
        paths = {letter: below / f"{split}_{letter}.json" for letter in FILES}
        present = {letter: path for letter, path in paths.items() if path.is_file()}
        if not present:
            continue
        for letter in FILES:
            if letter not in present:
                checks.add("file", str(below), f"has no {paths[letter].name}, though it has other files of the part")
        order = None
        for letter, path in present.items():
            names = _read_file(path, split, letter, edits, checks)
            if order is not None and names != order and sorted(names) == sorted(order):
                checks.add("file", path.name, f"has the edits of {split}_v.json in a different order; was it sorted?")
            order = order or names
    if not edits and not checks.problems:
        checks.add("file", str(below), "has no test_v.json, test_e.json, test_c.json and test_yn.json")
    images = _images_folder(folder)
    return [_sample(name, edit, images, checks) for name, edit in edits.items()]


def _read_file(path: Path, split: str, letter: str, edits: dict[str, _Edit], checks: CopyChecks) -> list[str]:
    """Add the ratings of one file to `edits`, and return the names of its edits in order."""
    rows = rows_of(path, checks, kind=".jsonl")
    columns = dict.fromkeys(name for row in rows for name in row.cells)
    if not rows or not checks.columns(path.name, columns, KEYS, ()):
        return []
    locations = []
    for row in rows:
        location = f"{path.name}, {row.location}"
        images = row.cells.get("images")
        pair = images if isinstance(images, list) and len(images) == 2 else [None, None]
        named = TARGET.fullmatch(str(pair[1]))
        if named is None or named[1] not in SYSTEMS or f"{named[3]}_{named[4]}" not in TASKS:
            expected = (
                "[source, target] with a target MODEL/{H,L}_TT_NN.jpg, model00 to model16, H_00 to H_12, L_00 to L_07"
            )
            checks.add("value", location, f"images are {images!r}; expected {expected}", location)
            continue
        name = f"{named[1]}/{named[2]}"
        locations.append((name, location))
        prompt = _prompt(row.cells.get("query"), letter, location, name, checks)
        edit = edits.setdefault(name, _Edit(location, split, str(pair[0]), str(pair[1]), prompt or ""))
        if edit.split != split:
            checks.add("twice", location, f"{name} is also in the {edit.split} part", name)
        elif (edit.source, edit.target) != (str(pair[0]), str(pair[1])) or (prompt and prompt != edit.prompt):
            checks.add("value", location, f"images or instruction of {name} differ from {edit.location}", name)
        edit.ratings[FILES[letter][0]] = _response(row.cells.get("response"), letter, location, name, checks)
    checks.once(locations, "edit")
    return [name for name, _ in locations]


def _prompt(query: Any, letter: str, location: str, name: str, checks: CopyChecks) -> str | None:
    words = FILES[letter][1]
    match = QUERY.match(query) if isinstance(query, str) else None
    if match is None or words not in query:
        checks.add("value", location, f"the query does not ask for an edit's {words!r}: {str(query)[:60]!r}", name)
        return None
    return match[1].strip()


def _response(response: Any, letter: str, location: str, name: str, checks: CopyChecks) -> float | str | None:
    if letter == "yn":
        answer = checks.choice(location, name, "response", response, RATINGS["answer"].labels, kind="rating")
    else:
        scored = SCORE.fullmatch(str(response).strip())
        if scored is None:
            checks.add("rating", location, f"response is {response!r}; expected 'The quality score is XX.XX'", name)
            return None
        return checks.number(location, name, "response", scored[1], 0, 100)
    if answer is None and response in (None, ""):
        checks.add("rating", location, "response is empty", name)
    return answer


def _sample(name: str, edit: _Edit, images: Path, checks: CopyChecks) -> Sample:
    for rating in RATINGS:
        if rating not in edit.ratings and not checks.unusable:
            checks.add("rating", edit.location, f"{name} has no {rating}: it is missing from that file", name)
    system, scene = name.split("/")
    source, target = (checks.image(edit.location, name, path, images) for path in (edit.source, edit.target))
    meta = {
        "system": system, "task": TASKS[scene[:4]], "level": "high" if scene[0] == "H" else "low", "scene": scene,
        "split": edit.split, **{k: v for k, v in edit.ratings.items() if v is not None},
    }  # fmt: skip
    return Sample(name, edited=target, source=source, prompt=edit.prompt or None, meta=meta)


def _images_folder(folder: Path) -> Path:
    below = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    return next((path for path in [folder, *below] if list(path.glob("targetimg_*"))), folder)


def _missing(samples: Sequence[Sample]) -> list[str]:
    lines = []
    for split, count in SIZES.items():
        in_split = [sample for sample in samples if sample.meta.get("split") == split]
        if in_split or split == "test":  # evaluation does not require the training part
            differences = missing_rows(in_split, "system", dict.fromkeys(SYSTEMS, count), "edits")
            lines += [f"{split}, {line}" for line in differences]
    return lines


BENCHMARK = Benchmark(
    name="ebench-18k",
    title="EBench-18K",
    paper="Xu et al., LMM4Edit, ACM MM 2025 (arXiv 2507.16193)",
    ratings=RATINGS,
    protocol="ebench-18k",
    read=_read,
    size=len(SYSTEMS) * SIZES["test"],
    unit="edits of the test part",
    missing=_missing,
    pairing={
        "perceptual_quality": "visual_quality",
        "editing_fidelity": "editing_alignment",
        "content_preservation": "attribute_preservation",
        "perception": "visual_quality",
        "correspondence": "editing_alignment",
    },
    obtain="the test ratings are in github.com/IntMeGroup/LMM4Edit (data/), whose README links the images.",
    terms="the repository states no licence, so all rights are the authors'.",
    public=True,
    split="split",
    evaluated="test",
    shown=("system", "level", "task", "split", "answer"),
)
