"""The conformance kit: every check over one metric (`check_metric`), or one test for each (`conformance_cases`)."""

from __future__ import annotations

import unittest
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..metric import Metric
from ..registry import list_metrics
from ..sample import EditMetricsError
from . import declarations, failures, inputs, invariance, numbers, options
from .subject import NotApplicable, Subject, undisturbed

Check = Callable[[Subject], Iterator[str]]
"""A check is a generator function: it yields each problem it finds, and raises `NotApplicable` when it cannot tell."""

CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        declarations.light_import,
        declarations.declaration,
        declarations.documentation,
        declarations.constructor,
        options.options,
        options.identity,
        options.pickling,
        numbers.scores,
        numbers.ladders,
        numbers.optimum,
        invariance.batch_invariance,
        invariance.engine_invariance,
        invariance.determinism,
        invariance.undeclared_fields,
        invariance.inputs_unmodified,
        invariance.threads,
        invariance.side_effects,
        inputs.input_kinds,
        inputs.image_modes,
        failures.missing_fields,
        failures.corrupt_file,
        failures.sizes,
        failures.flat_images,
    )
}
"""Every check by its name, in the order in which they run."""


class ConformanceError(EditMetricsError):
    """A metric does not keep the contract; `failures` maps each failed check to its problems."""

    def __init__(self, metric: str, failures: Mapping[str, Iterable[str]]) -> None:
        self.metric = metric
        self.failures = {check: list(problems) for check, problems in failures.items()}
        lines = [f"{metric} fails {len(self.failures)} of {len(CHECKS)} checks:"]
        lines += [f"  {check}: {problem}" for check, problems in self.failures.items() for problem in problems]
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[type[ConformanceError], tuple[str, dict[str, list[str]]]]:
        return type(self), (self.metric, self.failures)


@dataclass(frozen=True)
class Report:
    """What `check_metric` did: the checks that passed, those that were skipped and why, the exceptions and why."""

    metric: str
    passed: tuple[str, ...]
    skipped: Mapping[str, str]
    exceptions: Mapping[str, str]


@dataclass(frozen=True)
class Case:
    """One check of one metric: call it. Raises `ConformanceError`, or `unittest.SkipTest` when it does not apply."""

    subject: Callable[[], Subject]
    metric: str
    check: str
    exception: str | None = None

    def __call__(self) -> None:
        if self.exception is not None:
            raise NotApplicable(f"declared exception: {self.exception}")
        try:
            subject = self.subject()
        except ConformanceError as error:
            if self.check in error.failures:
                raise
            raise NotApplicable("it cannot be constructed (see the check 'constructor')") from error
        if problems := _problems(subject, self.check):
            raise ConformanceError(self.metric, {self.check: problems})

    def __str__(self) -> str:
        return f"{self.metric}-{self.check}"


def check_metric(
    metric: str | type[Metric] | Metric,
    *,
    setup: Callable[[Metric], object] | None = None,
    exceptions: Mapping[str, str] | None = None,
    device: str | None = "cpu",
) -> Report:
    """Run every check over one metric; the same for built-in ones and for yours.

    - `metric`: a spec ("psnr:channels=y"), a class, or an instance whose options and device are to be checked.
    - `setup`: called with each fresh instance that a check makes, before it is loaded; let it give it small weights.
    - `exceptions`: from the name of a check that does not hold for this metric to the reason why not.
    - `device`: where a spec or a class computes.

    Returns a `Report`. Raises `ConformanceError` with all problems of all checks; each says what was expected and what
    to do. Raises `ValueError` for an exception to a check that does not exist, or without a reason.

    >>> report = check_metric("mse", exceptions={"documentation": "shown here: a declared exception is reported"})
    >>> "batch_invariance" in report.passed, list(report.exceptions)
    (True, ['documentation'])
    """
    declared = _checked_exceptions(exceptions)
    subject = _subject(metric, setup, device)
    passed, skipped, failures = [], {}, {}
    for check in CHECKS:
        if check in declared:
            continue
        try:
            problems = _problems(subject, check)
        except unittest.SkipTest as reason:
            skipped[check] = str(reason)
            continue
        if problems:
            failures[check] = problems
        else:
            passed.append(check)
    if failures:
        raise ConformanceError(subject.label, failures)
    return Report(subject.label, tuple(passed), skipped, declared)


def conformance_cases(
    metrics: Iterable[str | type[Metric] | Metric] | None = None,
    *,
    setup: Callable[[Metric], object] | None = None,
    exceptions: Mapping[str, Mapping[str, str]] | None = None,
    device: str | None = "cpu",
) -> list[Case]:
    """Metrics times checks, one test each; all usable metrics when none is named.

        @pytest.mark.parametrize("case", conformance_cases(["my_metric"]), ids=str)
        def test_conformance(case):
            case()

    `exceptions` maps a metric, as it was given or by its name, to the exceptions of `check_metric`. Nothing is loaded
    before a case is called.

    >>> [str(case) for case in conformance_cases(["mse"])][:2]
    ['mse-light_import', 'mse-declaration']
    """
    declared = {name: _checked_exceptions(reasons) for name, reasons in (exceptions or {}).items()}
    cases = []
    for metric in list_metrics() if metrics is None else metrics:
        name = metric if isinstance(metric, str) else metric.name
        subject = _Once(metric, setup, device)
        reasons = declared.get(name, {})
        cases += [Case(subject, name, check, reasons.get(check)) for check in CHECKS]
    return cases


class _Once:
    """Makes the subject of a metric's cases when the first of them is called."""

    def __init__(
        self, metric: str | type[Metric] | Metric, setup: Callable[[Metric], object] | None, device: str | None
    ) -> None:
        self.metric, self.setup, self.device = metric, setup, device
        self.subject: Subject | None = None

    def __call__(self) -> Subject:
        if self.subject is None:
            self.subject = _subject(self.metric, self.setup, self.device)
        return self.subject


def _subject(
    metric: str | type[Metric] | Metric, setup: Callable[[Metric], object] | None, device: str | None
) -> Subject:
    try:
        return Subject(metric, setup=setup, device=device)
    except EditMetricsError:
        raise  # no such name, no such option: the message says so
    except Exception as error:
        name = metric if isinstance(metric, str) else getattr(metric, "name", repr(metric))
        advice = "; store each option under its own name" if isinstance(error, AttributeError) else ""
        problem = f"it cannot be constructed: {type(error).__name__}: {error}{advice}"
        raise ConformanceError(name, {"constructor": [problem]}) from error


def _problems(subject: Subject, check: str) -> list[str]:
    """What the check finds; an error that escapes from the metric is a problem too."""
    problems: list[str] = []
    try:
        with undisturbed():
            problems.extend(CHECKS[check](subject))
    except unittest.SkipTest:
        raise
    except Exception as error:
        problems.append(f"{type(error).__name__}: {error}")
    return problems


def _checked_exceptions(exceptions: Mapping[str, str] | None) -> dict[str, str]:
    declared = dict(exceptions or {})
    if unknown := sorted(declared.keys() - CHECKS.keys()):
        raise ValueError(f"exceptions names {', '.join(unknown)}; the checks are {', '.join(CHECKS)}")
    if silent := [check for check, reason in declared.items() if not (isinstance(reason, str) and reason.strip())]:
        raise ValueError(f"the exception to {', '.join(silent)} has no reason; say why the check does not hold")
    return declared
