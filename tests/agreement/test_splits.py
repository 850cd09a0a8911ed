"""Splits: no group in two parts, sizes near the ratio, the same on every machine."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from editmetrics.agreement.splits import SplitError, parts_of, split

RATED = Path(__file__).parent / "data" / "lmm4edit.csv"


def random_groups(seed, count, largest):
    sizes = np.random.default_rng(seed).integers(1, largest + 1, count)
    groups = [f"g{index}" for index, size in enumerate(sizes) for _ in range(size)]
    return np.random.default_rng(seed).permutation(groups).tolist(), sizes


@pytest.mark.parametrize(
    ("ratio", "sources"), [((4, 1), (173, 43)), ((4, 1, 1), (144, 36, 36)), ((1,) * 5, (44, 43, 43, 43, 43))]
)
def test_rated_edits_are_split_by_source(ratio, sources):
    """216 sources of 17 edits each: shares of 172.8 and 43.2 sources round to 173 and 43."""
    rows, part = parts_of(RATED, "source", ratio)
    held = [{row["source"] for row, p in zip(rows, part, strict=True) if p == index} for index in range(len(ratio))]
    assert sum(map(len, held)) == len(set.union(*held)) == 216
    assert sorted(map(len, held)) == sorted(sources)
    assert np.bincount(part).tolist() == [17 * len(group) for group in held]


@pytest.mark.parametrize("seed", range(20))
def test_no_group_is_parted_and_no_part_is_empty(seed):
    groups, _ = random_groups(seed, 3 + seed, 30)
    part = split(groups, (4, 1, 1), seed)
    assert len({(group, p) for group, p in zip(groups, part.tolist(), strict=True)}) == len(set(groups))
    assert set(part.tolist()) == {0, 1, 2}


@pytest.mark.parametrize("ratio", [(4, 1), (4, 1, 1), (1, 1, 1)])
def test_sizes_are_near_the_best_there_are(ratio):
    """Against all assignments of 7 groups of up to 20 rows: the worst part mostly is no further off, and 6 at most."""
    further = []
    for seed in range(40):
        groups, sizes = random_groups(seed, 7, 20)
        target = np.array(ratio) / sum(ratio) * sizes.sum()
        every = itertools.product(range(len(ratio)), repeat=len(sizes))
        best = min(
            np.abs(np.bincount(parts, sizes, len(ratio)) - target).max()
            for parts in every
            if len(set(parts)) == len(ratio)
        )
        further.append(np.abs(np.bincount(split(groups, ratio, seed)) - target).max() - best)
    assert max(further) <= 6 + 1e-9
    assert np.median(further) < 1e-9


def test_many_groups_meet_the_ratio_to_a_row():
    groups, sizes = random_groups(0, 400, 25)
    part = split(groups, (4, 1, 1))
    assert np.abs(np.bincount(part) - np.array([4, 1, 1]) / 6 * sizes.sum()).max() < 1


def test_the_order_of_rows_does_not_matter():
    groups, _ = random_groups(1, 50, 9)
    of = dict(zip(groups, split(groups, (4, 1)).tolist(), strict=True))
    turned = groups[::-1]
    assert split(turned, (4, 1)).tolist() == [of[group] for group in turned]


GOLDEN = [0, 2, 0, 2, 0, 1, 0, 0, 0, 1, 0, 0]


def test_the_split_is_the_same_everywhere():
    """The parts of these names as SHA-256 orders them, written down once: another machine must find the same."""
    names = [f"source{index}" for index in range(12)]
    assert split(names, (4, 1, 1), seed=0).tolist() == GOLDEN
    assert split(names, (4, 1, 1), seed=1).tolist() != GOLDEN


@pytest.mark.parametrize(
    ("groups", "ratio", "said"),
    [
        (["a", "a", "b"], (4, 1, 1), "2 groups cannot be split into 3 parts"),
        (["a", "b"], (4,), "two or more positive numbers"),
        (["a", "b"], (4, 0), "two or more positive numbers"),
        (["a", "b"], (4, float("nan")), "two or more positive numbers"),
    ],
)
def test_what_cannot_be_split_is_said(groups, ratio, said):
    with pytest.raises(SplitError, match=said):
        split(groups, ratio)


def test_a_row_without_a_group_is_refused(tmp_path):
    path = tmp_path / "m.csv"
    path.write_text("edited,source\na.png,x\nb.png,\n")
    with pytest.raises(SplitError, match="line 3: column 'source' is empty"):
        parts_of(path, ratio=(1, 1))
