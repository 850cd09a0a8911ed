"""Strip from the words of an answer what surrounds them: markup, full-width letters, roles, fences, tags, JSON."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

LONGEST = 2_000
"""Most characters of a sentence that may state an answer; a longer one still counts as an explanation."""

ANSWER_FIELDS = frozenset({"answer", "answers", "choice", "choices", "option", "options", "score", "rating", "result"})

_PUNCTUATION = str.maketrans(
    {
        "。": ".",
        "、": ",",
        "「": '"',
        "」": '"',
        "『": '"',
        "』": '"',
        "【": " ",
        "】": ": ",
        "’": "'",
        "“": '"',
        "”": '"',
    }
)
_FENCE = re.compile(r"\A\s*```[\w-]*\n(.*?)\n?```\s*\Z", re.DOTALL)
_ROLE = re.compile(
    r"\A\s*(?:<\|?(?:im_start\|>)?assistant\|?>|\[/INST\]|(?:assistant|model|ai|bot)\s*(?::|\n))\s*", re.IGNORECASE
)
_MARKUP = re.compile(r"\*+|`+|~~|\$|__|(?<!\w)_|_(?!\w)|^[ \t]*(?:[-–—•>]|#{1,6})[ \t]+", re.MULTILINE)
_HEADING = re.compile(
    r"^[ \t]*((?:the |my )?(?:final |correct )?(?:answers?|options?|choices?|response|score))[ \t]*:?[ \t]*\n+",
    re.IGNORECASE | re.MULTILINE,
)
_BOXED = re.compile(r"\\boxed\{(?:\\text(?:bf|rm)?\{)?([^{}]*)\}")
_LATEX = re.compile(r"\\text(?:bf|rm)?\{([^{}]*)\}")
_TAGGED = re.compile(r"<answer>(.*?)</answer>", re.IGNORECASE | re.DOTALL)


def plain(text: str) -> str:
    """Return a text in NFKC, without markup, speaker, bullets and code fences; Chinese punctuation becomes Latin.

    >>> plain("Assistant: **Ｂ**")
    'B'
    """
    text = unicodedata.normalize("NFKC", text).translate(_PUNCTUATION)
    text = re.sub(r"[^\S\n]+", " ", text)  # long runs of blanks would make the patterns slow
    text = re.sub(r" ?(?:\n ?)+", "\n", text)
    if (fenced := _FENCE.match(text)) and "```" not in fenced.group(1):
        text = fenced.group(1)
    text = _ROLE.sub("", text)
    text = _LATEX.sub(r"\1", text)
    text = _MARKUP.sub(lambda match: "~~" if match.group() == "~~" else "", text)
    text = _HEADING.sub(r"\1: ", text)
    return text.strip()


def marked(text: str) -> list[str]:
    """Find what a text marks as its answer: in \\boxed{}, in <answer> tags, or as the answer of a JSON object.

    >>> marked('{"answer": ["A", "C"]}'), marked("grain, so \\\\boxed{B}"), marked("B")
    (['A, C'], ['B'], [])
    """
    if (answer := _of_json(text)) is not None:
        return [answer]
    return [answer.strip() for answer in (*_BOXED.findall(text), *_TAGGED.findall(text))]


def sentences(text: str) -> list[str]:
    """Split a plain text into sentences; a full stop after a single letter or a number does not end one.

    >>> sentences("It is grainy. B. Noise")
    ['It is grainy.', 'B. Noise']
    """
    parts = re.split(r"\n+|(?<=[!?])\s*|(?<=[^\s.][^\s.]\.)\s+|(?<=[\u3400-\u9fff]\.)\s*|(?<=[\"')]\.)\s+", text)
    return [part.strip() for part in parts if part and part.strip()]


def _of_json(text: str) -> str | None:
    """Return the answer of a JSON object with one such field, or of a JSON list; None for other texts."""
    body = text.strip()
    if (fenced := _FENCE.match(body)) is not None:
        body = fenced.group(1).strip()
    if not body.startswith(("{", "[")):
        return None
    try:
        data = json.loads(body, object_pairs_hook=lambda pairs: pairs)
    except (ValueError, RecursionError):
        return None
    if isinstance(data, list) and data and all(isinstance(one, str) for one in data):
        return ", ".join(data)
    if not isinstance(data, list) or not all(isinstance(pair, tuple) for pair in data):
        return None
    answers = [value for name, value in data if name.casefold() in ANSWER_FIELDS]
    return _written(answers[0]) if len(answers) == 1 else None


def _written(value: Any) -> str | None:
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return ", ".join(value)
    if isinstance(value, (bool, int)):
        return str(value)
    return value if isinstance(value, str) else None
