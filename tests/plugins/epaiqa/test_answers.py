"""Explained answers: made, read back, cut before their level; garbage says nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from editmetrics.mllm.levels import LEVELS
from editmetrics.plugins.epaiqa.answers import (
    LEVEL_START,
    Pieces,
    explained_answer,
    read_explained,
    sentence,
    up_to_level,
)

PAPER = (
    "The prompt completion is Full Completion. The lynx was changed to a tiger. The harmony: The lighting does not "
    "match the surroundings. The local naturalness: The tiger lacks texture. Therefore, the overall editing quality "
    "level of the image is poor"
)
"""The form of section E.3 of the supplement, put together by hand."""

words = st.text(alphabet="abcdef ,", min_size=1, max_size=20).filter(str.strip)


def test_the_form_of_the_supplement():
    pieces = Pieces(
        "The lynx was changed to a tiger",
        "The lighting does not match the surroundings.",
        "The tiger lacks texture.",
    )
    assert explained_answer(3, pieces, "poor") == PAPER


def test_without_full_completion_there_is_the_first_piece_alone():
    said = explained_answer(2, Pieces("Half of it.", "It fits.", "Sharp."), "poor")
    assert said == f"The prompt completion is Partial Completion. Half of it. {LEVEL_START} poor"
    with pytest.raises(ValueError, match="full completion"):
        explained_answer(3, Pieces("Done."), "good")


@given(st.sampled_from([1, 2, 3]), words, words, words, st.sampled_from(LEVELS))
def test_what_was_made_is_read_back(completion, followed, harmony, naturalness, level):
    read = read_explained(explained_answer(completion, Pieces(followed, harmony, naturalness), level))
    assert (read.completion, read.level) == (completion, level)
    assert read.pieces.prompt_completion == sentence(followed)
    assert (read.pieces.harmony is not None) == (completion == 3)


@given(st.text(max_size=200))
def test_garbage_says_nothing_and_breaks_nothing(text):
    read = read_explained(text)
    assert read.level is None or LEVEL_START in " ".join(text.split())
    prefix, by_itself = up_to_level(text)
    assert prefix.endswith(LEVEL_START)
    assert by_itself == (LEVEL_START in text)


def test_a_level_that_is_none_is_none():
    for end in ("great", "goodness", "", "very good"):
        assert read_explained(f"The prompt completion is Full Completion. Yes. {LEVEL_START} {end}").level is None


def test_the_last_phrase_counts_when_there_are_two():
    prefix, _ = up_to_level(f"a. {LEVEL_START} good. b. {LEVEL_START} bad")
    assert prefix == f"a. {LEVEL_START} good. b. {LEVEL_START}"
