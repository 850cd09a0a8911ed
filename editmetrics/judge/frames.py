"""The frames in which an answer states an option: "the answer is ...", "... is correct", "答案是...", and their kin.

Each is a regular expression over a sentence whose options are marked (`mentions`), with the list of them as `said`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .mentions import LIST, TEXT

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
    r"\s*(?:\Z|[.!,;:(–—-]|(?:because|since|as|due to|given|not|rather than|instead of)\b|因为)",
    re.IGNORECASE,
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
