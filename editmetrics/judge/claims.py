"""Find the options that an answer in free words claims, by frames such as "the answer is ..." and "... is correct".

A claim counts when nothing in the answer speaks against it: no condition, no denial, no second thought, no other claim,
and no other named option that is not ruled out. In case of doubt the answer is unreadable.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .answers import Parsed, unreadable, whole_text
from .chat import Answer
from .mentions import AFTER, ANY, FRAMES, LIST, SEPARATOR, WRONG, kind, lists, mark_options, position, positions_of
from .plain_text import LONGEST, marked, plain, sentences

EDGE = 40
"""Number of sentences at either end of an answer that may state it, and the most claims that are weighed."""

_CONDITION = re.compile(
    r"\b(?:if|unless|whether|suppose|assuming|depend\w*|might|may|could|maybe|perhaps|possibl[ey]|probably|either|or"
    r"|someone|asked|question|between|wrong answer|incorrect)\b|如果|可能|或|还是|是否",
    re.IGNORECASE,
)
_DENIAL = re.compile(
    r"\b(?:not|no|never|neither|nor|without|wrong|incorrect|false|unlike|than|instead of|less|least"
    r"|weak\w*|smallest|minor|rul(?:e|es|ed|ing) out|eliminat\w*|exclud\w*|absent|lacks?|free|out|cannot|would"
    r"|doubt\w*)\b|n't\b|不|没|无|非|错|排除",
    re.IGNORECASE,
)
_RETRACTION = re.compile(
    r"\bwait\b|second thought|\bactually\b|on reflection|\bcorrection\b|scratch that|never ?mind|\bnot sure\b"
    r"|\bunsure\b|\bor rather\b|\bmaybe\b|\bperhaps\b|\bpossibly\b|\bhard to say\b|\bdepend(?:s|ing)\b|\belse\b|\bif\b"
    r"|\bunless\b|不确定|也可能",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"\A[\s,;:(.–—-]*(?:(?:which|this|that|it|or)\s+)*(?:(?:is|was)\s+)?"
    rf"(?:not\b(?!\s+(?:the\s+)?{ANY})|no\s*(?:[.,;!)]|\Z)|wrong|incorrect|false|isn't|nearly|almost)"
    r"|\b(?:this|that|which|it) (?:is|was) (?:not (?:the )?(?:correct|right|true)|wrong|incorrect|false)\b"
    r"|\b(?:this|that|it) isn't (?:the )?(?:correct|right)\b|\bdisagree",
    re.IGNORECASE,
)
"""Words that take back a claim before them."""

_LIMITED = re.compile(
    rf"{SEPARATOR}{WRONG}|\s*,?\s*or\b"
    r"|[\s,;:(–—-]*(?:mostly|partly|partially|almost|nearly|in part|sort of|kind of|more or less)\b",
    re.IGNORECASE,
)
"""Words that limit a claim right before them."""

_OWN_DENIAL = re.compile(r"\b(?:not|wrong|incorrect|doubt\w*|unlikely|questionable)\b|n't\b|不|错", re.IGNORECASE)
_SPEAKER = re.compile(
    r"\b(?:i|we|i'd|i'm|so|thus|hence|therefore|which|means?|meaning|shows?|indicates?|suggests?|conclu\w+|clear)\b",
    re.IGNORECASE,
)
"""Subjects whose thoughts or words count as the answer: the model itself, or the evidence."""

_ALSO = re.compile(
    r"\b(?:also|too|possible|likely|better|well|equally|or|could|might|may|actually|but)\b|也|或", re.IGNORECASE
)
_FILLERS = frozenset({"right", "good", "well", "sure", "ok", "okay", "correct", "great", "fine", "clear"})
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
_HEDGED = re.compile(
    r"\b(?:but|however|although|though|except|partly|in part|partially|apart from|only if|mostly)\b|\byes\W*\.\.\.",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class _Claim:
    """A claim of a sentence, and the words of the sentence before and after it."""

    sentence: int
    places: tuple[int, ...]
    before: str
    after: str
    explicit: bool
    alone: bool
    by_text: bool
    lettered: bool


def claimed(text: str, options: Sequence[str], *, letters: bool = True, several: bool = False) -> frozenset[int] | None:
    """Return the positions of the options that an answer claims; None without a clear claim.

    - `letters`: whether the options were shown with letters. `several`: whether more than one may be claimed.

    >>> claimed("The face is grainy, so the answer is B.", ["blur", "noise"])
    frozenset({1})
    >>> claimed("It is A or B.", ["blur", "noise"]) is None
    True
    """
    names = [_folded(option) for option in options]
    if tags := marked(text):
        return _tagged(tags, names, letters, several)
    words = _without_echo(mark_options(plain(text), names, letters=letters, several=several), len(names))
    if (whole := _whole(words, several)) is not None:
        return whole
    parts = sentences(words)
    looked_at = [*range(min(EDGE, len(parts))), *range(max(EDGE, len(parts) - EDGE), len(parts))]
    claims = [claim for number in looked_at for claim in _claims(number, parts[number], names, letters)]
    if not 0 < len(claims) <= EDGE:
        return None
    claims = _decisive(claims, len(parts))
    sets = {frozenset(claim.places) for claim in claims}
    if len(sets) > 1 or not all(_stands(claim, parts, claims) for claim in claims):
        return None
    (places,) = sets
    return places if several or len(places) == 1 else None


def read_yes_no(answer: Answer | str) -> Parsed[str]:
    """Parse "yes" or "no", also with a reason after it ("Yes, it is."), in English or Chinese.

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
    options = claimed(words, ["yes", "no"], letters=False)
    value = None if options is None else ("yes", "no")[min(options)]
    if value is None or _CONTRADICTED[value].search(words) or _HEDGED.search(words):
        unreadable(answer, "expected yes or no")
    return Parsed(value, "repaired")


def _folded(option: str) -> str:
    return " ".join(plain(option).split()).strip(" \t\n\"'.,;")


def _tagged(tags: Sequence[str], names: Sequence[str], letters: bool, several: bool) -> frozenset[int] | None:
    readings = {_whole(mark_options(plain(tag), names, letters=letters, several=several), several) for tag in tags}
    return readings.pop() if len(readings) == 1 else None


def _whole(words: str, several: bool) -> frozenset[int] | None:
    """Return the options of a text that is nothing but options, on one line or on several."""
    bare = words.strip(" \t\n\"'.,;:!()[]{}")
    if not re.fullmatch(LIST, bare.replace("\n", " , ") if several else bare):
        return None
    places = positions_of(bare)
    return None if places is None or (len(places) > 1 and not several) else frozenset(places)


def _without_echo(words: str, count: int) -> str:
    """Remove a repetition of all options, one a line, where anything else remains."""
    echo = r"\n".join(rf"[{chr(0xE000 + number)}{chr(0xE200 + number)}]\W{{0,3}}?" for number in range(count))
    rest = re.sub(rf"^{echo}$", "", words, count=1, flags=re.MULTILINE).strip()
    return rest if re.search(r"\w", rest) else words


def _claims(number: int, sentence: str, names: Sequence[str], letters: bool) -> list[_Claim]:
    """Find the claims of one sentence; a question claims nothing."""
    if len(sentence) > LONGEST or sentence.rstrip("\"' )").endswith("?"):
        return []
    claims: list[_Claim] = []
    for frame in FRAMES:
        for match in frame.pattern.finditer(sentence):
            before, after = sentence[: match.start()], sentence[match.end() :]
            places = positions_of(match["said"])
            if places is None or not AFTER.match(after) or WRONG in match.group():
                continue
            by_text = all(kind(mark) == "text" for mark in re.findall(ANY, match["said"]))
            worded = letters and names[places[0]].casefold() not in ("yes", "no")  # "No, it isn't." takes nothing back
            if by_text and _is_filler(after, places, names) and not frame.explicit:
                continue
            if _CONDITION.search(before) or _denies(before) or _quotes(match):
                continue
            if not any(one.places == places and one.explicit >= frame.explicit for one in claims):
                claims.append(_Claim(number, places, before, after, frame.explicit, frame.alone, by_text, worded))
    return claims


def _is_filler(after: str, places: tuple[int, ...], names: Sequence[str]) -> bool:
    """Whether an option's text may be no more than the word that an answer begins with: "Right, ..."."""
    begins = re.match(r"\s*(?:because|since|as)\b|\W*\Z", after.lstrip(" ,"), re.IGNORECASE) is None
    return begins and names[places[0]].casefold() in _FILLERS


def _denies(before: str) -> bool:
    """Whether the clause that leads up to a claim denies it; what is ruled out in an earlier clause does not."""
    clause = re.split(r"[,;:.]", before)[-1]
    return re.search(r"\b(?:not|never|n't|cannot|wrong|doubt)\b|n't\b|不", clause, re.IGNORECASE) is not None


def _quotes(match: re.Match[str]) -> bool:
    """Whether a claim is what somebody else says or thinks: "they say the answer is B"."""
    link = match.groupdict().get("link")
    if link is None or link.casefold() not in ("that", "think", "believe", "say", "confident"):
        return False
    clause = re.split(r"[,;:.]", match.string[: match.end("link")])[-1]
    return not _SPEAKER.search(clause) or re.search(r"\b(?:false|untrue|wrong)\b", clause, re.IGNORECASE) is not None


def _decisive(claims: list[_Claim], count: int) -> list[_Claim]:
    """Select the claims that count: all, or after a walk through several options those of the last sentence."""
    last = [claim for claim in claims if claim.sentence == count - 1 and claim.explicit]
    others = [claim for claim in claims if claim.sentence < count - 1]
    walk = len({claim.places for claim in others}) > 1 and not any(claim.explicit for claim in others)
    return last if last and walk else claims


def _stands(claim: _Claim, parts: Sequence[str], claims: Sequence[_Claim]) -> bool:
    """Whether nothing around a claim speaks against it."""
    earlier, later = parts[: claim.sentence], parts[claim.sentence + 1 :]
    following = " ".join([claim.after, *later])
    if _RETRACTION.search(following) or WRONG in claim.before or any(part.startswith(WRONG) for part in parts):
        return False
    if _LIMITED.match(claim.after):
        return False
    if claim.lettered and _DENIED.search(following):
        return False
    if any(_denied_itself(part, claim) for part in (claim.after, *earlier, *later)):
        return False
    if claim.alone:
        sentence = re.sub(r"\bi would\b", "", parts[claim.sentence], flags=re.IGNORECASE)
        others = any(position(mark) not in claim.places for mark in re.findall(ANY, " ".join(parts)))
        return not (others or _DENIAL.search(sentence) or _CONDITION.search(sentence) or WRONG in " ".join(parts))
    texts_too = claim.by_text
    if not _ruled_out(claim.before, claim.places, texts=True):
        return False
    if not all(_ruled_out(part, claim.places, texts=texts_too) for part in (claim.after, *later)):
        return False
    return claim.explicit or all(_ruled_out(part, claim.places, texts=texts_too) for part in earlier)


def _denied_itself(text: str, claim: _Claim) -> bool:
    """Whether a text denies the very options that a claim names: "... is not B", "C is doubtful"."""
    named = list(lists(text))
    for group in named:
        marks = re.findall(ANY, group.group())
        own = [mark for mark in marks if position(mark) in claim.places and (claim.by_text or kind(mark) != "text")]
        if own and len(own) == len(marks) and _OWN_DENIAL.search(_clause(text, group.start(), group.end(), named)):
            return True
    return False


def _ruled_out(text: str, places: tuple[int, ...], *, texts: bool) -> bool:
    """Whether every other option that a text names is denied there, without an "also" or "or".

    `texts`: whether the texts of options count; after a letter they are mostly plain words of the explanation.
    """
    named = list(lists(text))
    others = [
        group
        for group in named
        if any(
            position(mark) not in places and (texts or kind(mark) != "text") for mark in re.findall(ANY, group.group())
        )
    ]  # fmt: skip
    if not others or len(others) > EDGE:
        return not others
    for group in others:
        clause = _clause(text, group.start(), group.end(), named)
        if not _DENIAL.search(clause) or _ALSO.search(clause):
            return False
        if any(position(mark) in places for mark in re.findall(ANY, group.group())):
            return False
    return True


def _clause(text: str, start: int, end: int, named: Sequence[re.Match[str]]) -> str:
    """Return the clause around a list of options; commas within lists do not end it."""
    masked = list(text)
    for group in named:
        masked[group.start() : group.end()] = "#" * (group.end() - group.start())
    flat = "".join(masked)
    left = max((mark.end() for mark in re.finditer(r"[,;:.]|\bwhile\b|\bbecause\b", flat[:start])), default=0)
    right = re.search(r"[,;:.]", flat[end:])
    return flat[left : end + right.start() if right else len(flat)]
