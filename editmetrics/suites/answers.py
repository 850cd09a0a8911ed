"""How published scripts read the answers of judges, beside our own strict reading. Nothing here draws at random."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

if TYPE_CHECKING:
    from ..bases.judge import Verdict
    from ..judge import Answer

MARKS = "||V^=^V||"
"""Delimiters that older versions of VIEScore asked a model to write."""


def viescore_rating(name: str, count: int = 2) -> Any:
    """Return a reader of VIEScore's answers: the lowest of `count` scores from 0 to 10, as JSON; reasons are optional.

    >>> from editmetrics.judge import Answer
    >>> viescore_rating("SC")(Answer('{"score": [9, 4], "reasoning": "too bright"}')).values
    {'SC': 4.0}
    """
    return _VIEScoreReader(name, count)


def single_rating(name: str) -> Any:
    """Return a reader of one score from 0 to 10, as JSON; reasons are optional. A list of one is that score.

    >>> from editmetrics.judge import Answer
    >>> single_rating("PF")(Answer('{"score": 7, "reasoning": "one arm is missing"}')).values
    {'PF': 7.0}
    """
    return _VIEScoreReader(name, 1, bare=True)


class _VIEScoreReader:
    def __init__(self, name: str, count: int, *, bare: bool = False) -> None:
        self.name, self.count, self.bare = name, count, bare

    def __call__(self, answer: Answer) -> Verdict:
        from ..bases.judge import Verdict
        from ..judge import read_json

        parsed = read_json(answer, _rating(self.count, self.bare))
        score = parsed.value.score
        scores = [float(one) for one in (score if isinstance(score, list) else [score])]
        shown = f"[{', '.join(f'{score:g}' for score in scores)}]"
        return Verdict({self.name: min(scores)}, str(parsed.value.reasoning), shown, parsed.parsed == "repaired")


@cache
def _rating(count: int, bare: bool) -> Any:
    from pydantic import Field, create_model

    number = Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]
    scores = Annotated[list[number], Field(min_length=count, max_length=count)]
    kind: Any = number | scores if bare else scores
    return create_model("SuiteRating", score=(kind, ...), reasoning=(str, ""))


def as_viescore_script(text: str, *, mends: bool = True) -> float | None:
    """Return what VIEScore's script makes of an answer: the lowest number of its list, of any length and size.

    None where it finds none, and then asks again, and at last guesses. It reads what stands from the first `{` to the
    last `}` (with quotes and brackets put around what lacks them, where it `mends`), a list of two integers, or an
    integer from 0 to 10.

    >>> as_viescore_script('{"score": [11]}'), as_viescore_script("7"), as_viescore_script("I cannot say.")
    (11.0, 7.0, None)
    """
    if text.count(MARKS) == 2:
        start, end = text.find(MARKS) + len(MARKS), text.rfind(MARKS)
    else:
        start, end = text.find("{"), text.rfind("}") + 1
        if start == -1 or end == 0:
            return _lowest(_bare_scores(text))
    if start == end:
        return None
    content = text[start:end].strip().replace("\n", "")
    for candidate in (content, quoted(content)) if mends else (content,):
        try:
            data = json.loads(candidate)
            score = data["score"]
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
        return _lowest(score if isinstance(score, list) else [score])
    return None


def _bare_scores(text: str) -> list[Any]:
    start, end = text.find("["), text.rfind("]") + 1
    if re.fullmatch(r"\[\d+, ?\d+\]", text[start:end]):
        return list(json.loads(text[start:end]))
    number = bare_integer(text)
    return [] if number is None else [number]


def bare_integer(text: str) -> float | None:
    """Return the integer from 0 to 10 that an answer is; None for any other."""
    try:
        number = int(text)
    except ValueError:
        return None
    return float(number) if 0 <= number <= 10 else None


def _lowest(scores: list[Any]) -> float | None:
    numbers = [float(score) for score in scores if isinstance(score, (int, float)) and not isinstance(score, bool)]
    return min(numbers) if numbers and len(numbers) == len(scores) else None


def quoted(text: str) -> str:
    """Put quotes around keys and texts, and brackets around numbers, as the script repairs broken JSON."""
    keyed = re.sub(r"(\w+):", r'"\1":', text)

    def value(match: re.Match[str]) -> str:
        key, content, end = match.group(1), match.group(2).strip(), match.group(3)
        if re.fullmatch(r"-?\d+(\.\d+)?", content):
            return f"{key}: [{content}]{end}"
        if re.fullmatch(r"true|false|null", content, re.IGNORECASE):
            return f"{key}: {content}{end}"
        return f'{key}: "{content}"{end}'

    return re.sub(r'(".*?"):(.*?)(,|})', value, keyed)


def named_lines(name: str, count: int, low: int, high: int) -> Any:
    """Return a reader of `count` lines "Name: digit", each from `low` to `high`; their mean, to 2 decimals.

    >>> from editmetrics.judge import Answer
    >>> text = "Reasoning: fine work.\\nPrompt Compliance: 5\\nVisual Naturalness: 4\\nPhysical & Detail Integrity: 4"
    >>> named_lines("score", 3, 1, 5)(Answer(text)).values
    {'score': 4.33}
    """
    return _LinesReader(name, count, low, high)


class _LinesReader:
    def __init__(self, name: str, count: int, low: int, high: int) -> None:
        self.name, self.count, self.low, self.high = name, count, low, high

    def __call__(self, answer: Answer) -> Verdict:
        from ..bases.judge import Verdict
        from ..judge.answers import unreadable, whole_text
        from ..judge.lines import read_rated_lines

        rated, reasons = read_rated_lines(answer, self.count)
        scores = _scores_in_lines(whole_text(answer))
        if scores != rated:
            unreadable(answer, f"expected {self.count} lines 'Name: digit', got {len(scores)}")
        if outside := [score for score in scores if not self.low <= score <= self.high]:
            unreadable(answer, f"{outside[0]} is not from {self.low} to {self.high}")
        shown = f"[{', '.join(map(str, scores))}]"
        return Verdict({self.name: round(sum(scores) / len(scores), 2)}, reasons, shown)


def as_lines_script(text: str) -> float | None:
    """Return what ImgEdit's script makes of an answer: the mean of every line "Name: digits", to 2 decimals.

    It takes any number of lines, of any size; None where there is no such line.

    >>> as_lines_script("Prompt Compliance: 5\\nVisual Naturalness: 10"), as_lines_script("Score: 4.")
    (7.5, None)
    """
    scores = _scores_in_lines(text)
    return round(sum(scores) / len(scores), 2) if scores else None


def _scores_in_lines(text: str) -> list[int]:
    return [score for line in text.splitlines() if (score := _score_in(line)) is not None]


def _score_in(line: str) -> int | None:
    parts = line.strip().split(": ")
    if len(parts) != 2 or not parts[1].isdigit():
        return None
    try:
        return int(parts[1])
    except ValueError:  # a superscript digit, on which the script stops
        return None


def last_score(name: str, low: int, high: int) -> Any:
    """Return a reader of prose with one score: a number from `low` to `high` after the word score.

    >>> from editmetrics.judge import Answer
    >>> last_score("score", 1, 5)(Answer("Brief reasoning: the tree is gone. Score: 2.")).values
    {'score': 2.0}
    """
    return _ProseReader(name, low, high)


class _ProseReader:
    def __init__(self, name: str, low: int, high: int) -> None:
        self.name, self.low, self.high = name, low, high

    def __call__(self, answer: Answer) -> Verdict:
        from ..bases.judge import Verdict
        from ..judge.answers import unreadable, whole_text

        text = whole_text(answer)
        scores = set(re.findall(r"(?i)\bscore\b[\s*_:=]*(\d+(?:\.\d+)?)", text))
        if len(scores) != 1:
            unreadable(answer, f"expected one number after the word score, got {len(scores)}")
        value = float(scores.pop())
        if not self.low <= value <= self.high:
            unreadable(answer, f"{value:g} is not from {self.low} to {self.high}")
        return Verdict({self.name: value}, text)


def final_score(name: str, low: int, high: int) -> Any:
    """Return a reader of "Final Score: n", one whole number from `low` to `high`.

    >>> from editmetrics.judge import Answer
    >>> final_score("quality", 1, 5)(Answer("It is sharp.\\n\\n**Final Score:** 4")).values
    {'quality': 4.0}
    """
    return _FinalScoreReader(name, low, high)


class _FinalScoreReader:
    def __init__(self, name: str, low: int, high: int) -> None:
        self.name, self.low, self.high = name, low, high

    def __call__(self, answer: Answer) -> Verdict:
        from ..bases.judge import Verdict
        from ..judge.answers import unreadable, whole_text

        text = whole_text(answer)
        numbers = _after_final_score(text)
        if len(set(numbers)) != 1:
            unreadable(answer, f"expected one number after 'Final Score', got {len(numbers)}")
        if not self.low <= numbers[0] <= self.high:
            unreadable(answer, f"{numbers[0]} is not from {self.low} to {self.high}")
        return Verdict({self.name: float(numbers[0])}, text)


def as_final_score_script(text: str) -> float | None:
    """Return what RISEBench's script makes of an answer: the number after the first "Final Score" that has any.

    None for no number; of several it cannot make a table either.

    >>> as_final_score_script("Final Score: 9"), as_final_score_script("Final Score: 4, 5"), as_final_score_script("4")
    (9.0, None, None)
    """
    numbers = _after_final_score(text)
    return float(numbers[0]) if len(numbers) == 1 else None


def _after_final_score(text: str) -> list[int]:
    for words in ("Final Score", "Final Scores"):
        for match in re.findall(rf"\*?\*?{words}\*?\*?:?\s*([\d*\s,\n]*)", text, re.IGNORECASE):
            if numbers := re.findall(r"\d+", match):
                return [int(number) for number in numbers]
    return []


def keyed_scores(names: Mapping[str, str], low: int = 1, high: int = 5) -> Any:
    """Return a reader of scores by name, such as "quality_score": 4, in JSON or prose: one number each.

    >>> from editmetrics.judge import Answer
    >>> keyed_scores({"quality_score": "quality"})(Answer('{"quality_score": 4, "reasoning": sharp}')).values
    {'quality': 4.0}
    """
    return _KeyedReader(dict(names), low, high)


class _KeyedReader:
    def __init__(self, names: dict[str, str], low: int, high: int) -> None:
        self.names, self.low, self.high = names, low, high

    def __call__(self, answer: Answer) -> Verdict:
        from ..bases.judge import Verdict
        from ..judge.answers import unreadable, whole_text

        text = whole_text(answer)
        values: dict[str, float] = {}
        for key, name in self.names.items():
            pattern = rf'{_spaced(key)}["*]*\s*[:：]\s*["*]*(-?\d+(?:\.\d+)?(?!\s*/))'
            scores = {float(score) for score in re.findall(pattern, text, re.IGNORECASE)}
            if len(scores) != 1:
                unreadable(answer, f"expected one number after {key}, got {len(scores)}")
            value = scores.pop()
            if not (self.low <= value <= self.high and value.is_integer()):
                unreadable(answer, f"{value:g} is not a whole number from {self.low} to {self.high}")
            values[name] = value
        return Verdict(values, text)


def as_keyed_script(text: str, key: str) -> float | None:
    """Return what KRIS-Bench's script makes of an answer about one score, which may be no more than a guess.

    The number in a JSON object with `key`, rounded down; else after the score's name; else "n/5" or "n out of 5"; else
    the first lone digit from 1 to 5, whatever it stands for.

    >>> as_keyed_script('{"quality_score": 4}', "quality_score"), as_keyed_script("1. Sharp.", "quality_score")
    (4.0, 1.0)
    """
    if match := re.search(r"\{[^{}]*" + re.escape(key) + r"[^{}]*\}", text, re.DOTALL):
        try:
            return float(int(json.loads(match.group())[key]))
        except (ValueError, TypeError, KeyError):
            pass
    named = rf"{_spaced(key)}\s*[:：]?\s*([1-5])"
    for pattern in (named, r"([1-5])\s*/\s*5", r"([1-5])\s+out\s+of\s+5", r"\b([1-5])\b"):
        if match := re.search(pattern, text, re.IGNORECASE | re.DOTALL):
            return float(match.group(1))
    return None


def as_dual_script(text: str) -> dict[str, float]:
    """Return what KRIS-Bench's script makes of an answer with an instruction and a knowledge score; without guesses.

    >>> as_dual_script('instruction_score: 3, "knowledge_score": 2')
    {'dual_instruction': 3.0, 'dual_knowledge': 2.0}
    """
    data = _object_in(text)
    scores: dict[str, float] = {}
    for name in ("instruction", "knowledge"):
        key = f"{name}_score"
        if data:
            if (value := data.get(key)) is not None:
                try:
                    scores[f"dual_{name}"] = float(int(value))
                except (ValueError, TypeError):  # the script stops
                    return {}
        elif match := re.search(rf'"?{_spaced(key)}"?\s*:\s*([1-5])', text, re.IGNORECASE):
            scores[f"dual_{name}"] = float(match.group(1))
    return scores


def _object_in(text: str) -> dict[str, Any]:
    """Return the JSON object that a text is, or the first one whose braces are closed; empty for none."""
    depth, start = 0, None
    candidates = [text]
    for number, sign in enumerate(text):
        if sign == "{":
            start = number if start is None else start
            depth += 1
        elif sign == "}" and depth:
            depth -= 1
            if not depth and start is not None:
                candidates.append(text[start : number + 1])
                break
    for candidate in candidates:
        try:
            data = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        return data if isinstance(data, dict) else {}
    return {}


def _spaced(key: str) -> str:
    """Return a pattern of a score's name, whose words may be parted by spaces."""
    return r"[_\s]*".join(map(re.escape, key.split("_")))
