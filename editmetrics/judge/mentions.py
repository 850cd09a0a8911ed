"""Find where a text names the options of a question, in frames such as "the answer is ..." or "答案是...".

Each name becomes one character, so that grammar stays short: `LETTER`, `TEXT` and `BOTH` are classes of such
characters: an option's letter, its text, and its letter followed by its own text. A letter that no option has, or that
stands with the text of another, becomes `WRONG`. A frame is a regular expression over a sentence so marked, with the
list of stated options as `said`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_FIRST = {"letter": 0xE000, "text": 0xE100, "both": 0xE200}
LETTER, TEXT, BOTH = "[\ue000-\ue0ff]", "[\ue100-\ue1ff]", "[\ue200-\ue2ff]"
ANY = "[\ue000-\ue2ff]"
WRONG = "\ue300"

SEPARATOR = r"(?:\s*[,;&/+|]\s*(?:(?:and|&)\s+)?|\s+and\s+|\s*(?:和|与|及|以及)\s*|\s*)"
LIST = rf"(?:(?:both|only|just)\s+)?{ANY}(?:{SEPARATOR}{ANY})*(?:\s+only\b)?"

_AFTER_A = (
    "is|was|and|or|are|because|since|as|applies|apply|fits|seems|rather|not|but|it|only|cannot|would|nor|also|too"
)
"""Words before which an A is the letter of an option, not an article."""

_ALL = re.compile(
    r"\ball (?:of )?(?:the above|them|(?:the |these )?(?:\w+ )?(?:options|choices)|above)\b(?: options)?"
    r"|\bevery option\b|以上(?:都是|全部|皆是|都对)|\A\W*全部(?=\W*\Z)",
    re.IGNORECASE,
)
_NOT_ALL = re.compile(r"\s*,?\s*(?:except|but|besides|without|other|apart|save|minus)\b", re.IGNORECASE)


def kind(mark: str) -> str:
    """Tell whether a mark is a "letter", a "text" or "both"."""
    return ("letter", "text", "both")[(ord(mark) - 0xE000) // 0x100]


def position(mark: str) -> int:
    """Return the position of the option that a mark stands for."""
    return ord(mark) % 0x100


def mark_options(text: str, options: Sequence[str], *, letters: bool = True, several: bool = False) -> str:
    """Replace every name of an option by one mark; with `several`, "all of the above" names all of them."""
    text = re.sub("[\ue000-\ue3ff]", " ", text)
    text = _mark_texts(text, options)
    if letters:
        text = _mark_letters(text, len(options))
        text = _joined(text)
    if several:
        text = _mark_all(text, len(options))
    text = re.sub(rf"[(\[{{]\s*({ANY})\s*[)\]}}]", r"\1", text)
    text = re.sub(rf"[\"']({ANY})([.,!]?)[\"']", r"\1\2", text)
    text = re.sub(
        rf"\b(?:options?|choices?|letters?)\s+(?={ANY})|选项\s*(?={ANY})|(?<={ANY})选项(?=\W|\Z)",
        "",
        text,
        flags=re.IGNORECASE,
    )
    text = re.sub(rf"^[ \t]*\d+[.)][ \t]+(?={ANY})", "", text, flags=re.MULTILINE)
    return re.sub(rf"({ANY})\s*[)\]](?=\W|\Z)", r"\1 ", text).strip()


def positions_of(text: str, *, mixed: bool = False) -> tuple[int, ...] | None:
    """Return the positions in a list of marks; None where one is named twice, or letters and texts are mixed."""
    marks = re.findall(ANY, text)
    kinds = {kind(mark) for mark in marks}
    positions = tuple(position(mark) for mark in marks)
    if not positions or len(set(positions)) < len(positions) or ({"letter", "text"} <= kinds and not mixed):
        return None
    return positions


def lists(text: str) -> Iterator[re.Match[str]]:
    """Find every list of options in a marked text."""
    return re.finditer(rf"{ANY}(?:{SEPARATOR}(?:(?:or|nor)\s+)?{ANY})*", text)


def pattern_of(option: str) -> str:
    """Return a regular expression for an option's text: any case, any blanks, whole words."""
    words = option.split()
    body = r"\s+".join(re.escape(word) for word in words)
    before = r"(?<![A-Za-z0-9])" if words and re.match(r"[A-Za-z0-9]", words[0]) else ""
    after = r"(?![A-Za-z0-9])" if words and re.search(r"[A-Za-z0-9]\Z", words[-1]) else ""
    if option.casefold() in ("yes", "no"):
        after += r"(?![ \t]+\w)"  # "no blur" does not answer No
    if re.fullmatch(r"[A-Za-z ]+", option):
        after += r"(?!\s+(?:answers?|options?|choices?)\b)"  # "the right answer" is no Right
    return before + body + after


def _mark_texts(text: str, options: Sequence[str]) -> str:
    order = sorted(range(len(options)), key=lambda number: -len(options[number]))
    groups = [f"(?P<o{number}>{pattern_of(options[number])})" for number in order if options[number]]
    if not groups:
        return text

    def marked(match: re.Match[str]) -> str:
        number = int(str(match.lastgroup)[1:])
        if re.fullmatch("[A-Z]", match.group()) and ord(match.group()) - ord("A") != number:
            return WRONG  # the text of one option is the letter of another
        return chr(_FIRST["text"] + number)

    return re.sub("|".join(groups), marked, text, flags=re.IGNORECASE)


def _mark_letters(text: str, count: int) -> str:
    def mark(letter: str) -> str:
        number = ord(letter) - ord("A")
        return chr(_FIRST["letter"] + number) if number < count else WRONG

    def capitals(match: re.Match[str]) -> str:
        letters = match.group()
        known = all(ord(letter) - ord("A") < count for letter in letters)
        if len(letters) > 1 and not (known and len(letters) <= count):
            return letters
        return "".join(mark(letter) for letter in letters)

    pronoun = r"I(?!\s+[a-z])|" if count > ord("I") - ord("A") else ""
    alone = (
        r"(?<![A-Za-z0-9'\ue100-\ue1ff+])"
        rf"(?:A(?!\s+(?!(?:{_AFTER_A})\b)[a-z])|{pronoun}[B-HJ-Z]|[A-Z]{{2,}})"
        r"(?![A-Za-z0-9'+#])"
    )
    short = len(text) < 200 and re.search(
        r"(?:\A|\b(?:answers?|options?|choices?)\W+(?:(?:is|are)\W+)?|:\s*)"
        r"\W*([a-z](?:(?:\W+|\W+and\W+)[a-z])*)\W*\Z",
        text,
    )
    if short:
        text = text[: short.start(1)] + re.sub(r"\b[a-z]\b", lambda one: one.group().upper(), short.group(1))
    return re.sub(alone, capitals, text)


def _joined(text: str) -> str:
    """Join a letter and its own text to one mark; with the text of another option they become `WRONG`."""

    def join(match: re.Match[str]) -> str:
        letter, between, text = match.groups()
        if position(letter) == position(text):
            return chr(_FIRST["both"] + position(letter))
        return match.group() if re.fullmatch(r"\s*|\s*,\s*", between) else WRONG

    text = re.sub(rf"[(\[]?({LETTER})(\s*[)\].:,=–—-]*\s*[(\[]?\s*[\"']?\s*)({TEXT})", join, text)
    return re.sub(rf"({BOTH})(?:[\"']?\s*[)\]])", r"\1", text)


def _mark_all(text: str, count: int) -> str:
    everything = ", ".join(chr(_FIRST["letter"] + number) for number in range(count))

    def expand(match: re.Match[str]) -> str:
        before, after = text[: match.start()], text[match.end() :]
        if _NOT_ALL.match(after) or re.search(r"\b(?:not|none|some|n't)\s+(?:of\s+)?\Z", before, re.IGNORECASE):
            return WRONG
        return everything

    return _ALL.sub(expand, text)


_ADJECTIVE = r"(?:final|correct|best|right|only|most|appropriate|suitable|selected|chosen|accurate)"
_NOUN = r"(?:answers?|options?|choices?|response|result|solution|selection|pick|one)"
_VERB = r"(?:is|are|was|would be|should be|must be|has to be|seems to be|appears to be)"
_SURELY = r"(?:\s+(?:clearly|mainly|mostly|primarily|definitely|obviously|certainly|indeed|likely|therefore|thus))?"
_SAID = rf"(?P<said>{LIST})"
_BEFORE = (
    r"(?:\A|(?<=[,;:.])\s*|\b(?P<link>so|thus|hence|therefore|consequently|then|means|meaning|that|think|believe|say"
    r"|conclude|confident)(?:\s+that)?\s*[,:]?\s*)"
)
AFTER = re.compile(
    r"\s*(?:\Z|[.!,;:(–—-]|(?:because|since|as|due to|given|not|rather than|instead of)\b|因为)", re.IGNORECASE
)


@dataclass(frozen=True)
class Frame:
    """A way of stating an answer. `explicit`: it says that this is the answer. `alone`: it only counts where no other
    option is named at all, nothing is denied, and the option is named by its text."""

    pattern: re.Pattern[str]
    explicit: bool = False
    alone: bool = False


def _frame(pattern: str, *, explicit: bool = False, alone: bool = False) -> Frame:
    return Frame(re.compile(pattern, re.IGNORECASE), explicit, alone)


_TEXTS = rf"(?P<said>{TEXT}(?:(?:\s*,\s*|\s*,?\s+and\s+|和|与|、){TEXT})*)"
FRAMES = (
    _frame(
        rf"{_BEFORE}(?:the |my |your )?(?:letter of )?(?:the )?(?:{_ADJECTIVE}\s+)*{_NOUN}"
        rf"(?:\s+(?:to|for|of|in)\s+(?:(?:the|this|these)\s+)?\w+|\s+here|\s+given)?\s*(?:{_VERB}{_SURELY}\s*:?|:)\s*"
        rf"{_SAID}",
        explicit=True,
    ),
    _frame(
        rf"{_BEFORE}{_SAID},?\s+{_VERB}{_SURELY}\s+(?:both |all )?(?:the |my )?"
        rf"(?:(?:correct|right|best|most \w+)(?:\s+(?:{_NOUN}|fit|match))?|(?:final )?{_NOUN})(?=\W|\Z)",
        explicit=True,
    ),
    _frame(
        rf"{_BEFORE}{_SAID}\s+(?:both |all )?(?:applies|apply|fits?|matches|it is)(?: best)?(?=\W|\Z)", explicit=True
    ),
    _frame(
        rf"{_BEFORE}(?:i(?: would|'d| will|'ll)?\s+)?(?:choose|select|pick|answer|go with|going with|say|vote for"
        rf"|opt for)\s+{_SAID}",
        explicit=True,
    ),
    _frame(rf"\b(?:so|thus|hence|therefore|consequently|in conclusion)\b\s*[,:]?\s*{_SAID}", explicit=True),
    _frame(
        r"(?:\A|[,.:;]\s*|所以|因此|故|综上|我认为|则|本题)(?:该题|本题)?(?:的)?(?:正确|最终|最佳|我)?的?"
        rf"(?:答案|选项|选择)(?:应该|应)?(?:是|为)?\s*[,:]?\s*{_SAID}",
        explicit=True,
    ),
    _frame(rf"(?:\A|[,.:;]\s*)(?:所以|因此|故|综上|本题|我)*(?:应该|应|会)?选(?:择)?\s*:?\s*{_SAID}", explicit=True),
    _frame(rf"(?:\A|[,.:;]\s*)(?:因此|所以)?{_SAID}\s*(?:都)?(?:是)?正确(?:的|选项|答案)*(?=[.!]|\Z)", explicit=True),
    _frame(rf"{_BEFORE}(?:it|this|that)(?:\s+{_VERB}|'s){_SURELY}\s+(?:(?:the|a|an)\s+)?{_SAID}"),
    _frame(rf"\A{_SAID}"),
    _frame(
        r"\A(?:the|this|main)\b[^,;:]{0,120}?\s(?:is|are|shows?|exhibits?|has|contains?|suffers?|comes?|displays)"
        rf"{_SURELY}(?:\s+(?:on|in|from|by))?(?:\s+(?:the|a|an))?\s+{_TEXTS}(?=\W*\Z)",
        alone=True,
    ),
    _frame(
        rf"\A(?:the |a |an )?{_TEXTS}\s+(?:is|are)\s+the\s+(?:main|major|dominant|most|strongest|worst)\b"
        r"(?:\s+\w+){0,5}\W*\Z",
        alone=True,
    ),
    _frame(
        rf"\Ai(?:'d| would)?\s+(?:rate|call|describe)\s+(?:it|this|the \w+)\s+(?:as\s+)?{_TEXTS}(?=\W*\Z)", alone=True
    ),
    _frame(rf"\A[^,.;:?]{{1,40}}是{_TEXTS}(?=[.!]*\Z)", alone=True),
)
