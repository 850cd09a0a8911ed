"""Section F of the supplement: the vote for every split of five, and what counts for whom."""

from __future__ import annotations

import itertools
import json
import re
import statistics

import pytest

from editmetrics.judge import Answer, ChatModel
from editmetrics.plugins.epaiqa.answers import Pieces, explained_answer
from editmetrics.plugins.epaiqa.explanations import CRITERIA, ExplanationError, ExplanationJudge, questions, vote
from editmetrics.plugins.epaiqa.metric import EPAIQA
from tests.judge.server import Reply, completion

FULL = explained_answer(3, Pieces("It is red.", "It fits.", "It is sharp."), "good")
MISSED = explained_answer(1, Pieces("It is not red."), "bad")


@pytest.mark.parametrize("points", list(itertools.product([0, 1, 2], repeat=5)))
def test_the_vote_of_every_five_rounds(points):
    assert vote(points) == max(statistics.multimode(points))


def test_the_papers_own_case():
    assert vote([0, 0, 2, 2, 1]) == 2
    assert vote([0, 0, 1, 1, 2]) == 1  # the highest that appears twice, not the highest


@pytest.mark.parametrize("points", [[], [1] * 4, [1] * 6, [0, 1, 2, 3, 1]])
def test_a_vote_takes_five_rounds_of_0_to_2(points):
    with pytest.raises(ExplanationError, match="5 rounds"):
        vote(points)


def test_type_1_has_no_naturalness_and_no_harmony():
    assert list(questions("said", FULL)) == ["PA", "LNA", "GHA", "Overall"]
    assert list(questions("said", MISSED)) == ["PA", "Overall"]
    with pytest.raises(ExplanationError, match="form of an explained answer"):
        questions("said", "It is nice.")


class Scripted(ChatModel):
    """A judge that gives points by concern and round."""

    def __init__(self, points):
        self.points, self.asked = points, []

    def identity(self):
        return {}

    def ask_all(self, asked, *, parallel=None, progress=None):
        for question in asked:
            text = question.messages[-1].parts[-1]
            concern = next(name for name, criteria in CRITERIA.items() if criteria in text)
            self.asked.append((concern, question.round))
            said = self.points[concern][question.round]
            yield Answer(said if isinstance(said, str) else json.dumps({"points": said}))


def test_means_are_over_the_rows_that_count():
    judge = Scripted({"PA": [2, 2, 0, 0, 1], "LNA": [1, 1, 1, 2, 2], "GHA": [0] * 5, "Overall": [2, 1, 1, 0, 0]})
    found = ExplanationJudge(judge).compare({"a": FULL, "b": MISSED, "c": "x"}, {"a": FULL, "b": MISSED, "d": FULL})
    assert {name: dict(votes) for name, votes in found.votes.items()} == {
        "PA": {"a": 2, "b": 2}, "LNA": {"a": 1}, "GHA": {"a": 0}, "Overall": {"a": 1, "b": 1},
    }  # fmt: skip
    assert [found.mean(name) for name in CRITERIA] == [1.0, 0.5, 0.0, 0.5]
    assert len(judge.asked) == 5 * (4 + 2)


def test_a_judge_that_cannot_be_read_has_no_vote():
    judge = Scripted({name: [2, 2, "two points", 2, 2] for name in CRITERIA})
    found = ExplanationJudge(judge).compare({"b": FULL}, {"b": MISSED})
    assert not found.votes["PA"]
    assert found.mean("PA") is None
    assert "cannot be read" in found.left_out["PA"]["b"]
    with pytest.raises(ExplanationError, match="nothing can be compared"):
        ExplanationJudge(judge).compare({"x": "a"}, {"y": FULL})


def test_the_command(server, tmp_path, monkeypatch, cli):
    (tmp_path / "scores.csv").write_text(f'id,epaiqa.explanation\na,"{FULL}"\nb,"{MISSED}"\n')
    (tmp_path / "references.csv").write_text(f'id,explanation\na,"{FULL}"\nb,"{MISSED}"\n')
    server.answer = lambda request: Reply(completion('{"points": 2}'))
    command = ["explanations", "epaiqa", "scores.csv", "references.csv", "--judge", "j", "--endpoint", server.url]
    said = cli([*command, "--estimate"])
    assert "30 questions" in said
    assert not server.requests
    said = cli([*command, "-o", "votes.csv"])
    assert re.search(r"LNA +1\.000 +1 +0", said)
    assert (tmp_path / "votes.csv").read_text().splitlines() == ["id,PA,LNA,GHA,Overall", "a,2,2,2,2", "b,2,,,2"]
    assert len(server.requests) == 30
    cli(command)
    assert len(server.requests) == 30  # everything is in the cache
    (tmp_path / "references.csv").write_text(f'id,expected\na,"{FULL}"\nb,"{MISSED}"\n')
    assert "column 'explanation' not found" in cli(command, code=2)
    cli([*command, "--column", "epaiqa.explanation", "--reference-column", "expected"])
    assert len(server.requests) == 30


def test_the_metric_has_the_door():
    assert EPAIQA.explanation_judge("judge").judge == "judge"
