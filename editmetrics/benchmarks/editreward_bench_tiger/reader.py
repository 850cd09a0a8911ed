"""EditReward-Bench of TIGER-Lab: two, three or four edits of one instruction, ranked by experts, as pairs.

Parquet files with a row for each pair of a ranked set, as its evaluation scripts read them:

    id               SET_... , or a name of which the first ten signs are the set's
    dataset          2pair, 3pair or 4pair: how many edits are ranked
    comparison_type  AvsB, AvsC, ..., which edits of the set candidate_1 and candidate_2 are
    instruction, source_image, candidate_1, candidate_2, model_1, model_2
    ranking          A>B, B>A, ...; A=B for a tie, in sets of two

or, as eval_bench.py reads them, EditReward_Bench_2pair.json and its siblings, with an object for each set:

    prompt, path_src, paths_generated
    human_vote       {"ranking": "B>C>A"}; A=B=Good or A=B=Bad for a tie, in sets of two
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
from ..pair_layout import PREFERENCE, PairsOfCopy, RankedImages, edit_names
from ..stored_pairs import stored_rows
from ..table_layout import rows_of

COLUMNS = ("id", "dataset", "instruction", "source_image", "candidate_1", "candidate_2", "ranking", "comparison_type")
SIZES = {"2pair": 2, "3pair": 3, "4pair": 4}
COMPARISON = re.compile(r"([A-D])vs([A-D])")
RANKING = re.compile(r"([A-D])([<>=])([A-D])(?:=(?:Good|Bad))?")
RATINGS = {PREFERENCE: RatedAspect("which of two edits people prefer", -1, 1)}


def _read(folder: Path, checks: CopyChecks) -> list[Sample]:
    pairs = PairsOfCopy(checks)
    files = {size: folder / f"EditReward_Bench_{kind}.json" for kind, size in SIZES.items()}
    sets = {size: path for size, path in files.items() if path.is_file()}
    for size, path in sets.items():
        for row in rows_of(path, checks, kind=".json"):
            _add_set(size, f"{path.name}, {row.location}", row.cells, pairs)
    for location, cells in stored_rows(folder, checks, COLUMNS) if not sets else ():
        name = str(cells["id"] or "")
        size_of_row = SIZES.get(str(cells["dataset"]))
        letters = _letters(cells["comparison_type"], size_of_row)
        if not name or size_of_row is None or letters is None:
            expected = "an id, 2pair, 3pair or 4pair, and two of its edits, such as AvsB"
            seen = ", ".join(repr(cells[column]) for column in ("id", "dataset", "comparison_type"))
            checks.add("value", location, f"id, dataset and comparison_type are {seen}; expected {expected}", location)
            continue
        choice = _choice(cells["ranking"], letters, size_of_row)
        if choice is None:
            ties = ", or a tie" if size_of_row == 2 else ""
            message = f"ranking is {cells['ranking']!r}; expected which of {' and '.join(letters)} is better{ties}"
            checks.add("rating", location, message, location)
            continue
        _add(location, cells, size_of_row, letters, choice, pairs)
    return pairs.samples()


def _add_set(size: int, location: str, cells: dict[str, Any], pairs: PairsOfCopy) -> None:
    """Add the pairs of a set of the evaluation script's own files, which rank all edits at once."""
    number = location.rpartition(" ")[2]
    votes, images = cells.get("human_vote"), cells.get("paths_generated")
    ranking = str(votes.get("ranking")).replace(" ", "") if isinstance(votes, dict) else ""
    letters = "ABCD"[:size]
    tied = size == 2 and RANKING.fullmatch(ranking) is not None and "=" in ranking
    whole = sorted(ranking.split(">")) == list(letters) or ranking == "A<B" == "<".join(letters)
    if not isinstance(images, list) or len(images) != size or not (tied or whole):
        expected = f"{size} paths_generated, and a human_vote whose ranking has {', '.join(letters)}"
        pairs.checks.add("rating", location, f"ranking is {ranking!r}; expected {expected}", location)
        return
    best_first = list(letters) if tied else ranking.split(">") if ">" in ranking else ["B", "A"]
    RankedImages(
        f"{size}/{number}",
        location,
        ("prompt", cells.get("prompt")),
        ("paths_generated", images),
        [0.0] * size if tied else [float(best_first.index(letter)) for letter in letters],
        ("path_src", cells.get("path_src")),
        {"k": size},
    ).add_to(pairs)


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


def _add(
    location: str, cells: dict[str, Any], size: int, letters: tuple[str, str], choice: float, pairs: PairsOfCopy
) -> None:  # fmt: skip
    """Add the pair of a row of the parquet files."""
    identifier = str(cells["id"])
    item = f"{size}/{identifier.partition('_')[0] if '_' in identifier else identifier[:10]}"
    columns = {"source": "source_image", "edited": "candidate_1", "rival": "candidate_2"}
    models = {"system": cells.get("model_1"), "rival_system": cells.get("model_2")}
    meta = {"k": size, **{column: str(model) for column, model in models.items() if model}, PREFERENCE: choice}
    meta |= edit_names(item, *(f"{item}/{letter}" for letter in letters))
    images = {key: (column, cells[column]) for key, column in columns.items()}
    pairs.add(f"{item}/{letters[0]}vs{letters[1]}", location, images, ("instruction", cells["instruction"]), meta)


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
    shown=("k", "system"),
    methods=("EditReward (on MiMo-VL-7B)",),
    headline={f"k={size}": (f"k={size}",) for size in SIZES.values()},
    pairs=True,
    also_called=("editreward-bench",),
)
