"""Quality of explanations: a judge model compares them with reference answers (section F of the supplement).

Four concerns, each 0, 1 or 2 points: prompt-completion accuracy (PA), local naturalness alignment (LNA), global harmony
alignment (GHA), and the overall reasoning. Every one is asked five times, and the vote decides. References of type 1,
whose instruction is not followed or in part only, have no naturalness and harmony to compare, and are left out of LNA
and GHA. The paper's table is the mean of the points, of 2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ...judge import Answer, Question, read_json
from ...judge.asking import ask_and_read
from ...sample import EditMetricsError, SampleError
from .answers import read_explained

ROUNDS = 5

CRITERIA = {
    "PA": "If the judgment in the model response regarding whether the instructions are followed is consistent with "
    "the standard answer, and the analysis meaning is also consistent, assign 2 points. If the judgment is consistent, "
    "but there is a discrepancy in the analysis, assign 1 point. If the judgment differs, assign 0 points.",
    "LNA": "If the analysis regarding naturalness in the model response is basically consistent with the standard "
    "answer, or if both the answer and the standard answer do not include an analysis of naturalness, assign 2 points. "
    "If there is some difference, but the overall judgment is consistent, assign 1 point. If there is a complete "
    "inconsistency (opposite meaning), or the standard answer includes an analysis of naturalness that the answer does "
    "not, assign 0 points.",
    "GHA": "If the analysis regarding harmony in the model response is basically consistent with the standard answer, "
    "or if neither the answer nor the standard answer includes an analysis of harmony, assign 2 points. If there is "
    "some difference, but the overall judgment is consistent, assign 1 point. If there is a complete inconsistency "
    "(opposite meaning), or the standard answer includes an analysis of harmony that the answer does not, assign 0 "
    "points.",
    "Overall": "If the overall editing quality level in the answer is essentially consistent with the standard answer "
    "(for example, 'good' and 'excellent,' or 'bad' and 'poor,' which are similar in meaning), and the overall "
    "summarization process is consistent, assign 2 points. If the overall editing effect level in the model response "
    "is essentially consistent with the standard answer, but there are differences in the process of summarizing the "
    "reasons for the editing effect level, assign 1 point. If the overall editing effect grade in the answer is "
    "inconsistent with the standard answer, assign 0 points.",
}
"""The paper's concerns and their criteria, word for word."""

NOT_OF_TYPE_1 = ("LNA", "GHA")


class ExplanationError(EditMetricsError):
    """Explanations cannot be compared; the message says which, and why."""


def vote(points: Sequence[int]) -> int:
    """The points that were given most often in five rounds; of two that were given twice, the higher one.

    "In the case of a 2/2/1 distribution, the highest score that appears twice is selected." Five rounds of three kinds
    of points split as 5, 4/1, 3/2, 3/1/1 or 2/2/1, so nothing else is ever tied.

    Raises `ExplanationError` unless there are five points, each 0, 1 or 2.

    >>> vote([0, 0, 1, 1, 2]), vote([2, 2, 0, 0, 1]), vote([1, 1, 1, 2, 2])
    (1, 2, 1)
    """
    if len(points) != ROUNDS or any(point not in (0, 1, 2) for point in points):
        raise ExplanationError(f"a vote takes {ROUNDS} rounds of 0, 1 or 2 points; there are {list(points)}")
    counts = Counter(points)
    return max(counts, key=lambda point: (counts[point], point))


@dataclass(frozen=True)
class Compared:
    """Votes of the judge by row and concern, and the rows without one.

    - `votes`: from a concern to a vote by id of the rows it counts for.
    - `left_out`: from a concern to the reasons of rows without a vote, by id.
    """

    votes: Mapping[str, Mapping[str, int]]
    left_out: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def mean(self, concern: str) -> float | None:
        """The mean vote over its rows, of the most that there is: from 0 to 1, as the paper's Table 4; None of none."""
        votes = list(self.votes[concern].values())
        return sum(votes) / (2 * len(votes)) if votes else None


def questions(explanation: str, reference: str) -> dict[str, Question]:
    """Questions to the judge about one explanation, by concern; without the naturalness and harmony of type 1.

    Raises `ExplanationError` for a reference that is not an explained answer.
    """
    completion = read_explained(reference).completion
    if completion is None:
        raise ExplanationError(f"the reference does not have the form of an explained answer: {reference[:100]!r}")
    wanted = [concern for concern in CRITERIA if completion == 3 or concern not in NOT_OF_TYPE_1]
    return {
        concern: Question.of(
            "Compare a model response with a standard answer about the quality of an image edit. "
            f"{CRITERIA[concern]}\n\n"
            f"Standard answer: {reference}\n\nModel response: {explanation}\n\n"
            'Answer with JSON: {"points": 0, 1 or 2}',
            schema={"points": range(3)},
        )
        for concern in wanted
    }


@dataclass(frozen=True)
class ExplanationJudge:
    """A chat model (`editmetrics.judge.ChatModel`) that compares explanations with reference answers, both by id."""

    judge: Any

    def estimate(self, explanations: Mapping[str, str], references: Mapping[str, str]) -> Any:
        """Estimate the requests of `compare` (`editmetrics.judge.Estimate`); no request is sent."""
        return self.judge.estimate([question for *_, question in _rounds(explanations, references)])

    def compare(
        self,
        explanations: Mapping[str, str],
        references: Mapping[str, str],
        progress: Callable[[Answer], object] | None = None,
    ) -> Compared:
        """Ask five times about each concern of each explanation that has a reference, and vote.

        A row whose judge gave fewer than five readable answers to a concern has no vote there, and says why. Raises
        `ExplanationError` when there is nothing to compare, `JudgeError` when the judge can answer nothing.
        """
        questions_asked = _rounds(explanations, references)
        answers = ask_and_read(self.judge, [question for *_, question in questions_asked], _reads, progress)
        points: dict[tuple[str, str], list[int]] = {}
        left_out: dict[str, dict[str, str]] = {concern: {} for concern in CRITERIA}
        for (name, concern, question), answer in zip(questions_asked, answers, strict=True):
            try:
                points.setdefault((name, concern), []).append(_points(question, answer))
            except SampleError as error:
                left_out[concern].setdefault(name, str(error))
        votes: dict[str, dict[str, int]] = {concern: {} for concern in CRITERIA}
        for (name, concern), answers_given in points.items():
            if name not in left_out[concern]:
                votes[concern][name] = vote(answers_given)
        return Compared(votes, left_out)


def _points(question: Question, answer: Answer) -> int:
    """The points that an answer gives. Raises `SampleError` for one that cannot be read."""
    return int(read_json(answer, question.schema).value["points"])


def _reads(question: Question, answer: Answer) -> bool:
    try:
        _points(question, answer)
    except SampleError:
        return False
    return True


def _rounds(explanations: Mapping[str, str], references: Mapping[str, str]) -> list[tuple[str, str, Question]]:
    """Every question as often as there are rounds, with the id and the concern that it is about."""
    shared = [name for name in references if name in explanations]
    if not shared:
        raise ExplanationError("no explanation has the id of a reference answer; nothing can be compared")
    return [
        (name, concern, replace(question, round=number))
        for name in shared
        for concern, question in questions(explanations[name], references[name]).items()
        for number in range(ROUNDS)
    ]
