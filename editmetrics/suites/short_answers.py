"""Answers that are no more than scores or a verdict: of WISE and its first edition, and of GenAI-Bench."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..bases.judge import Verdict
    from ..judge import Answer

LABELS = {"Consistency": "consistency", "Realism": "realism", "Aesthetic Quality": "aesthetic_quality"}
"""The three scores of WISE's first edition, as an answer names them, in their order."""

_LABEL = r"\*{0,2}(Consistency|Realism|Aesthetic Quality)\*{0,2}\s*[:：]?\s*"


def binary_score(name: str) -> Any:
    """Return a reader of "Score: 0" or "Score: 1", or of the digit alone.

    >>> from editmetrics.judge import Answer
    >>> binary_score("score")(Answer("**Score**: 1")).values, binary_score("score")(Answer("0")).values
    ({'score': 1.0}, {'score': 0.0})
    """
    return _BinaryReader(name)


class _BinaryReader:
    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, answer: Answer) -> Verdict:
        from ..bases.judge import Verdict
        from ..judge.answers import unreadable, whole_text

        text = whole_text(answer).strip()
        labelled = re.findall(r"\bscore\*{0,2}\s*[:：]?\s*\*{0,2}(-?\d+(?:\.\d+)?)", text, re.IGNORECASE)
        scores = {*labelled} or {text}
        if len(scores) != 1:
            unreadable(answer, f"expected one number after 'Score', got {len(scores)}")
        if (score := scores.pop()) not in ("0", "1"):
            unreadable(answer, f"expected 'Score: 0' or 'Score: 1', got {score if labelled else 'no score'}")
        return Verdict({self.name: float(score)}, text if labelled else "")


def as_binary_script(text: str) -> float | None:
    """Return what WISE's script makes of an answer: the first 0 or 1 after "Score", else the only line with one.

    It reads "Score: 0.5" as 0.

    >>> as_binary_script("Score: 0.5"), as_binary_script("Good.\\n1"), as_binary_script("Score: 2")
    (0.0, 1.0, None)
    """
    text = re.sub(r"<think>.*?</think>\s*", "", text, flags=re.DOTALL).replace("</think>", "")
    if match := re.search(r"\*{0,2}Score\*{0,2}\s*:?\s*([01])\b", text, re.IGNORECASE):
        return float(match.group(1))
    lines = re.findall(r"(?m)^\s*([01])\s*$", text)
    return float(lines[0]) if len(lines) == 1 else None


def labelled_scores(low: int, high: int) -> Any:
    """Return a reader of "Consistency: 2", "Realism: 1" and "Aesthetic Quality: 0", or of three lines with a digit.

    >>> from editmetrics.judge import Answer
    >>> labelled_scores(0, 2)(Answer("2\\n1\\n0")).values
    {'consistency': 2.0, 'realism': 1.0, 'aesthetic_quality': 0.0}
    """
    return _LabelledReader(low, high)


class _LabelledReader:
    def __init__(self, low: int, high: int) -> None:
        self.low, self.high = low, high

    def __call__(self, answer: Answer) -> Verdict:
        from ..bases.judge import Verdict
        from ..judge.answers import unreadable, whole_text

        text = whole_text(answer).strip()
        pairs = re.findall(_LABEL + r"\*{0,2}(-?\d+(?:\.\d+)?)", text, re.IGNORECASE)
        if not pairs and re.fullmatch(r"(\d\s*\n\s*){2}\d", text):
            pairs = list(zip(LABELS, text.split(), strict=True))
        scores = {(label.lower().replace(" ", "_"), float(score)) for label, score in pairs}
        if len(scores) != len(LABELS) or {name for name, _ in scores} != {*LABELS.values()}:
            unreadable(answer, f"expected one number each for {', '.join(LABELS)}")
        for name, score in scores:
            if not (self.low <= score <= self.high and score.is_integer()):
                unreadable(answer, f"{name} {score:g} is not a whole number from {self.low} to {self.high}")
        by_name = dict(scores)
        return Verdict({name: by_name[name] for name in LABELS.values()}, text)


def as_labelled_script(text: str) -> dict[str, float] | None:
    """Return what the script of WISE's first edition makes of an answer; None unless it finds all three scores.

    The last digit after each name, of any size; without names the first three lines with a digit from 0 to 2.

    >>> as_labelled_script("Consistency: 9\\nRealism: 1\\nAesthetic Quality: 0")
    {'consistency': 9.0, 'realism': 1.0, 'aesthetic_quality': 0.0}
    """
    pairs = re.findall(r"\*{0,2}(Consistency|Realism|Aesthetic Quality)\*{0,2}\s*:?\s*(\d)", text, re.IGNORECASE)
    scores = {label.lower().replace(" ", "_"): float(score) for label, score in pairs}
    lines = re.findall(r"(?m)^\s*([0-2])\s*$", text)
    if not scores and len(lines) >= len(LABELS):
        scores = {name: float(line) for name, line in zip(LABELS.values(), lines, strict=False)}
    return scores if len(scores) == len(LABELS) else None


VERDICTS = ("A>B", "A>>B", "B>A", "B>>A", "A=B", "A=B=Good", "A=B=Bad")
"""The choices of a judge of two images, as it writes them between double brackets."""


def agrees(name: str, right: tuple[str, ...]) -> Any:
    """Return a reader of a verdict such as [[A>B]]: 1 where it is one of `right`, else 0.

    >>> from editmetrics.judge import Answer
    >>> agrees("left", ("A>B", "A>>B"))(Answer("A follows the prompt. [[A>B]]")).values
    {'left': 1.0}
    """
    return _VerdictReader(name, right)


class _VerdictReader:
    def __init__(self, name: str, right: tuple[str, ...]) -> None:
        self.name, self.right = name, right

    def __call__(self, answer: Answer) -> Verdict:
        from ..bases.judge import Verdict
        from ..judge.answers import unreadable, whole_text

        text = whole_text(answer)
        verdicts = {*re.findall(r"\[\[(.*)\]\]", text)}
        if len(verdicts) != 1:
            unreadable(answer, f"expected one verdict such as [[A>B]], got {len(verdicts)}")
        if (verdict := verdicts.pop()) not in VERDICTS:
            unreadable(answer, f"[[{verdict}]] is not one of {', '.join(VERDICTS)}")
        return Verdict({self.name: float(verdict in self.right)}, text, verdict)


def as_verdict_script(text: str, right: tuple[str, ...]) -> float | None:
    """Return what GenAI-Bench's script makes of an answer: 1 where what stands in its first brackets is right, else 0.

    None for no brackets, which it counts as 0.

    >>> [as_verdict_script(text, ("A>B",)) for text in ("[[A>B]]", "[[C]]", "A>B")]
    [1.0, 0.0, None]
    """
    match = re.search(r"\[\[(.*)\]\]", text)
    return None if match is None else float(match.group(1) in right)
