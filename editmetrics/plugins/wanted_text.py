"""Text that an image should show: the quotes of a prompt, and how much of it stands in what was read."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from ..sample import SampleError

QUOTES = re.compile(
    r'"([^"]+)"|“([^”]+)”|„([^“”]+)[“”]|«([^»]+)»|「([^」]+)」|『([^』]+)』'
    r"|(?<![a-zA-ZÀ-ɏ0-9])'(.+?)'(?![a-zA-ZÀ-ɏ0-9])|(?<![a-zA-ZÀ-ɏ0-9])‘(.+?)’(?![a-zA-ZÀ-ɏ0-9])"
)
"""Quotes; a single one between letters is an apostrophe."""

REPLACES = re.compile(
    r",?\s*(?:(?:in)?to|with|by|becomes?|→|->|改成|改为|换成|换为|替换成|替换为|变成|变为)"
    r"(?:\s+(?:say|says|read|reads|be|the|text|words?|letters?|phrase|number))*\s*:?\s*",
    re.IGNORECASE,
)
"""What stands between two quotes of which the second replaces the first."""

UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Characters of writing without spaces (Chinese, Japanese), each of which counts as a word."""


def quoted(prompt: str) -> list[str]:
    """Return the texts in a prompt's quotes, in their order.

    >>> quoted("the dog's sign says 'OPEN', beside “Fresh coffee”")
    ['OPEN', 'Fresh coffee']
    """
    return [match[match.lastindex or 0] for match in QUOTES.finditer(prompt)]


def require_one_reading(prompt: str) -> None:
    """Raise `SampleError` for a prompt in which one quote seems to replace another: which is wanted is not clear.

    >>> require_one_reading("a sign with 'OPEN' and 'SALE'")
    >>> require_one_reading("change 'OPEN' to 'CLOSED'")
    Traceback (most recent call last):
    editmetrics.sample.SampleError: the prompt seems to replace 'OPEN' by 'CLOSED'; quotes=last wants the last quote ...
    """
    matches = list(QUOTES.finditer(prompt))
    for first, second in itertools.pairwise(matches):
        if REPLACES.fullmatch(prompt[first.end() : second.start()].strip()):
            texts = [match[match.lastindex or 0] for match in (first, second)]
            raise SampleError(
                f"the prompt seems to replace {texts[0]!r} by {texts[1]!r}; quotes=last wants the last quote alone, "
                "quotes=all every quote, and a column of the manifest can state the wanted text"
            )


def normalised(text: str, *, case: bool = False, punctuation: bool = False) -> str:
    """Return a text as it is compared: NFKC, single spaces; without `case` folded, without `punctuation` bare.

    >>> normalised("Ｆresh  coffee, 24/7!")
    'fresh coffee 247'
    """
    text = unicodedata.normalize("NFKC", text)
    if not case:
        text = text.casefold()
    if not punctuation:
        text = "".join(sign for sign in text if not unicodedata.category(sign).startswith("P"))
    return " ".join(text.split())


def words(text: str) -> list[str]:
    """Return the words of a text; a character of Chinese or Japanese is one.

    >>> words("open 营业中 now")
    ['open', '营', '业', '中', 'now']
    """
    return re.findall(rf"[{UNSPACED}]|[^\s{UNSPACED}]+", text)


def word_counts(wanted: Sequence[str], read: Sequence[str]) -> tuple[int, int, int]:
    """Return how many words both texts have, each as often as in both, and how many each has.

    >>> word_counts(["the cat and the dog"], ["the dog, the cat", "and that"])
    (4, 5, 6)
    """
    in_wanted, in_read = (Counter(word for text in texts for word in words(text)) for texts in (wanted, read))
    return (in_wanted & in_read).total(), in_wanted.total(), in_read.total()


def edit_distance(wanted: str, read: str, *, anywhere: bool = False) -> int:
    """Return the least number of insertions, deletions and replacements of characters from one text to the other.

    With `anywhere`, to that part of `read` which is nearest to `wanted`: what stands around it costs nothing.

    Source: Levenshtein 1966; for the nearest part, Sellers, "The theory and computation of evolutionary distances",
    J. Algorithms 1980.

    >>> edit_distance("kitten", "sitting"), edit_distance("open", "now opem daily", anywhere=True)
    (3, 1)
    """
    import numpy as np

    letters = np.array([ord(letter) for letter in read], np.int64)
    steps = np.arange(len(letters) + 1)
    row = np.zeros_like(steps) if anywhere else steps
    for count, letter in enumerate(wanted, 1):
        best = np.empty_like(row)
        best[0] = count
        best[1:] = np.minimum(row[1:] + 1, row[:-1] + (letters != ord(letter)))
        row = np.minimum.accumulate(best - steps) + steps  # insertions, from left to right
    return int(row.min() if anywhere else row[-1])
