"""The search for a definition: the planted best is found, noise is not, failures count, a stopped search resumes."""

import json
import math

import numpy as np
import pytest
from scipy.stats import sem, ttest_rel

from editmetrics.plugins.ds_ieqa.fdmpo import (
    DefinitionFeedback,
    Garbled,
    SearchError,
    SearchPlan,
    SearchUnavailableError,
    Trajectory,
    Trial,
    proposal,
    read_proposal,
    search,
)
from editmetrics.plugins.ds_ieqa.trajectory_plot import draw
from editmetrics.sample import SampleError, UnavailableError

VALUES = {"start": 0.30, "worse": 0.20, "better": 0.45, "best": 0.60, "late": 0.50}
PAIRS = np.array([-0.05, 0.01, 0.04])
"""The pairs differ in the same way under every definition, so that all differences are certain."""
IDENTITY = {"backbone": "tiny", "pairs": "abc"}


class Optimiser:
    """A scripted optimisation model: gives its replies in order, raises errors, and keeps what it was asked."""

    def __init__(self, *replies):
        self.replies, self.asked, self.numbers = list(replies), [], []

    def __call__(self, text, number):
        self.asked.append(text)
        self.numbers.append(number)
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply


def read(definition):
    return DefinitionFeedback((VALUES[definition] + PAIRS).tolist(), agreement=VALUES[definition])


def run(file, optimiser, trials, feedback=read, margin=2.0, identity=IDENTITY, **more):
    plan = SearchPlan("visual_quality", "start", trials, margin)
    return search(plan, feedback, optimiser, file=file, identity=identity, **more)


def test_the_planted_best_definition_is_found_and_garbled_ones_are_counted(tmp_path):
    optimiser = Optimiser("[[worse]]", "no brackets", "I say [[better]].", "[[BETTER]]", "[[best]]", "[[late]]")
    found = run(tmp_path / "t.jsonl", optimiser, trials=6)
    assert (found.best.definition, found.best.value, found.refused) == ("best", pytest.approx(0.60), 2)
    values = [trial.value for trial in found.trials if trial.value is not None]
    assert values == pytest.approx([0.30, 0.20, 0.45, 0.60, 0.50])
    assert [trial.leads for trial in found.trials] == [True, False, False, True, False, True, False]
    assert found.trials[6].gain == pytest.approx(0.50 - 0.60)  # to the best before it, not to the start
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
    replies = ["[[worse]]", "garbled", SampleError("declined", "refused"), "[[better]]", "[[best]]"]
    whole = tmp_path / "whole.jsonl"
    expected = run(whole, Optimiser(*replies), trials=5)
    content = whole.read_bytes()
    for cut in range(0, len(content), 17):
        file = tmp_path / f"{cut}.jsonl"
        file.write_bytes(content[:cut])
        done = max(content[:cut].count(b"\n") - 2, 0)  # without the header and the start
        optimiser = Optimiser(*replies[done:])
        assert run(file, optimiser, trials=5) == expected
        assert optimiser.numbers == list(range(done + 1, 6))  # the seeds of the replies, too
        assert file.read_bytes() == content


def test_a_trajectory_of_another_search_is_not_gone_on_with(tmp_path):
    file = tmp_path / "t.jsonl"
    run(file, Optimiser("[[worse]]"), trials=1)
    with pytest.raises(SearchError, match="another search \\(pairs differ\\)"):
        run(file, Optimiser(), trials=2, identity={**IDENTITY, "pairs": "x"})
    with pytest.raises(SearchError, match="another search \\(margin differ\\)"):
        run(file, Optimiser(), trials=2, margin=1.0)
    file.write_text("nonsense\n{}\n")
    with pytest.raises(SearchError, match="not a trajectory of definitions"):
        run(file, Optimiser(), trials=2)


def test_every_trial_is_written_down_and_told(tmp_path):
    told = []
    run(tmp_path / "t.jsonl", Optimiser("[[better]]"), trials=1, on_trial=told.append)
    header, *lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert header == {"dimension": "visual_quality", "start": "start", "margin": 2.0, **IDENTITY}
    assert [Trial(**{**line, "values": tuple(line["values"])}) for line in lines] == told
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
    history = [Trial(n, f"definition {n}", False, n / 100) for n in range(30)]
    shown = proposal("visual_quality", history)
    assert "definition 9\n" not in shown
    assert all(f"definition {n}\n" in shown for n in range(10, 30))


# ---------------------------------------------------------------------- what fails


def test_a_refused_an_empty_and_an_unreadable_proposal_are_trials_that_are_asked_again(tmp_path):
    def feedback(definition):
        if definition == "late":
            raise SampleError("the prompt has 70000 tokens")
        if definition == "worse":
            return DefinitionFeedback([0.1, math.nan, 0.2])
        return read(definition)

    optimiser = Optimiser(
        SampleError("declined", "refused"), SampleError("an empty answer", "unparseable"), "[[late]]", "[[worse]]",
        "[[better]]",
    )  # fmt: skip
    found = run(tmp_path / "t.jsonl", optimiser, trials=5, feedback=feedback)
    assert [trial.refused for trial in found.trials] == [
        None, "refused: declined", "unparseable: an empty answer", "failed: the prompt has 70000 tokens",
        "failed: its V_d is not finite (overflow in float16, or damaged weights)", None,
    ]  # fmt: skip
    assert found.trials[3].definition == "[[late]]"
    assert found.best.definition == "better"
    assert optimiser.numbers == [1, 2, 3, 4, 5]
    assert Trajectory.read(tmp_path / "t.jsonl").best.number == 5


def test_a_search_without_a_usable_proposal_ends_with_the_reasons(tmp_path):
    declined = SampleError("declined", "refused")
    for _ in range(2):  # also when it is asked again
        with pytest.raises(SearchError, match=r"no proposal .* \(3 trials; 2: refused: declined; 1: .*optimiser=none"):
            run(tmp_path / "t.jsonl", Optimiser(declined, "nonsense", declined), trials=3)
    assert run(tmp_path / "none.jsonl", Optimiser(), trials=0).best.number == 0


def test_a_server_that_is_down_ends_the_search_which_resumes_with_the_same_trial(tmp_path):
    file = tmp_path / "t.jsonl"
    for replies in (["[[worse]]", SampleError("down", "unavailable")], [UnavailableError("down")]):
        with pytest.raises(SearchUnavailableError, match=r"trial 2 of 3 .* \(down\); run the same") as error:
            run(file, Optimiser(*replies), trials=3)
        assert isinstance(error.value, UnavailableError)
    optimiser = Optimiser("[[better]]", "[[best]]")
    whole = run(tmp_path / "whole.jsonl", Optimiser("[[worse]]", "[[better]]", "[[best]]"), trials=3)
    assert run(file, optimiser, trials=3) == whole
    assert optimiser.numbers == [2, 3]


def test_a_start_that_cannot_be_read_is_an_error(tmp_path):
    with pytest.raises(SearchError, match="start definition of visual_quality cannot be tried: its V_d is not finite"):
        run(tmp_path / "t.jsonl", Optimiser(), trials=1, feedback=lambda _: DefinitionFeedback([math.inf]))


# ---------------------------------------------------------------------- noise


def test_errors_are_those_of_scipy_and_a_lead_is_a_paired_test(tmp_path):
    rng = np.random.default_rng(0)
    pairs = {"start": rng.normal(0.5, 0.3, 60)}
    pairs["worse"] = pairs["start"] + rng.normal(0.02, 0.01, 60)  # small, but the same on every pair
    noise = rng.normal(0, 0.3, 60)
    pairs["better"] = pairs["worse"].mean() + 0.05 + noise - noise.mean()  # larger, but within noise
    trials = run(
        tmp_path / "t.jsonl", Optimiser("[[worse]]", "[[better]]"), 2, lambda d: DefinitionFeedback(pairs[d].tolist())
    ).trials
    for trial in trials:
        values = pairs[trial.definition]
        assert (trial.value, trial.error) == pytest.approx((values.mean(), sem(values)))
    for trial, before in ((trials[1], "start"), (trials[2], "worse")):
        paired = ttest_rel(pairs[trial.definition], pairs[before])
        assert trial.gain / trial.gain_error == pytest.approx(paired.statistic)
    assert trials[2].value > trials[1].value > trials[0].value
    assert [trial.leads for trial in trials] == [True, True, False]


@pytest.mark.parametrize(("margin", "leads"), [(0.0, True), (0.7, True), (0.8, False), (2.0, False)])
def test_the_margin_is_in_standard_errors_and_zero_takes_the_highest(tmp_path, margin, leads):
    around = np.array([0.2, -0.2, 0.2, -0.2])
    gains = {"start": [0.0] * 4, "better": (0.75 * sem(around) + around).tolist()}
    found = run(tmp_path / "t", Optimiser("[[better]]"), 1, lambda d: DefinitionFeedback(gains[d]), margin)
    assert found.trials[1].gain / found.trials[1].gain_error == pytest.approx(0.75)
    assert (found.best.number == 1) is leads


@pytest.mark.parametrize(("margin", "best"), [(0.0, 1), (1e-9, 0)])
def test_one_pair_has_no_standard_error_so_nothing_is_better_than_noise(tmp_path, margin, best):
    found = run(tmp_path / "t", Optimiser("[[better]]"), 1, lambda d: DefinitionFeedback([VALUES[d]]), margin)
    assert (found.trials[1].error, found.trials[1].gain_error, found.best.number) == (None, None, best)


def test_equal_definitions_do_not_take_the_lead(tmp_path):
    assert run(tmp_path / "t", Optimiser("[[a]]"), 1, lambda _: DefinitionFeedback([0.5, 0.6]), 0.0).best.number == 0


def test_the_plot_shows_errors_refusals_and_the_agreement(tmp_path):
    pytest.importorskip("matplotlib")
    found = run(tmp_path / "t.jsonl", Optimiser("[[worse]]", "none", "[[best]]"), trials=3)
    text = draw(found, tmp_path / "t.svg").read_text()
    assert 'id="LineCollection_1"' in text  # the bars of the errors
    assert "SRCC + PLCC" in text
