"""The conformance kit of suites: the built-in ones pass, and each planted fault is named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from editmetrics.suites import SUITES, Level, SuiteColumn, TableLayout
from editmetrics.suites.explain import cost, question_lines
from editmetrics.suites.gedit import PQ_TEXT
from editmetrics.suites.genai_bench_prompts import EDITION, GENERATION
from editmetrics.testing.suites import check_suite

GEDIT, RISE, EMU = SUITES["gedit"], SUITES["rise"], SUITES["emu-edit"]


def with_column(column):
    return replace(GEDIT, tables=(TableLayout("", (*GEDIT.columns, column), GEDIT.tables[0].blocks),))


def with_asks(suite, change):
    judge = suite.judges[0]
    return replace(suite, judges=(replace(judge, asks=change(judge.asks)),))


@pytest.mark.parametrize("name", SUITES)
def test_suites_keep_the_rules(name):
    assert check_suite(SUITES[name]) == []


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (with_column(GEDIT.columns[0]), "two columns are called '{judge}_SC'"),
        (with_column(SuiteColumn("X", "Z")), "shows 'Z', which is not one of the suite's values"),
        (with_column(SuiteColumn("X", "SC", (Level(("task",)),))), "the last step of X has the fields task"),
        (with_column(SuiteColumn("X", "SC", where={"task": ("walk",)})), "the column X is empty though every answer"),
        (
            replace(SUITES["rise"], values=tuple(replace(one, optional=False) for one in SUITES["rise"].values)),
            "every answer is there, and consistency is not",
        ),
        (replace(GEDIT, derive=lambda values: {"O": 5.0, **values}), "O is a number without an answer to SC"),
        (replace(GEDIT, derive=lambda values: {**values, "O": 11.0}), "O is outside of its declared range"),
        (with_asks(GEDIT, lambda asks: (asks[0], asks[0])), "one name twice"),
        (
            with_asks(GEDIT, lambda asks: (asks[0], replace(asks[1], parts=(replace(PQ_TEXT, text="other"),)))),
            "the text PQ has another SHA-256",
        ),
        (replace(RISE, source=replace(RISE.source, files={})), "whose SHA-256 the source does not have"),
        (with_asks(RISE, lambda asks: (*asks[:-1], replace(asks[-1], when={}))), "one name twice"),
        (replace(SUITES["magicbrush"], fields=()), "the line Multi-turn is of rows whose multi_turn is yes; no row"),
        (
            replace(EMU, variants={"mine": replace(EMU.variants["icedit"], fields=EMU.variants["anybench"].fields)}),
            "variant mine: the line captions different is of rows whose captions is different",
        ),
        (replace(EMU, variants={}), "neither a table nor variants"),
        (replace(SUITES["magicbrush"], tables=with_column(SuiteColumn("X", "psnr:net=vgg")).tables), "no option 'net'"),
    ],
)  # fmt: skip
def test_a_fault_is_named(broken, problem):
    assert any(problem in line for line in check_suite(broken)), check_suite(broken)


def test_questions_that_differ_in_one_field_are_explained_together():
    lines = list(question_lines(SUITES["genai-bench"].judges[0]))
    assert [name for name, _ in lines][:2] == ["asks left, right, tie, both bad"] * 2
    assert lines[0][1].endswith(
        "image_generation_2 (of rows with edit no; vote leftvote or rightvote or tievote or bothbad_vote)"
    )
    assert [name for name, _ in question_lines(GEDIT.judges[0])][:2] == ["asks SC", "asks PQ"]


def test_tokens_are_those_of_all_texts_of_a_question():
    judge = SUITES["genai-bench"].judges[0]
    lengths = [sum(len(text) for text in texts) for texts in (GENERATION, EDITION)]
    assert cost(SUITES["genai-bench"], judge).text_tokens == int(2654 * sum(lengths) / 2 / 4)
