"""Reading yes or no, with whatever a model says beside it."""

from __future__ import annotations

import re

from .answers import Parsed, unreadable, whole_text
from .chat import Answer
from .claims import claimed

_CHINESE_YES_NO = (
    (re.compile(r"\A\s*(?:不是的?|否|不)[。.]?\s*\Z"), "no"),
    (re.compile(r"\A\s*是的?[。.]?\s*\Z"), "yes"),
)
_CONTRADICTED = {
    "yes": re.compile(
        r"\byes\b\W*(?:it|this|that|the \w+)(?:\s*(?:isn't|doesn't)"
        r"|\s+(?:is|does|was)\s*(?:not\b|n't|(?:un|in|im)(?:reasonable|true|correct"
        r"|accurate|plausible)\b|wrong\b|false\b))",
        re.I,
    ),
    "no": re.compile(
        r"\bno\b\W*(?:it|this|that|the \w+)\s+(?:is|does|was)(?:\s+(?:reasonable|true|correct|right|fine)\b|\W*\Z)",
        re.I,
    ),
}
_LIMITED = re.compile(
    r"\b(?:but|however|although|though|except|partly|in part|partially|apart from|only if|mostly)\b|\byes\W*\.\.\.",
    re.IGNORECASE,
)


def read_yes_no(answer: Answer | str) -> Parsed[str]:
    """ "yes" or "no", also with a reason after it ("Yes, it is."), in English or Chinese.

    Strict: the word alone. Repaired: in emphasis, brackets or JSON, after "Answer:", or before words that neither take
    it back nor contradict it. Raises `SampleError`: `unparseable` for anything else, or `refused`.

    >>> read_yes_no("no"), read_yes_no("Yes, it is.")
    (Parsed(value='no', parsed='strict'), Parsed(value='yes', parsed='repaired'))
    """
    text = whole_text(answer)
    if text.casefold() in ("yes", "no"):
        return Parsed(text.casefold(), "strict")
    words = text
    for pattern, word in _CHINESE_YES_NO:
        words = pattern.sub(word, words)
    said = claimed(words, ["yes", "no"], letters=False)
    value = None if said is None else ("yes", "no")[min(said)]
    if value is None or _CONTRADICTED[value].search(words) or _LIMITED.search(words):
        unreadable(answer, "expected yes or no")
    return Parsed(value, "repaired")
