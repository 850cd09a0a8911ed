"""A suite as people and programs read it: what is asked, of whom, what it costs, and how a run differs from it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

from ..wording import plural
from .definition import Ask, Level, PromptChoice, PromptText, ProtocolDifference, Show, Suite, SuiteColumn, SuiteJudge
from .shown import ShowEach, ShowFrames

if TYPE_CHECKING:
    from .of_suite import OfSuite

CHARACTERS_A_TOKEN = 4
"""Of English text; for an estimate."""

UNKNOWN = 2000
"""Characters that the text of a question is taken to have that is not shipped."""


HOW = {
    "mean": "mean over",
    "spearman": "rank correlation with people's ratings over",
    "tanh": "tanh of the mean over",
    "fisher": "mean by Fisher's z over",
}
"""The ways of a step of an aggregation, in words."""

A_ROWS_QUESTION = 80
"""Characters that a question is taken to have that stands in the benchmark's rows."""


@dataclass(frozen=True)
class SuiteCost:
    """Cost of `samples` samples: requests, images sent, tokens of the questions' text, and the most of the answers.

    An image's tokens depend on its size and the model, and are not counted. `answer_tokens` is None without a limit.
    """

    samples: int
    requests: int
    images: int
    text_tokens: int
    answer_tokens: int | None

    def __str__(self) -> str:
        longest = "" if self.answer_tokens is None else f", at most {self.answer_tokens:,} tokens of answers"
        return (
            f"{plural(self.samples, 'sample')}: {self.requests:,} requests with {self.images:,} images, about "
            f"{self.text_tokens:,} tokens of text{longest}"
        )


def cost(suite: Suite, judge: SuiteJudge, samples: int | None = None) -> SuiteCost:
    """Return what a judge of the suite costs for `samples` samples, by default the whole benchmark.

    >>> from editmetrics.suites import SUITES
    >>> print(cost(SUITES["gedit"], SUITES["gedit"].judge("G")))
    1,212 samples: 2,424 requests with 3,636 images, about 816,888 tokens of text, at most 3,393,600 tokens of answers
    """
    count = samples if samples is not None else suite.rows or 1
    shown = count * sum(isinstance(part, Show) for ask in judge.asks for part in ask.parts)
    requests = count * len(judge.asks)
    if judge.most is not None and suite.rows:
        requests, shown = (math.ceil(most * count / suite.rows) for most in judge.most)
    unknown = A_ROWS_QUESTION if suite.data else UNKNOWN
    tokens = int(requests * fmean(_text_length(ask, unknown) for ask in judge.asks) / CHARACTERS_A_TOKEN)
    limit = judge.sampling.max_tokens
    return SuiteCost(count, requests, shown, tokens, None if limit is None else requests * limit)


def differences_of(suite: Suite, metric: OfSuite | None) -> list[ProtocolDifference]:
    """List every point in which a run differs from the published protocol: the suite's own, and of its options."""
    if metric is None:
        return list(suite.differences)
    judge = metric.protocol
    known = [one for one in suite.differences if one.judge in ("", judge.name)]
    return [*metric.option_differences(), *known]


def default_differences(suite: Suite) -> list[ProtocolDifference]:
    """List the differences of runs with no option, of all judges; a judge's own begin with its name."""
    from .judged import SuiteMetric

    kind: Any = suite.metric or SuiteMetric
    own = [
        replace(one, point=f"{judge.name}: {one.point}")
        for judge in suite.judges
        for one in kind(suite=suite.name, judged_by=judge.name).option_differences()
    ]
    named = [replace(one, point=f"{one.judge}: {one.point}" if one.judge else one.point) for one in suite.differences]
    return [*own, *named]


def _text_length(ask: Ask, unknown: int) -> float:
    """The characters of a question; of texts that depend on the row, their mean."""
    texts = [part for part in ask.parts if isinstance(part, PromptText)]
    choices = [part for part in ask.parts if isinstance(part, PromptChoice)]
    if ask.system and isinstance(ask.system.text, PromptText):
        texts.append(ask.system.text)
    means = (fmean(len(text.text or "") or UNKNOWN for text in choice.texts.values()) for choice in choices)
    return sum(len(text.text or "") or unknown for text in texts) + sum(means)


def question_lines(judge: SuiteJudge) -> Iterator[tuple[str, str]]:
    """Yield each question with its parts in the order in which they are sent, then how images and texts are sent."""
    for asks in _alike(judge.asks):
        first = asks[0]
        values = {name: dict.fromkeys(value for ask in asks for value in ask.when[name]) for name in first.when}
        when = "; ".join(f"{name} {' or '.join(listed)}" for name, listed in values.items())
        system = f"system {_part(first.system.text)}, then " if first.system else ""
        parts = system + ", then ".join(map(_part, first.parts))
        yield f"asks {', '.join(ask.name for ask in asks)}", parts + (f" (of rows with {when})" if when else "")
    shows = dict.fromkeys(part for ask in judge.asks for part in ask.parts if isinstance(part, Show))
    for how, roles in _grouped((_sent_as(show), show.role) for show in shows).items():
        yield " and ".join(dict.fromkeys(roles)), how
    prompts = [prompt for ask in judge.asks for prompt in ask.prompts()]
    files = dict.fromkeys(prompt.file for prompt in prompts if prompt.text is None)
    yield "texts", f"not shipped: {', '.join(files)} of your copy of the repository" if files else "shipped"


def _alike(asks: Sequence[Ask]) -> list[list[Ask]]:
    """The questions, those together that are the same but for their name and one field of the row."""
    groups: list[list[Ask]] = []
    for ask in asks:
        for group in groups:
            first = group[0]
            same = (ask.system, ask.parts, ask.when.keys()) == (first.system, first.parts, first.when.keys())
            changed = {name for one in [*group, ask] for name in first.when if one.when.get(name) != first.when[name]}
            if same and len(changed) <= 1:
                group.append(ask)
                break
        else:
            groups.append([ask])
    return groups


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


def _part(part: Any) -> str:
    if isinstance(part, PromptText):
        return f"text {part.name}"
    if isinstance(part, PromptChoice):
        return f"one of {len(part.texts)} texts, by {part.field}"
    if isinstance(part, ShowFrames):
        return "source and edited image in the order of frames, after {!r} or {!r}".format(*part.captions)
    if isinstance(part, ShowEach):
        return f"each {part.role}" + (f" after {part.caption!r}" if part.caption else "")
    return str(part.role) if isinstance(part, Show) else f"text {part!r}"


def _sent_as(show: Show) -> str:
    encoding = show.encoding
    how = {
        "bytes": "the file as it is",
        "jpeg": f"JPEG, quality {encoding.quality}, {encoding.subsampling}",
        "png": "PNG",
    }[encoding.form]
    how += f", declared as {encoding.mime}" if encoding.mime else ""
    how += f", detail {encoding.detail}" if encoding.detail else ""
    sizes = {
        "source": ", scaled to the source's size",
        "thumbnail": f", at most {show.most} pixels a side",
        "area": f", at most {show.most} pixels, sides in steps of 16",
    }
    return how + sizes.get(show.size, "")


def sampling_line(judge: SuiteJudge) -> str:
    """Return the parameters of a request, in words."""
    sampling = judge.sampling
    sent = {"temperature": sampling.temperature, sampling.limit_name: sampling.max_tokens, "seed": sampling.seed}
    listed = [f"{name} {value:g}" for name, value in sent.items() if value is not None]
    listed += [f"{name} {value}" for name, value in sampling.extra.items()]
    absent = [name for name, value in sent.items() if value is None]
    return "; ".join(filter(None, (", ".join(listed), f"not sent: {', '.join(absent)}" if absent else "")))


def aggregation_line(column: SuiteColumn) -> str:
    """Return how a column's number is made of the samples' numbers, in words.

    >>> from editmetrics.suites import SUITES
    >>> aggregation_line(SUITES["gedit"].columns[2])
    'mean over the samples of each task, then mean over the 11 means'
    """
    if column.pooled:
        return "one ratio over all samples together"
    words: list[str] = []
    before: Level | None = None
    for level in column.levels:
        over = "the samples" if before is None else f"the {len(before.groups) or ''} means".replace("  ", " ")
        each = f" of each {' and '.join(level.by)}" if level.by else ""
        digits = "" if level.digits is None else f", rounded to {level.digits} decimals"
        words.append(f"{'weighted ' if level.weights else ''}{HOW[level.how]} {over}{each}{digits}")
        before = level
    return ", then ".join(words)


def described(suite: Suite) -> dict[str, Any]:
    """Return a suite as JSON; functions by their names, texts of questions by their checksums."""
    plain: dict[str, Any] = _plain(suite)
    plain["columns"] = [{**_plain(column), "spec": column.value} for column in suite.columns]
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, PromptText):
        return {"name": value.name, "sha256": value.sha256, "file": value.file, "shipped": value.text is not None}
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return getattr(value, "__name__", type(value).__name__)
