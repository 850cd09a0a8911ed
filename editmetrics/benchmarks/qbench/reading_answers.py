"""From the words of a model to the options it chose, by exact rules: strictly, else repaired, else `unparseable`.

No answer is guessed: where two readings are possible, or the words and the letter disagree, there is none.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from ...judge import Answer, Parsed
from ...judge.answers import unreadable, whole_text
from .items import LETTERS

T = TypeVar("T")

CONCLUSION = re.compile(
    r"(?:\A|(?<=[\n.!?]))[ \t*_]*(?:(?:so|thus|hence|therefore)\b[, ]*)?"
    r"(?:(?:the|my) )?(?:(?:final|correct|best|right) )?(?:answers?|options?|choices?)\**"
    r"(?: (?:is|are)\b:?|:)\**\s*(?P<said>[^\n]+)\Z",
    re.IGNORECASE,
)
"""The last sentence of an answer that explains itself first: "Therefore, the correct answer is B."."""

REASONED = re.compile(
    r"(?:the )?(?:final |correct |best |right )?(?:answer|option|choice) is \**\(?([A-Z])\)?\**,? "
    r"((?:because|since|as)\b.+)",
    re.IGNORECASE | re.DOTALL,
)
"""An answer with its reason in one sentence: "The correct answer is B, as the face is grainy."."""

BOXED = re.compile(r"\\boxed\{(?:\\text\{)?([^{}]*)\}")

AROUND = " \t\n*_`\"'“”.,;"


def read_choice_of(answer: Answer | str, options: Sequence[str]) -> Parsed[frozenset[int]]:
    """The one option that a model chose.

    Strict: its letter alone, in capitals, with a full stop, a bracket or a colon after it or none. Repaired: the letter
    in emphasis, quotation marks, brackets or a small letter; the letter with the option's text after it; the text
    alone; any of these after "Answer:", in `<answer>` tags or in \\boxed{}, or at the end of words of its own ("..., so
    the answer is B."); any of these in a first line, or the letter, with an explanation after it that names no other
    option. Raises `SampleError`, `unparseable` or `refused`, for anything else: two letters, a letter with the text of
    another option, a letter that is none of the options'.

    >>> read_choice_of("B", ["noise", "blur"]), read_choice_of("The answer is **A. noise**.", ["noise", "blur"])
    (Parsed(value=frozenset({1}), parsed='strict'), Parsed(value=frozenset({0}), parsed='repaired'))
    """
    text = whole_text(answer)
    if (found := re.fullmatch(r"([A-Z])[.):]?", text)) and _place(found.group(1), options) is not None:
        return Parsed(frozenset({LETTERS.index(found.group(1))}), "strict")

    def read(said: str) -> frozenset[int] | None:
        place = _one(said, options)
        return None if place is None else frozenset({place})

    chosen = _concluded(text, read) or _explained(text, read, options)
    if chosen is None:
        unreadable(answer, f"expected one of {', '.join(LETTERS[: len(options)])}")
    return Parsed(chosen, "repaired")


def read_choices_of(answer: Answer | str, options: Sequence[str]) -> Parsed[frozenset[int]]:
    """The set of options that a model chose, at least one.

    Strict: their letters in capitals, separated by commas or blanks. Repaired: joined by "and" or without a separator
    ("ACD"), in emphasis or brackets, after "Answer:" and the like as in `read_choice_of`; each with its text, separated
    by line breaks or semicolons; their texts alone, one a line; any of these in a first line with an explanation after
    it that names no other option. Raises `SampleError` for anything else.

    >>> read_choices_of("A, C", ["noise", "blur", "haze"]), read_choices_of("A and C.", ["noise", "blur", "haze"])
    (Parsed(value=frozenset({0, 2}), parsed='strict'), Parsed(value=frozenset({0, 2}), parsed='repaired'))
    """
    text = whole_text(answer)
    if re.fullmatch(r"[A-Z]([,\s]+[A-Z])*\.?", text):
        places = [_place(letter, options) for letter in re.findall("[A-Z]", text)]
        if None not in places and len(set(places)) == len(places):
            return Parsed(frozenset(place for place in places if place is not None), "strict")
    chosen = _concluded(text, lambda said: _several(said, options))
    if chosen is None:
        chosen = _explained(text, lambda said: _several(said, options) if len(said) > 1 else None, options)
    if chosen is None:
        unreadable(answer, f"expected letters among {', '.join(LETTERS[: len(options)])}")
    return Parsed(chosen, "repaired")


def read_truth(answer: Answer | str) -> Parsed[bool]:
    """True or False.

    Strict: the word alone, in any case, with a full stop or none. Repaired: in emphasis or quotation marks; after
    "Answer:" or "the statement is"; followed by an explanation that does not hold the other word. Raises `SampleError`
    for anything else; yes and no are not what was asked for.

    >>> read_truth("False"), read_truth("The statement is true.")
    (Parsed(value=False, parsed='strict'), Parsed(value=True, parsed='repaired'))
    """
    text = whole_text(answer)
    if found := re.fullmatch(r"(true|false)\.?", text, re.IGNORECASE):
        return Parsed(found.group(1).casefold() == "true", "strict")
    said = _concluded(text, _truth)
    if said is None:
        first = re.match(
            r"[*_\"'“]*(true|false)\b[*_\"'”]*\s*[.,:;\n—–-](?P<rest>.*)\Z", text, re.IGNORECASE | re.DOTALL
        )
        words = set(re.findall(r"\b(true|false)\b", text.casefold()))
        said = words == {"true"} if first and len(words) == 1 else None
    if said is None:
        unreadable(answer, "expected True or False")
    return Parsed(said, "repaired")


def read_judgement(answer: Answer | str) -> Parsed[int]:
    """The judge's score, 0, 1 or 2.

    Strict: "Score: 2", as the prompt wants it, or the number alone. Repaired: in emphasis, brackets, with a full stop.

    >>> read_judgement("Score: 2"), read_judgement("**Score:** 1.")
    (Parsed(value=2, parsed='strict'), Parsed(value=1, parsed='repaired'))
    """
    text = whole_text(answer)
    if found := re.fullmatch(r"(?:Score:\s*)?([012])", text):
        return Parsed(int(found.group(1)), "strict")
    if found := re.fullmatch(r"[*_(\[]*score[*_]*\s*[:=][*_(\[\s]*([012])[*_)\]]*\.?", text, re.IGNORECASE):
        return Parsed(int(found.group(1)), "repaired")
    if found := re.fullmatch(r"[*_(\[]*([012])[*_)\]]*\.?", text):
        return Parsed(int(found.group(1)), "repaired")
    unreadable(answer, "expected 'Score: ' and 0, 1 or 2")


def _concluded(text: str, read: Callable[[str], T | None]) -> T | None:
    """What `read` makes of the whole text, else of what it marks as the answer, else of what its last sentence says."""
    return next((found for said in _answers_in(text) if (found := read(said)) is not None), None)


def _answers_in(text: str) -> Iterator[str]:
    yield text
    marked = BOXED.findall(text)
    if text.count("<answer>") == 1:
        marked.append(text.partition("<answer>")[2].partition("</answer>")[0])
    if len({normal(said) for said in marked}) == 1:
        yield marked[0].strip()
    elif not marked and (conclusion := CONCLUSION.search(text)):
        yield conclusion.group("said")


def _one(said: str, options: Sequence[str]) -> int | None:
    """The option that is all of `said`: a letter, a letter and its text, or a text."""
    plain = re.sub(r"\A(?:option|answer|choice)\s+(?=\(?[A-Za-z]\)?\Z)", "", said.strip(AROUND), flags=re.IGNORECASE)
    if found := re.fullmatch(r"[*_]*[(\[{]?([A-Za-z])[)\]}]?[:.]?[*_]*", plain):
        return _place(found.group(1).upper(), options)
    if found := re.match(r"[*_]*[(\[]?([A-Z])(?:[)\].:]+[*_]*|[*_]+)\s+(?P<text>.+)\Z", plain, re.DOTALL):
        place = _place(found.group(1), options)
        named = _text_of(found.group("text"), options)
        return place if place is not None and named == place else None
    whole = _text_of(plain, options)
    if found := re.match(r"([A-Z])(?:\s+-|\s*[–—])?\s+(?P<text>.+)\Z", plain, re.DOTALL):  # no mark but its own text
        place = _place(found.group(1), options)
        if place is not None and _text_of(found.group("text"), options) == place:
            return place if whole in (None, place) else None
    return whole


def _explained(
    text: str, read: Callable[[str], frozenset[int] | None], options: Sequence[str]
) -> frozenset[int] | None:
    """What a first line says, or a letter at the beginning, where the explanation after it names no other option."""
    line, _, rest = text.partition("\n")
    splits = [(line, rest)] if rest else []
    if found := re.match(r"[*_]*[(\[]?([A-Z])[)\].:]+[*_]*\s+(.+)", text, re.DOTALL):
        splits.append((found.group(1), found.group(2)))
    if found := re.match(REASONED, text):
        splits.append((found.group(1), found.group(2)))
    for answer, rest in splits:
        chosen = _concluded(answer.strip(), read)
        if chosen is not None and not _names_others(rest, chosen, options):
            return chosen
    return None


def _names_others(text: str, chosen: frozenset[int], options: Sequence[str]) -> bool:
    """Whether an explanation names an option that was not chosen: its letter, or its text in a line of its own.

    An A before a small letter is an article.
    """
    others = {letter for place, letter in enumerate(LETTERS[: len(options)]) if place not in chosen}
    letters = set(re.findall(r"(?<![A-Za-z'’])([A-Z])(?![A-Za-z'’])", re.sub(r"\bA(?= [a-z])", "", text)))
    letters |= set(re.findall(r"\b(?:[Oo]ption|[Aa]nswer|[Cc]hoice) \(?(A)\b", text))
    places = {_one(line, options) for line in text.split("\n")} - {None}
    return bool(letters & others or places - chosen)


def _several(said: str, options: Sequence[str]) -> frozenset[int] | None:
    plain = said.strip(AROUND)
    if re.fullmatch(r"[A-Z]{2,}", plain) and len(set(plain)) == len(plain):
        return _all([_place(letter, options) for letter in plain])
    listed = re.sub(r"[*_\[\](){}`\"']", "", plain)
    if re.fullmatch(r"(?:options? )?[A-Za-z]\.?(?:(?:\s*[,;&/]\s*(?:and\s+)?|\s+and\s+|\s+)[A-Za-z]\.?)*", listed):
        letters = re.findall(r"\b[A-Za-z]\b", re.sub(r"\A(?:options? )", "", listed))
        return _all([_place(letter.upper(), options) for letter in letters])
    return _all([_one(line, options) for line in re.split(r"\n+|;\s*", plain) if line.strip()])


def _all(places: Sequence[int | None]) -> frozenset[int] | None:
    """The set of the places; None where one is missing, or named twice."""
    known = [place for place in places if place is not None]
    return frozenset(known) if known and len(known) == len(places) == len(set(known)) else None


def _truth(said: str) -> bool | None:
    plain = said.strip(AROUND + "()[]")
    plain = re.sub(
        r"\A(?:the|this) (?:statement|description|sentence|claim)(?: about the image)? is\s+", "", plain, flags=re.I
    )
    plain = plain.strip(AROUND).casefold()
    return {"true": True, "false": False}.get(plain)


def _place(letter: str, options: Sequence[str]) -> int | None:
    place = LETTERS.index(letter)
    return place if place < len(options) else None


def _text_of(said: str, options: Sequence[str]) -> int | None:
    """The option whose text `said` is, but for case, blanks and marks at its ends."""
    found = [place for place, option in enumerate(options) if normal(option) == normal(said)]
    return found[0] if len(found) == 1 and normal(said) else None


def normal(text: str) -> str:
    """A text as it is compared: NFC, one case, single blanks, no marks at its ends.

    >>> normal(" **Motion  blur**. ")
    'motion blur'
    """
    return " ".join(unicodedata.normalize("NFC", text).casefold().split()).strip(AROUND)
