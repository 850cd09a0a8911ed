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
from ..benchmark import Benchmark, Rating, missing_rows
from ..findings import Findings
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
"""What each task's instructions ask for; the data set numbers its tasks and does not name them."""

SIZES = {"test": 216, "train": 864}
"""How many edits of each model the parts have; that of the training part is inferred from the total of 18,360."""

RATINGS = {
    "visual_quality": Rating("visual quality"),
    "editing_alignment": Rating("editing correspondence"),
    "attribute_preservation": Rating("attribute preservation"),
    "answer": Rating("whether the edit meets expectations", labels=("no", "yes"), quality=False),
}
FILES = {
    "v": ("visual_quality", "visual quality"),
    "e": ("editing_alignment", "editing correspondence"),
    "c": ("attribute_preservation", "attribute preservation"),
    "yn": ("answer", "meet the editing expectations"),
}
"""From the file's letter to its rating, and to words of its query by which files that were swapped are found."""

QUERY = re.compile(r"With the image editing prompt \[(.*)\], the source image <image> is edited", re.DOTALL)
SCORE = re.compile(r"The [a-z ]*score is (\S+?)\.?")
TARGET = re.compile(r"(?:.*/)?(model\d\d)/(([HL])_(\d\d)_(\d\d))\.jpg")
KEYS = ("query", "response", "images")


@dataclass
class _Edit:
    place: str
    split: str
    source: str
    target: str
    prompt: str
    ratings: dict[str, Any] = field(default_factory=dict)


def _read(folder: Path, findings: Findings) -> list[Sample]:
    below = folder / "data" if (folder / "data").is_dir() else folder
    edits: dict[str, _Edit] = {}
    for split in SIZES:
        there = {letter: below / f"{split}_{letter}.json" for letter in FILES}
        found = {letter: path for letter, path in there.items() if path.is_file()}
        if not found:
            continue
        for letter in FILES:
            if letter not in found:
                findings.add("file", str(below), f"has no {there[letter].name}, though others of its part are there")
        order = None
        for letter, path in found.items():
            names = _read_file(path, split, letter, edits, findings)
            if order is not None and names != order and sorted(names) == sorted(order):
                findings.add("file", path.name, f"has the edits of {split}_v.json in another order; was it sorted?")
            order = order or names
    if not edits and not findings.problems:
        findings.add("file", str(below), "has no test_v.json, test_e.json, test_c.json and test_yn.json")
    images = _images_folder(folder)
    return [_sample(name, edit, images, findings) for name, edit in edits.items()]


def _read_file(path: Path, split: str, letter: str, edits: dict[str, _Edit], findings: Findings) -> list[str]:
    """Add the ratings of one file to `edits`, and return the names of its edits in order."""
    rows = rows_of(path, findings, kind=".jsonl")
    columns = dict.fromkeys(name for row in rows for name in row.cells)
    if not rows or not findings.columns(path.name, columns, KEYS, ()):
        return []
    places = []
    for row in rows:
        place = f"{path.name}, {row.location}"
        images = row.cells.get("images")
        pair = images if isinstance(images, list) and len(images) == 2 else [None, None]
        named = TARGET.fullmatch(str(pair[1]))
        if named is None or named[1] not in SYSTEMS or f"{named[3]}_{named[4]}" not in TASKS:
            expected = (
                "[source, target] with a target MODEL/{H,L}_TT_NN.jpg, model00 to model16, H_00 to H_12, L_00 to L_07"
            )
            findings.add("value", place, f"images are {images!r}; expected {expected}", place)
            continue
        name = f"{named[1]}/{named[2]}"
        places.append((name, place))
        prompt = _prompt(row.cells.get("query"), letter, place, name, findings)
        edit = edits.setdefault(name, _Edit(place, split, str(pair[0]), str(pair[1]), prompt or ""))
        if edit.split != split:
            findings.add("twice", place, f"{name} is in the {edit.split} part, too", name)
        elif (edit.source, edit.target) != (str(pair[0]), str(pair[1])) or (prompt and prompt != edit.prompt):
            findings.add("value", place, f"images or instruction of {name} are others in {edit.place}", name)
        edit.ratings[FILES[letter][0]] = _response(row.cells.get("response"), letter, place, name, findings)
    findings.once(places, "edit")
    return [name for name, _ in places]


def _prompt(query: Any, letter: str, place: str, name: str, findings: Findings) -> str | None:
    words = FILES[letter][1]
    asked = QUERY.match(query) if isinstance(query, str) else None
    if asked is None or words not in query:
        findings.add("value", place, f"the query does not ask for an edit's {words!r}: {str(query)[:60]!r}", name)
        return None
    return asked[1].strip()


def _response(response: Any, letter: str, place: str, name: str, findings: Findings) -> float | str | None:
    if letter == "yn":
        given = findings.choice(place, name, "response", response, RATINGS["answer"].labels, kind="rating")
    else:
        scored = SCORE.fullmatch(str(response).strip())
        if scored is None:
            findings.add("rating", place, f"response is {response!r}; expected 'The quality score is XX.XX'", name)
            return None
        return findings.number(place, name, "response", scored[1], 0, 100)
    if given is None and response in (None, ""):
        findings.add("rating", place, "response is empty", name)
    return given


def _sample(name: str, edit: _Edit, images: Path, findings: Findings) -> Sample:
    for rating in RATINGS:
        if rating not in edit.ratings and not findings.unusable:
            findings.add("rating", edit.place, f"{name} has no {rating}: it is not in that file", name)
    system, scene = name.split("/")
    source, target = (findings.image(edit.place, name, path, images) for path in (edit.source, edit.target))
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
        of_split = [sample for sample in samples if sample.meta.get("split") == split]
        if of_split or split == "test":  # the training part is not needed to evaluate
            found = missing_rows(of_split, "system", dict.fromkeys(SYSTEMS, count), "edits")
            lines += [f"{split}, {line}" for line in found]
    return lines


BENCHMARK = Benchmark(
    name="ebench-18k",
    title="EBench-18K",
    paper="Xu et al., LMM4Edit, ACM MM 2025 (arXiv 2507.16193)",
    ratings=RATINGS,
    protocol="ebench-18k",
    read=_read,
    size=len(SYSTEMS) * SIZES["test"],
    what="edits of the test part",
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
