"""What a resumed run holds of earlier ones: as a dictionary does, in a part of its memory."""

from __future__ import annotations

import random
import tracemalloc

import pytest

from editmetrics import Score
from editmetrics.scoring.record import CompactDone

DIMENSIONS = {"one": ["psnr"], "three": ["a", "b", "c"]}


def some_score(draw: random.Random, key: str) -> Score:
    values = {name: draw.choice([draw.uniform(-1e9, 1e9), float("inf"), -0.0, 5e-324]) for name in DIMENSIONS[key]}
    kind = draw.randrange(6)
    if kind == 0:
        return Score.unscored("failed", "damaged", details={"note": "x"})
    if kind == 1:
        return Score(dict(list(values.items())[:1]), "unparseable", "half of it") if key == "three" else Score(values)
    more = [{}, {"explanation": "sharp"}, {"uncertainty": {DIMENSIONS[key][0]: 0.5}}, {"details": {"mass": 0.5}}]
    return Score(values, **more[max(kind - 2, 0)])


def test_it_is_a_dictionary():
    draw, expected, done = random.Random(0), {}, CompactDone(DIMENSIONS)
    for _ in range(2000):
        row = draw.choice(["cat", "dog", "ünï", "\udcff"]) + str(draw.randrange(50)), draw.choice(list(DIMENSIONS))
        if draw.random() < 0.2:
            assert done.pop(row, None) == expected.pop(row, None)
        else:
            fingerprint = draw.choice([f"{draw.getrandbits(128):032x}", "", "of another version"])
            done[row] = expected[row] = fingerprint, some_score(draw, row[1])
        assert len(done) == len(expected)
    assert dict(done) == expected
    assert all(row in done and done[row] == scored for row, scored in expected.items())
    assert done.get(("nobody", "one")) is None
    assert done.get(("cat1", "no such key")) is None
    with pytest.raises(KeyError):
        del done["nobody", "one"]


def test_a_plain_score_takes_a_part_of_the_memory():
    def size(make):
        tracemalloc.start()
        kept = make()
        for number in range(20_000):
            kept[f"sample {number}", "one"] = f"{number:032x}", Score({"psnr": number / 7})
        used = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        return used / 20_000

    compact, plain = size(lambda: CompactDone(DIMENSIONS)), size(dict)
    assert compact < 400  # two dictionaries' entries, an id, and 57 bytes of packed numbers
    assert compact < plain / 2
