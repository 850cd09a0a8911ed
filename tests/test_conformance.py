"""Every registered metric through the public conformance kit, and proof that each check of the kit can fail."""

from __future__ import annotations

import pickle
import re
import unittest
from pathlib import Path

import numpy as np
import pytest

from editmetrics import create_metric, registry
from editmetrics.options import OptionError
from editmetrics.registry import UnknownMetricError
from editmetrics.scoring.results import Column
from editmetrics.testing import (
    CHECKS,
    ConformanceError,
    check_metric,
    conformance_cases,
    offline_weights,
    rehearsal,
    toys,
)
from tests.broken_metrics import GALLERY, ForgottenOption, MeanError
from tests.heavy_metric import HeavyModule

ON_A_DEVICE = {"second_device", "synchronisations"}
needs_device = pytest.mark.skipif(rehearsal.why_unavailable() is not None, reason=str(rehearsal.why_unavailable()))


@pytest.fixture(scope="module", autouse=True)
def empty_store(tmp_path_factory):
    """No weights are on this machine: each metric is checked with what is registered to stand in for its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDITMETRICS_HOME", str(tmp_path_factory.mktemp("home")))
        yield


CHEAP = {"declaration", "documentation", "constructor", "options", "scores"}
"""Of metrics that share a class and differ in their file of conventions, one is checked whole each time."""


def is_shared(case):
    name = case.candidate.name
    return name in registry.CONVENTIONS and name != "edit_score" and case.check not in CHEAP


CASES = conformance_cases()


@pytest.mark.parametrize("case", [case for case in CASES if not is_shared(case)], ids=str)
def test_registered_metric(case):
    case()


@pytest.mark.parametrize("case", [case for case in CASES if is_shared(case)], ids=str)
def test_metric_of_shared_class(case):
    case()


def test_a_new_built_in_metric_needs_no_line_in_kit_or_tests(monkeypatch):
    monkeypatch.setitem(registry.BUILTIN, "new_metric", "tests.new_metric:NewMetric")
    with pytest.raises(ConformanceError, match="it has no weights"):
        check_metric("new_metric")
    monkeypatch.setitem(registry.CONFORMANCE, "new_metric", "tests.new_metric")
    cases = [case for case in conformance_cases() if case.candidate.name == "new_metric"]
    assert [case.check for case in cases] == list(CHECKS)
    assert check_metric("new_metric").exceptions == {"ladders": "its weight is a stand-in"}


def test_a_metric_that_keeps_the_contract_passes_every_check():
    report = check_metric(MeanError)
    assert report.metric == "mean_error"
    skipped = ON_A_DEVICE | {"exchanged_edits"}  # it computes with numpy, and looks at one edit
    assert set(report.passed) == CHECKS.keys() - skipped
    assert set(report.skipped) == skipped


@needs_device
def test_a_metric_of_tensors_passes_the_checks_on_a_device():
    assert set(check_metric("gmsd").passed) == CHECKS.keys() - {"exchanged_edits"}


@pytest.mark.parametrize("broken", [*GALLERY, HeavyModule], ids=lambda broken: broken.__name__)
def test_a_broken_metric_is_caught_by_the_checks_meant_for_it(broken):
    checks, said = GALLERY.get(broken, ({"light_import"}, "importing tests.heavy_metric imports PIL"))
    if rehearsal.why_unavailable() is not None and not (checks := checks - ON_A_DEVICE):
        pytest.skip("only a second device shows it")
    with pytest.raises(ConformanceError, match=re.escape(said)) as caught, offline_weights(["lpips-alexnet"]):
        check_metric(broken)
    assert caught.value.failures.keys() == checks, caught.value


def test_every_check_has_caught_something():
    caught = {check for checks, _ in GALLERY.values() for check in checks}
    assert caught == CHECKS.keys()


def test_all_problems_are_listed_at_once():
    class Worse(MeanError):
        version = 0
        paper = ""

    with pytest.raises(ConformanceError) as caught:
        check_metric(Worse)
    assert caught.value.failures.keys() == {"declaration", "documentation"}
    assert len(caught.value.failures["documentation"]) == 2  # no docstring of its own, no paper
    assert all(problem in str(caught.value) for problems in caught.value.failures.values() for problem in problems)
    assert pickle.loads(pickle.dumps(caught.value)).failures == caught.value.failures


def test_an_exception_is_declared_with_a_reason_and_reported():
    broken = next(broken for broken, (checks, _) in GALLERY.items() if checks == {"ladders"})
    report = check_metric(broken, exceptions={"ladders": "measures nothing"})
    assert dict(report.exceptions) == {"ladders": "measures nothing"}
    assert "ladders" not in report.passed


@pytest.mark.parametrize("exceptions", [{"ladder": "no such check"}, {"ladders": ""}])
def test_an_exception_without_a_check_or_a_reason_is_refused(exceptions):
    with pytest.raises(ValueError, match="ladder"):
        check_metric(MeanError, exceptions=exceptions)


def test_cases_skip_declared_exceptions_and_what_does_not_apply():
    cases = {
        str(case): case for case in conformance_cases([MeanError], exceptions={"mean_error": {"sizes": "never mind"}})
    }
    assert list(cases) == [f"mean_error-{check}" for check in CHECKS]
    with pytest.raises(unittest.SkipTest, match="never mind"):
        cases["mean_error-sizes"]()

    class Local(MeanError):
        __doc__ = MeanError.__doc__

    report = check_metric(Local)
    assert set(report.skipped) == {"exchanged_edits", "light_import", "pickling"} | ON_A_DEVICE


def test_what_cannot_be_constructed_fails_one_case_and_skips_the_others():
    cases = {case.check: case for case in conformance_cases([ForgottenOption])}
    with pytest.raises(ConformanceError, match="store each option under its own name"):
        cases.pop("constructor")()
    for case in cases.values():
        with pytest.raises(unittest.SkipTest, match="cannot be constructed"):
            case()


def test_setup_is_called_with_every_fresh_instance():
    class Weighted(MeanError):
        __doc__ = MeanError.__doc__

        def load(self):
            self.factor  # noqa: B018

        def value(self, item):
            return super().value(item) * self.factor

    with pytest.raises(ConformanceError, match="no attribute 'factor'") as caught:
        check_metric(Weighted)
    assert caught.value.failures.keys() == {"scores"}
    assert "scores" in check_metric(Weighted, setup=lambda metric: setattr(metric, "factor", 0.5)).passed


def test_an_instance_is_checked_with_its_own_options():
    assert check_metric(MeanError(channel="red")).metric == "mean_error:channel=red"
    assert check_metric("ssim:crop_border=4").metric == "ssim:crop_border=4"


def test_a_name_or_option_that_is_not_there_is_said_as_ever():
    with pytest.raises(UnknownMetricError, match="psnr"):
        check_metric("pnsr")
    with pytest.raises(OptionError, match="channels"):
        check_metric("psnr:chanels=y")


def test_the_documentation_lists_every_check():
    text = (Path(__file__).parent.parent / "docs" / "conformance.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)`", text, re.MULTILINE) == list(CHECKS)


# ---------------------------------------------------------------------- toy data


def test_toys_are_the_same_every_time():
    first, second = toys.sample(7), toys.sample(7)
    for name in ("source", "edited", "reference", "mask"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert not np.array_equal(first.source, toys.sample(8).source)


def test_an_edit_changes_its_mask_and_little_else():
    sample = toys.sample(3)
    change = np.abs(sample.edited.astype(float) - sample.source).mean(axis=2)
    assert change[sample.mask].mean() > 15
    assert change[~sample.mask].mean() < 3  # the mean of |N(0, 2)| is 1.6, and rounding adds little


@pytest.mark.parametrize("degradation", toys.DEGRADATIONS)
def test_ladders_degrade_more_with_each_step(degradation):
    picture = toys.picture(0)
    errors = [np.abs(step.astype(float) - picture).mean() for step in toys.ladder(degradation, picture)]
    assert errors == sorted(errors)
    assert 2 < errors[0] < errors[-1] / 2.5


def test_toy_pictures_have_the_spectrum_of_photographs():
    """The amplitude of a photograph falls about as 1/f (Field, 1987: slopes of power from -2 to -3)."""
    power = np.mean([np.abs(np.fft.fft2(toys.picture(seed).mean(axis=2))) ** 2 for seed in range(6)], axis=0)
    radius = np.hypot(np.fft.fftfreq(toys.HEIGHT)[:, None], np.fft.fftfreq(toys.WIDTH)[None])
    band = (radius > 0.02) & (radius < 0.4)
    slope = np.polyfit(np.log(radius[band]), np.log(power[band]), 1)[0]
    assert -3 < slope < -2


def test_offline_weights_are_identified_as_what_they_are():
    published = "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02"  # torchvision's alexnet
    with offline_weights(["lpips-alexnet"]) as folder:
        (digest,) = Column(create_metric("lpips")).identity["checkpoints"]["lpips-alexnet"].values()
        assert (folder / "lpips-alexnet").is_dir()
    assert digest != published


def test_offline_weights_say_what_they_cannot_imitate():
    with pytest.raises(ValueError, match="lpips-alexnet"), offline_weights(["dinosaur"]):
        pass
