"""Suggestions, shortened lists and counted nouns."""

import difflib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from editmetrics.wording import did_you_mean, either, first_few, plural

NAMES = st.lists(st.text(st.characters(codec="ascii", categories=["Ll"]), min_size=1, max_size=8), unique=True)


@given(st.text(st.characters(codec="ascii", categories=["Ll"]), max_size=8), NAMES)
def test_the_suggestions_are_those_of_difflib(name, known):
    close = difflib.get_close_matches(name, known, n=3)
    said = did_you_mean(name, known)
    assert bool(said) == bool(close)
    suggested = said.removeprefix(" Did you mean ").removesuffix("?").replace(" or ", ", ").split(", ")
    assert not said or sorted(suggested) == sorted(map(repr, close))


@pytest.mark.parametrize(
    ("name", "question"),
    [
        ("lpisp", " Did you mean 'lpips'?"),
        ("MS-SSIM", " Did you mean 'ms_ssim' or 'ssim'?"),
        ("zzz", ""),
    ],
)
def test_case_and_hyphens_are_forgiven(name, question):
    assert did_you_mean(name, ["psnr", "lpips", "ms_ssim", "ssim"]) == question


@given(st.lists(st.integers()), st.integers(1, 5))
def test_first_few_counts_every_item(items, n):
    shown, _, rest = first_few(items, n).partition(" and ")
    assert len(shown.split(", ")) * bool(items) + int(rest.removesuffix(" more") or 0) == len(items)


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [(0, "image", "0 images"), (1, "image", "1 image"), (2, "image", "2 images"), (12345, "row", "12,345 rows")],
)
def test_singular_and_plural_agree(count, noun, text):
    assert plural(count, noun) == text


def test_a_plural_of_its_own():
    assert plural(2, "index", "indices") == "2 indices"


def test_alternatives():
    assert [either(x) for x in ([], "a", "ab", "abc")] == ["", "a", "a or b", "a, b or c"]
