"""The paper's Tables 3 to 6, from its own numbers: points are put where its shares say, and all its means come out.

Each table fixes the points of other cells, so what is recomputed is not what was put in: the overall score of each of
25 models comes out of the scopes of each type, of the dimensions of each source, and of the sub-dimensions alike. All
1,300 numbers are the printed ones, to the last digit.
"""

import csv
from pathlib import Path

import pytest

from editmetrics.benchmarks.qbench.outcomes import Outcome
from editmetrics.benchmarks.qbench.portrait import (
    DIMENSIONS,
    SOURCE_DIMENSIONS,
    SUBDIMENSION_COUNTS,
    SUBDIMENSIONS,
    TOTAL,
    TYPE_SCOPES,
    incompleteness,
)
from editmetrics.benchmarks.qbench.reader import read_benchmark
from editmetrics.benchmarks.qbench.tables import GUESS, score_tables
from tests.worlds.questions import toy_questions

WIDTHS = {"table3": 13, "table4": 12, "table5": 14, "table6": 8}


def read_paper():
    with open(Path(__file__).parent / "data" / "portrait_tables.csv", newline="") as file:
        rows = {row.pop("model"): row for row in csv.DictReader(file)}
    return {
        model: {name: [row[f"{name}.{place}"] for place in range(width)] for name, width in WIDTHS.items()}
        for model, row in rows.items()
    }


PAPER = read_paper()
MODELS = [name for name in PAPER if name != "Random guess"]
SUBS = [name for names in SUBDIMENSIONS.values() for name in names]
TABLE5 = ["NIs Tech", "NIs Aes", "NIs", "SDIs Tech", "SDIs Aes", "SDIs", "AGIs Tech", "AGIs AIGC", "AGIs Aes", "AGIs",
          "AIs Aes", "CGIs Tech", "CGIs Aes", "CGIs"]  # fmt: skip


def outcome(number, score, kind="SC", **groups):
    chance = {"SC": 0.25, "TF": 0.5}.get(kind)
    return Outcome(
        id=str(number), type=kind, score=score, status="ok", reason=None, raw="", parsed="", how="strict", correct="A",
        question="", options=["a", "b", "c", "d"] if kind in ("SC", "MC") else [], image="", image_sha256=str(number),
        groups=groups, chance=chance, provenance={},
    )  # fmt: skip


def points(share, count):
    """The half points that a printed share of `count` questions can only be."""
    found = [half for half in range(2 * count + 1) if abs(50 * half / count - float(share)) <= 0.00501]
    assert len(found) == 1, f"{share} of {count}"
    return found[0]


def filled(cells):
    """Outcomes with the points of each cell: from its groups to its printed share and number of questions."""
    outcomes = []
    for groups, (share, count) in cells:
        half = points(share, count)
        scores = [1.0] * (half // 2) + [0.5] * (half % 2)
        scores += [0.0] * (count - len(scores))
        outcomes += [outcome(len(outcomes) + place, score, **groups) for place, score in enumerate(scores)]
    assert len(outcomes) == TOTAL
    return outcomes


def printed(outcomes):
    """Each table as the paper prints it, from the heading to the number."""
    tables = score_tables({"it": outcomes}, "portrait", ())
    assert [table.name for table in tables] == list(WIDTHS)
    return {table.name: [f"{v.mean:.2f}" if v.mean is not None else "-" for v in table.rows["it"]] for table in tables}


@pytest.mark.parametrize("model", MODELS)
def test_types_and_the_overall_score_follow_from_scopes(model):
    paper = PAPER[model]
    cells = [
        ({"kind": kind, "scope": scope}, (share, TYPE_SCOPES[kind, scope]))
        for (kind, scope), share in zip(TYPE_SCOPES, paper["table6"], strict=True)
    ]
    for groups, (share, count) in cells:
        assert groups["kind"] == "OE" or points(share, count) % 2 == 0, "only open answers score half a point"
    tables = printed(filled(cells))
    assert tables["table6"] == paper["table6"]
    assert tables["table3"][8:] == paper["table3"][8:]


@pytest.mark.parametrize("model", MODELS)
def test_sources_dimensions_and_the_overall_score_follow_from_dimensions_of_sources(model):
    paper = PAPER[model]
    shares = dict(zip(TABLE5, paper["table5"], strict=True))
    cells = [
        ({"source": source, "dimension": dimension}, (shares[f"{source} {dimension}"], count))
        for (source, dimension), count in SOURCE_DIMENSIONS.items()
    ]
    tables = printed(filled(cells))
    assert tables["table5"] == paper["table5"]
    assert tables["table3"][:8] + tables["table3"][12:] == paper["table3"][:8] + paper["table3"][12:]


@pytest.mark.parametrize("model", MODELS)
def test_dimensions_and_the_overall_score_follow_from_sub_dimensions(model):
    paper = PAPER[model]
    of = {name: dimension for dimension, names in SUBDIMENSIONS.items() for name in names}
    cells = [
        ({"dimension": of[name], "subdimension": name}, (share, SUBDIMENSION_COUNTS[name]))
        for name, share in zip(SUBS, paper["table4"], strict=True)
    ]
    tables = printed(filled(cells))
    assert tables["table4"] == paper["table4"]
    assert tables["table3"][5:8] + tables["table3"][12:] == paper["table3"][5:8] + paper["table3"][12:]


def test_the_mean_of_columns_is_not_the_overall_score():
    types = [float(share) for share in PAPER["Qwen3-VL (8B)"]["table3"][8:12]]
    assert abs(sum(types) / 4 - float(PAPER["Qwen3-VL (8B)"]["table3"][12])) > 0.5


def test_random_guesses():
    outcomes = [
        outcome(number, 0.0, kind, scope=scope)
        for (kind, scope), count in TYPE_SCOPES.items()
        for number in range(count)
    ]
    tables = {table.name: table.baselines[GUESS] for table in score_tables({"it": outcomes}, "portrait", ())}
    paper = PAPER["Random guess"]
    for name, columns in (("table3", slice(8, 13)), ("table6", slice(None))):
        found = ["-" if value.mean is None else f"{value.mean:.2f}" for value in tables[name][columns]]
        assert found == paper[name][columns]
    assert tables["table3"][12].mean == pytest.approx(100 * (848 / 4 + 545 / 2) / 1393)


def test_the_numbers_of_questions_agree_with_each_other():
    assert TOTAL == sum(SOURCE_DIMENSIONS.values()) == sum(SUBDIMENSION_COUNTS.values()) == 2765
    for dimension in DIMENSIONS:
        crossed = sum(count for (_, name), count in SOURCE_DIMENSIONS.items() if name == dimension)
        assert crossed == sum(SUBDIMENSION_COUNTS[name] for name in SUBDIMENSIONS[dimension])


def test_a_complete_copy_is_known(tmp_path):
    toy_questions(tmp_path, None, size=16)
    whole = read_benchmark(tmp_path, complete=True)
    assert (len(whole.items), whole.notes) == (TOTAL, ())
    chances = [item.chance for item in whole.items if item.chance is not None]
    assert f"{100 * sum(chances) / len(chances):.2f}" == PAPER["Random guess"]["table3"][12] == "34.78"
    lacking = incompleteness(whole.items[:-1])
    kind = whole.items[-1]
    assert lacking[0] == "2,764 questions, where a complete copy has 2,765"
    expected = TYPE_SCOPES[kind.type, kind.groups["scope"]]
    assert (
        f"{expected - 1:,} {kind.type}, {kind.groups['scope']} questions, where a complete copy has {expected:,}"
        in lacking
    )
    assert len(lacking) == 5
