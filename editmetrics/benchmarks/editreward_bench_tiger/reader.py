"""EditReward-Bench of TIGER-Lab: two, three or four edits of one instruction, ranked by experts, as pairs.

Parquet files with a row for each pair of a ranked set, as its evaluation scripts read them:

    id               SET_... , or a name of which the first ten signs are the set's
    dataset          2pair, 3pair or 4pair: how many edits are ranked
    comparison_type  AvsB, AvsC, ..., which edits of the set candidate_1 and candidate_2 are
    instruction, source_image, candidate_1, candidate_2, model_1, model_2
    ranking          A>B, B>A, ...; A=B for a tie, in sets of two
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...sample import Sample
from ..benchmark import Benchmark, RatedAspect
from ..checks import CopyChecks
from ..stored_pairs import stored_image, stored_rows

COLUMNS = ("id", "dataset", "instruction", "source_image", "candidate_1", "candidate_2", "ranking", "comparison_type")
SIZES = {"2pair": 2, "3pair": 3, "4pair": 4}
COMPARISON = re.compile(r"([A-D])vs([A-D])")
RANKING = re.compile(r"([A-D])([<>=])([A-D])(?:=(?:Good|Bad))?")
RATINGS = {"preference": RatedAspect("which of two edits people prefer", -1, 1)}


def _read(folder: Path, checks: CopyChecks) -> list[Sample]:
    samples, locations = [], []
    for location, cells in stored_rows(folder, checks, COLUMNS):
        name = str(cells["id"] or "")
        size = SIZES.get(str(cells["dataset"]))
        letters = _letters(cells["comparison_type"], size)
        if not name or size is None or letters is None:
            expected = "an id, 2pair, 3pair or 4pair, and two of its edits, such as AvsB"
            seen = ", ".join(repr(cells[column]) for column in ("id", "dataset", "comparison_type"))
            checks.add("value", location, f"id, dataset and comparison_type are {seen}; expected {expected}", location)
            continue
        choice = _choice(cells["ranking"], letters, size)
        if choice is None:
            ties = ", or a tie" if size == 2 else ""
            message = f"ranking is {cells['ranking']!r}; expected which of {' and '.join(letters)} is better{ties}"
            checks.add("rating", location, message, location)
            continue
        sample = _sample(location, cells, size, letters, choice, checks)
        locations.append((sample.id, location))
        samples.append(sample)
    checks.once(locations, "pair")
    return samples


def _letters(comparison: Any, size: int | None) -> tuple[str, str] | None:
    """The letters of both edits, in the order of the set; a set of two may leave them out."""
    if size == 2 and comparison in (None, ""):
        return "A", "B"
    match = COMPARISON.fullmatch(str(comparison))
    if match is None or size is None or not match[1] < match[2] < "ABCDE"[size]:
        return None
    return match[1], match[2]


def _choice(ranking: Any, letters: tuple[str, str], size: int) -> float | None:
    """1 if the first edit is better, -1 for the second, 0 for a tie; None for what says neither."""
    match = RANKING.fullmatch(str(ranking).replace(" ", ""))
    if match is None or {match[1], match[3]} != set(letters):
        return None
    if match[2] == "=":
        return 0.0 if size == 2 else None
    return 1.0 if (match[1] == letters[0]) is (match[2] == ">") else -1.0


def _sample(
    location: str, cells: dict[str, Any], size: int, letters: tuple[str, str], choice: float, checks: CopyChecks
) -> Sample:
    identifier = str(cells["id"])
    item = f"{size}/{identifier.partition('_')[0] if '_' in identifier else identifier[:10]}"
    name = f"{item}/{letters[0]}vs{letters[1]}"
    checks.required(location, name, "instruction", cells["instruction"])
    source, edited, rival = (
        stored_image(checks, location, name, column, cells[column])
        for column in ("source_image", "candidate_1", "candidate_2")
    )
    meta = {"k": size, "item": item, "edit": f"{item}/{letters[0]}", "rival_edit": f"{item}/{letters[1]}"}
    models = {"system": cells.get("model_1"), "rival_system": cells.get("model_2")}
    meta |= {column: str(model) for column, model in models.items() if model}
    prompt = cells["instruction"] or None
    return Sample(name, edited=edited, rival=rival, source=source, prompt=prompt, meta={**meta, "preference": choice})


def _missing(samples: Sequence[Sample]) -> list[str]:
    pairs = Counter((int(sample.meta["k"]), str(sample.meta["item"])) for sample in samples)
    lines = [f"sets of {size} edits: none" for size in SIZES.values() if not any(k == size for k, _ in pairs)]
    return lines + [
        f"set {item}: {count} of {size * (size - 1) // 2} pairs"
        for (size, item), count in pairs.items()
        if count != size * (size - 1) // 2
    ]


BENCHMARK = Benchmark(
    name="editreward-bench-tiger",
    title="EditReward-Bench (TIGER-Lab)",
    paper="Wu et al., EditReward, ICLR 2026 (arXiv 2509.26346)",
    ratings=RATINGS,
    protocol="editreward-bench-tiger",
    read=_read,
    size=0,
    unit="pairs",
    missing=_missing,
    pairing={"overall": "preference"},
    obtain="TIGER-Lab/EditReward-Bench of the Hugging Face hub, linked in github.com/TIGER-AI-Lab/EditReward.",
    terms="the code is under the MIT licence; its repository states none for the data: see the data set's page.",
    public=True,
    shown=("k", "system", "preference"),
    methods=("EditReward (on MiMo-VL-7B)",),
    pairs=True,
    also_called=("editreward-bench",),
)
