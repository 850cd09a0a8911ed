"""Numbers do not change by accident: every metric still gives the scores that were approved."""

import pytest

from editmetrics.selftest.goldens import rounded
from tests import goldens

APPROVED = goldens.approved()


@pytest.mark.parametrize("spec", goldens.specs())
def test_scores_are_as_approved(spec):
    advice = "python -m tests.goldens --approve; see CONTRIBUTING.md"
    assert spec in APPROVED, f"{spec} has no approved scores: {advice}"
    measured = goldens.measure(spec)
    came_from = goldens.origin(measured)
    assert came_from == goldens.origin(APPROVED[spec]), f"{spec} has another version or other weights: {advice}"
    assert not goldens.differences(spec, APPROVED[spec], measured), f"raise the version, then {advice}"


def test_nothing_is_approved_that_is_gone():
    assert APPROVED.keys() == set(goldens.specs())


def test_a_changed_number_is_noticed():
    changed = {"version": 1, "weights": None, "scores": {"cat": {"psnr": 28.0}}}
    other = {"version": 1, "weights": None, "scores": {"cat": {"psnr": 28.001}}}
    assert goldens.differences("psnr", changed, changed) == []
    assert goldens.differences("psnr", changed, other) == ["psnr of cat: psnr was 28.0 and is 28.001"]


def test_an_approval_writes_only_what_changed():
    def entry(value, version=1):
        return {"version": version, "weights": None, "scores": {"cat": {"psnr": value}}}

    before = {"noise": entry(28.0), "raised": entry(28.0), "changed": entry(28.0), "gone": entry(1.0)}
    now = {"noise": entry(28.00001), "raised": entry(28.00001, 2), "changed": entry(29.0, 2), "new": entry(3.0)}
    assert goldens.merged(before, now) == now | {"noise": before["noise"]}


def test_a_number_where_there_was_none_is_noticed():
    before = {"version": 1, "weights": None, "scores": {"cat": {}}}
    after = {"version": 1, "weights": None, "scores": {"cat": {"psnr": 28.0}}}
    assert goldens.differences("psnr", before, after) == ["psnr of cat: psnr was not scored and is 28.0"]
    assert goldens.differences("psnr", after, before) == ["psnr of cat: psnr was 28.0 and is None"]


def test_seven_digits_are_kept():
    assert rounded(91.15553622877313) == 91.15554
    assert rounded(float("inf")) == float("inf")
