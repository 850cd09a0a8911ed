"""The search for a definition: a planted best one is found, garbled ones are refused, a stopped search goes on."""

import json

import pytest

from editmetrics.plugins.ds_ieqa.fdmpo import Garbled, SearchError, Trial, proposal, read_proposal, search

VALUES = {"start": 0.30, "worse": 0.20, "better": 0.45, "best": 0.60, "late": 0.50}
IDENTITY = {"backbone": "tiny", "pairs": "abc"}


class Optimiser:
    """A scripted optimisation model: gives its replies in order, and keeps what it was asked."""

    def __init__(self, *replies):
        self.replies, self.asked = list(replies), []

    def __call__(self, text, number):
        self.asked.append(text)
        return self.replies.pop(0)


def run(file, optimiser, trials, **more):
    return search(
        "visual_quality", "start", VALUES.__getitem__, optimiser, trials=trials, file=file, identity=IDENTITY, **more
    )


def test_the_planted_best_definition_is_found_and_garbled_ones_are_counted(tmp_path):
    optimiser = Optimiser("[[worse]]", "no brackets", "I say [[better]].", "[[BETTER]]", "[[best]]", "[[late]]")
    found = run(tmp_path / "t.jsonl", optimiser, trials=6)
    assert (found.best.definition, found.best.value, found.refused) == ("best", 0.60, 2)
    assert [trial.value for trial in found.trials] == [0.30, 0.20, None, 0.45, None, 0.60, 0.50]
    assert found.trials[2].definition == "no brackets"  # what was refused is kept as it came
    assert "tried before" in found.trials[4].refused


def test_the_optimiser_sees_the_history_from_the_worst_to_the_best(tmp_path):
    optimiser = Optimiser("[[worse]]", "[[better]]", "[[best]]")
    run(tmp_path / "t.jsonl", optimiser, trials=3)
    last = optimiser.asked[-1]
    places = [last.index(f"Definition: {name}\nValue: {VALUES[name]:.6f}") for name in ("worse", "start", "better")]
    assert places == sorted(places)


def test_the_start_definition_wins_when_nothing_beats_it(tmp_path):
    assert run(tmp_path / "t.jsonl", Optimiser("[[worse]]", "nonsense"), trials=2).best.number == 0


def test_a_search_that_was_cut_at_any_byte_goes_on(tmp_path):
    replies = ["[[worse]]", "garbled", "[[better]]", "[[best]]"]
    whole = tmp_path / "whole.jsonl"
    expected = run(whole, Optimiser(*replies), trials=4)
    content = whole.read_bytes()
    for cut in range(0, len(content), 7):
        file = tmp_path / f"{cut}.jsonl"
        file.write_bytes(content[:cut])
        done = max(content[:cut].count(b"\n") - 2, 0)  # without the header and the start
        assert run(file, Optimiser(*replies[done:]), trials=4) == expected
        assert file.read_bytes() == content


def test_a_trajectory_of_another_search_is_not_gone_on_with(tmp_path):
    file = tmp_path / "t.jsonl"
    run(file, Optimiser("[[worse]]"), trials=1)
    with pytest.raises(SearchError, match="another search \\(pairs differ\\)"):
        search(
            "visual_quality", "start", VALUES.get, Optimiser(), trials=2, file=file, identity={**IDENTITY, "pairs": "x"}
        )
    file.write_text("nonsense\n{}\n")
    with pytest.raises(SearchError, match="not a trajectory of definitions"):
        run(file, Optimiser(), trials=2)


def test_every_trial_is_written_down_and_told(tmp_path):
    told = []
    run(tmp_path / "t.jsonl", Optimiser("[[better]]"), trials=1, on_trial=told.append)
    header, *lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert header == {"dimension": "visual_quality", "start": "start", **IDENTITY}
    assert [Trial(**line) for line in lines] == told
    assert [trial.number for trial in told] == [0, 1]


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("Rate it.", "double square brackets"),
        ("[[one]] or [[two]]", "double square brackets"),
        ("[[never closed", "double square brackets"),
        ("[[  ]]", "empty"),
        ("[[" + "a" * 601 + "]]", "601 characters"),
        ("[[Rate it.<|im_end|>]]", "control tokens"),
        ("[[Answer with X.XX]]", "form of the answer"),
        ("[[Rate  the image.]]", "tried before"),
    ],
)
def test_a_garbled_reply_is_refused_with_a_reason(reply, why):
    with pytest.raises(Garbled, match=why):
        read_proposal(reply, ["rate the image."])


def test_the_optimiser_is_shown_the_best_twenty():
    history = [Trial(n, f"definition {n}", n / 100) for n in range(30)]
    shown = proposal("visual_quality", history)
    assert "definition 9\n" not in shown
    assert all(f"definition {n}\n" in shown for n in range(10, 30))
