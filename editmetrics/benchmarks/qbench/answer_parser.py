"""Parse the words of a model into the options it chose, by exact rules: strict, else repaired, else `unparseable`.

No answer is guessed: an ambiguous one, or one whose words and letter disagree, is unparseable.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from ...judge import Answer, Parsed
from ...judge.answers import unreadable, whole_text
from ...judge.claims import claimed
from ...judge.plain_text import marked, plain
from .questions import LETTERS

AROUND = " \t\n*_`\"'“”.,;"


def read_choice_of(answer: Answer | str, options: Sequence[str]) -> Parsed[frozenset[int]]:
    """Return the one option that a model chose.

    Strict: its letter alone, in capitals, with a full stop, a bracket or a colon after it or none. Repaired: letter,
    text or both, in emphasis, brackets, full-width letters, `<answer>` tags, \\boxed{} or the JSON field "answer"; or
    stated in a sentence, in English or Chinese ("Option B is correct.", "..., so the answer is B."), with nothing in
    the answer against it (`editmetrics.judge.claims`). Raises `SampleError`, `unparseable` or `refused`, for
    anything else: two letters, a letter with the text of another option, a letter that is none of the options', a
    denial, a condition, a second thought.

    >>> read_choice_of("B", ["noise", "blur"]), read_choice_of("The answer is **A. noise**.", ["noise", "blur"])
    (Parsed(value=frozenset({1}), parsed='strict'), Parsed(value=frozenset({0}), parsed='repaired'))
    """
    text = whole_text(answer)
    if (match := re.fullmatch(r"([A-Z])[.):]?", text)) and _index(match.group(1), options) is not None:
        return Parsed(frozenset({LETTERS.index(match.group(1))}), "strict")
    chosen = claimed(text, options)
    if chosen is None:
        unreadable(answer, f"expected one of {', '.join(LETTERS[: len(options)])}")
    return Parsed(chosen, "repaired")


def read_choices_of(answer: Answer | str, options: Sequence[str]) -> Parsed[frozenset[int]]:
    """Return the set of options that a model chose, at least one.

    Strict: their letters in capitals, separated by commas or blanks. Repaired: letters, texts, or each letter with its
    text, in a list of any form ("A and C", "ACD", "- A\\n- C", "Noise, Blur"), marked or stated as in `read_choice_of`;
    "all of the above". Raises `SampleError` for anything else.

    >>> read_choices_of("A, C", ["noise", "blur", "haze"]), read_choices_of("A and C.", ["noise", "blur", "haze"])
    (Parsed(value=frozenset({0, 2}), parsed='strict'), Parsed(value=frozenset({0, 2}), parsed='repaired'))
    """
    text = whole_text(answer)
    if re.fullmatch(r"[A-Z]([,\s]+[A-Z])*\.?", text):
        indices = [_index(letter, options) for letter in re.findall("[A-Z]", text)]
        if None not in indices and len(set(indices)) == len(indices):
            return Parsed(frozenset(index for index in indices if index is not None), "strict")
    chosen = claimed(text, options, several=True)
    if chosen is None:
        unreadable(answer, f"expected letters among {', '.join(LETTERS[: len(options)])}")
    return Parsed(chosen, "repaired")


def read_truth(answer: Answer | str) -> Parsed[bool]:
    """Return True or False.

    Strict: the word alone, in any case, with a full stop or none. Repaired: the word marked or stated as in
    `read_choice_of` ("The statement is true."), or "correct", "not true", "正确" and the like of the statement. Raises
    `SampleError` for anything else; yes and no are not what was asked for.

    >>> read_truth("False"), read_truth("The statement is true.")
    (Parsed(value=False, parsed='strict'), Parsed(value=True, parsed='repaired'))
    """
    text = whole_text(answer)
    if match := re.fullmatch(r"(true|false)\.?", text, re.IGNORECASE):
        return Parsed(match.group(1).casefold() == "true", "strict")
    chosen = claimed(_in_true_and_false(text), ["True", "False"], letters=False)
    if chosen is None:
        unreadable(answer, "expected True or False")
    return Parsed(0 in chosen, "repaired")


def read_judgement(answer: Answer | str) -> Parsed[int]:
    """Return the judge's score, 0, 1 or 2.

    Strict: "Score: 2", as the prompt wants it, or the number alone. Repaired: in emphasis, brackets, JSON, or a
    sentence of its own ("The score is 2."), in English or Chinese, before or after an explanation that holds no other
    number.

    >>> read_judgement("Score: 2"), read_judgement("**Score:** 1. It partly matches.")
    (Parsed(value=2, parsed='strict'), Parsed(value=1, parsed='repaired'))
    """
    text = whole_text(answer)
    if match := re.fullmatch(r"(?:Score:\s*)?([012])", text):
        return Parsed(int(match.group(1)), "strict")
    tags = marked(text)
    words = tags[0] if len(tags) == 1 else plain(text)
    numbers = set(_NUMBER.findall(words))
    if len(numbers) == 1 and _SCORE.search(words) and not _NO_SCORE.search(words):
        (number,) = numbers
        if number in ("0", "1", "2"):
            return Parsed(int(number), "repaired")
    unreadable(answer, "expected 'Score: ' and 0, 1 or 2")


_NUMBER = re.compile(r"[-+]?\d+(?:[.,/:]\d+)*")
_SCORE = re.compile(
    r"\A[\[(]?[012][\])]?(?=\s*(?:\Z|[.,;:(–—-])|\n|分)"
    r"|\b(?:score|rating|rate)\b(?: it| this| the \w+| of| is| as)*\s*(?:[:=]\s*)?(?:as |is |of |a )*"
    r"[\[(]?[012](?![\w.,/-]*\d)"
    r"|(?:得分|分数|评分|打分)(?:是|为)?\s*:?\s*[012]",
    re.IGNORECASE,
)
_NO_SCORE = re.compile(
    r"please rate|\b(?:not|n't|never|cannot|can't)\s+(?:\w+\s+){0,3}(?:score|rate|\d)"
    r"|\b(?:either|between|or|maybe|perhaps|wait|half)\b"
    r"|\d\s*\?|n't (?:rate|give)",
    re.IGNORECASE,
)


_STATEMENT = r"(?:(?:the|this|that|given|above|it)\s+)*(?:statement|description|claim|sentence|it|this|that)"
_ABOUT = r"(?:\s+(?:about|in|of)\s+the\s+\w+)?"
_YES, _NO = r"(?:true|correct|accurate)", r"(?:false|incorrect|inaccurate|wrong|untrue)"
_SURELY = r"(?:\s+(?:clearly|definitely|indeed|certainly|entirely|completely|absolutely))?"


def _in_true_and_false(text: str) -> str:
    """`text` with the ways of calling a statement true or false in these two words, and "false colour" without them."""
    words = plain(text) if not marked(text) else text
    for pattern, word in _TRUTHS:
        words = pattern.sub(word, words)
    return _ATTRIBUTE.sub("so-called", words)


def _of_statement(pattern: str) -> re.Pattern[str]:
    verb = rf"(?:\s+is{_SURELY}|'s)\s+"
    return re.compile(
        rf"(?:(?<=\A)|(?<=[.,;:\n]\s)|(?<=\bso\s)|(?<=\bbelieve\s)|(?<=\bthink\s)|(?<=\bsay\s)|(?<=therefore,\s)"
        rf"|(?<=therefore\s)){_STATEMENT}{_ABOUT}{pattern.replace('IS', verb)}\b(?!\s+(?:that|or)\b)",
        re.IGNORECASE,
    )


_TRUTHS = (
    (_of_statement(rf"(?:IS|\s+)(?:not|never)\s+{_YES}|\s+isn't\s+{_YES}"), "it is false"),
    (_of_statement(rf"(?:IS|\s+)(?:not|never)\s+{_NO}|\s+isn't\s+{_NO}"), "it is true"),
    (_of_statement(rf"IS{_YES}"), "it is true"),
    (_of_statement(rf"IS{_NO}"), "it is false"),
    (re.compile(r"\A\W*(?:correct|accurate)\W*\Z", re.IGNORECASE), "True"),
    (re.compile(r"\A\W*(?:incorrect|inaccurate|wrong)\W*\Z", re.IGNORECASE), "False"),
    (re.compile(r"(?:\A|(?<=:)|(?<=是)|(?<=陈述)|(?<=说法))\s*(?:不正确|不对|错误|错)的?(?=[.,!。]|\s*\Z)"), "False"),
    (re.compile(r"(?:\A|(?<=:)|(?<=是)|(?<=陈述)|(?<=说法))\s*(?:正确|对)的?(?=[.,!。]|\s*\Z)"), "True"),
    (re.compile(r"\A(?:该|这个|此)?(?:陈述|说法|描述)(?:是)?(?=True|False)"), ""),
)
_ATTRIBUTE = re.compile(
    r"\b(?:true|false)(?=[ \t]+"
    r"(?!(?:and|or|in|as|because|since|if|for|nor|but|that|when|at|on|to|from|with|is)\b)[a-z])",
    re.IGNORECASE,
)


def _index(letter: str, options: Sequence[str]) -> int | None:
    index = LETTERS.index(letter)
    return index if index < len(options) else None


def normal(text: str) -> str:
    """Return a text in the form that is compared: NFC, one case, single spaces, no marks at its ends.

    >>> normal(" **Motion  blur**. ")
    'motion blur'
    """
    return " ".join(unicodedata.normalize("NFC", text).casefold().split()).strip(AROUND)
