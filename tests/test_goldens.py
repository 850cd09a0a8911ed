"""Numbers do not change by accident: every metric still gives the scores that were approved."""

import pytest

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
