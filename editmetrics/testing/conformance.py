"""The conformance kit: every check over one metric (`check_metric`), or one test for each (`conformance_cases`)."""

from __future__ import annotations

import unittest
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property

from ..metric import Metric
from ..registry import list_metrics, parse_spec
from ..sample import EditMetricsError
from . import declarations, devices, failures, inputs, invariance, numbers, options, pairs, sets
from .hooks import Declaration, declared_for
from .subject import NotApplicable, Subject, undisturbed

Check = Callable[[Subject], Iterator[str]]
"""A generator function that yields each problem it finds, and raises `NotApplicable` when it cannot tell."""

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
        pairs.exchanged_edits,
        invariance.batch_invariance,
        invariance.engine_invariance,
        invariance.determinism,
        invariance.undeclared_fields,
        invariance.inputs_unmodified,
        invariance.threads,
        invariance.side_effects,
        devices.second_device,
        devices.synchronisations,
        devices.surroundings,
        inputs.input_kinds,
        inputs.image_modes,
        failures.missing_fields,
        failures.several_images,
        failures.corrupt_file,
        failures.sizes,
        failures.flat_images,
    )
}
"""The checks by name, in the order in which they run."""

ADVICE: dict[str, str] = {
    "light_import": "Move imports of torch, PIL and the like from the top of the module into its methods.",
    "declaration": "Correct the class attributes (name, version, needs, uses, dimensions, requires, concurrent, ...).",
    "documentation": "Complete the class docstring (summary, 'Options:'), and the attributes paper and licence.",
    "constructor": "Let __init__ take keywords with defaults and types, and only store each under its own name.",
    "options": "Store every option as it was given, so that the label rebuilds the same metric.",
    "identity": "Start from super().identity() and add what else changes a number: weights, prompts, preprocessing.",
    "pickling": "Keep what cannot be pickled out of the options; load() makes it again.",
    "scores": "Return one Score a sample from score_batch, with every declared dimension, in its range, and never NaN.",
    "ladders": "Check the sign, the formula and higher_is_better: a worse image must score worse.",
    "optimum": "Check constants and the declared range: identical images must reach its best end.",
    "exchanged_edits": "Ask both orders, and make one score of both answers, as PairMetric and PairJudgeMetric do.",
    "batch_invariance": "Reduce over each item alone, never over the batch; pad nothing, or mask what is padded.",
    "engine_invariance": "Let score_batch depend on nothing but the prepared samples that it is given.",
    "determinism": "Draw from a generator with a fixed seed, switch dropout off, and keep no state between calls.",
    "undeclared_fields": "Name every field that changes a score in needs, or in uses.",
    "inputs_unmodified": "Copy an array or tensor before writing into it.",
    "threads": "Keep no state in prepare; set concurrent = False if score_batch keeps any.",
    "side_effects": "Print nothing (log instead), and leave global seeds, thread counts and default types alone.",
    "second_device": "Make and move every tensor of score_batch with device=self.device or .to(self.device).",
    "synchronisations": "Keep numbers on the device until the whole batch is computed, then read them once.",
    "surroundings": "Compute in load, prepare and score_batch alone: they run in a clean room.",
    "input_kinds": "Read images with editmetrics.images.read_image, and nothing else.",
    "image_modes": "Read images with editmetrics.images.read_image, and nothing else.",
    "missing_fields": "Name the field in needs, or add it in required() for the option that wants it.",
    "several_images": "Leave check_fields as it is, and decode each image of a field that several names.",
    "corrupt_file": "Read images in prepare, with editmetrics.images.read_image, and let its error pass.",
    "sizes": "Raise SampleError, with the size that is needed, for images that are too small or differ in size.",
    "flat_images": "Guard divisions by a variance, a norm or a maximum that may be 0; check the declared range.",
}
"""Advice for the author of a metric that fails a check; the problem itself says what is wrong."""

Setup = Callable[[Metric], object]


class ConformanceError(EditMetricsError):
    """A metric breaks the contract; `failures` maps each failed check to its problems."""

    def __init__(self, metric: str, failures: Mapping[str, Iterable[str]]) -> None:
        self.metric = metric
        self.failures = {check: list(problems) for check, problems in failures.items()}
        lines = [f"{metric} fails {len(self.failures)} of {len(CHECKS)} checks:"]
        lines += [f"  {check}: {problem}" for check, problems in self.failures.items() for problem in problems]
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[type[ConformanceError], tuple[str, dict[str, list[str]]]]:
        return type(self), (self.metric, self.failures)


@dataclass(frozen=True)
class ConformanceReport:
    """Result of `check_metric`: the checks that passed, those that were skipped and why, the exceptions and why."""

    metric: str
    passed: tuple[str, ...]
    skipped: Mapping[str, str]
    exceptions: Mapping[str, str]


@dataclass(frozen=True)
class Case:
    """One check of one metric: call it. Raises `ConformanceError`, or `unittest.SkipTest` when it does not apply."""

    candidate: Candidate
    check: str

    def __call__(self) -> None:
        if self.check in self.candidate.exceptions:
            raise NotApplicable(f"declared exception: {self.candidate.exceptions[self.check]}")
        try:
            problems = self.candidate.problems(self.check)
        except ConformanceError as error:
            if self.check in error.failures:
                raise
            raise NotApplicable("it cannot be constructed (see the check 'constructor')") from error
        if problems:
            raise ConformanceError(self.candidate.name, {self.check: problems})

    def __str__(self) -> str:
        return f"{self.candidate.name}-{self.check}"


class Candidate:
    """A metric to be checked, with the hooks of its package when it is given by name; its checks share one instance."""

    def __init__(
        self,
        metric: str | type[Metric] | Metric,
        setup: Setup | None,
        exceptions: Mapping[str, str] | None,
        device: str | None,
    ) -> None:
        self.metric, self.device = metric, device
        self.name = metric if isinstance(metric, str) else metric.name
        name, chosen = parse_spec(metric) if isinstance(metric, str) else ("", {})
        self.declared = declared_for(name) if name else Declaration()
        self.options = {} if chosen else self.declared.options
        self.setup = setup or self.declared.setup
        declared = _checked_exceptions(self.declared.exceptions, f"{self.declared.where}: ")
        self.exceptions = {**declared, **_checked_exceptions(exceptions or {})}

    @cached_property
    def subject(self) -> Subject:
        """The metric under test. Raises `ConformanceError` if it cannot be constructed."""
        try:
            return Subject(
                self.metric,
                setup=self.setup,
                device=self.device,
                options=self.options,
                picture=self.declared.picture,
            )
        except EditMetricsError:
            raise  # no such name, no such option: the message says so
        except Exception as error:
            advice = "; store each option under its own name" if isinstance(error, AttributeError) else ""
            problem = f"it cannot be constructed: {type(error).__name__}: {error}{advice}"
            raise ConformanceError(self.name, {"constructor": [problem]}) from error

    @cached_property
    def imitated(self) -> list[str]:
        """Checkpoints of the metric that are not on this machine, and for which its package writes random ones."""
        return self.declared.missing(self.subject.cls(**self.subject.options)) if self.declared.weights else []

    @property
    def stand_ins(self) -> str:
        """Words for what replaces the metric's weights or its model; "" if nothing does."""
        if self.setup is not None:
            return f"{self.declared.where} replaces its weights or its model" if self.declared.setup else ""
        if self.declared.replaces_model:
            return f"{self.declared.where} replaces its model"
        if self.options:
            return "with " + ", ".join(f"{name}={value}" for name, value in self.options.items())
        return f"random weights replace {', '.join(self.imitated)}" if self.imitated else ""

    def problems(self, check: str) -> list[str]:
        """Return the problems that a check finds; an error that escapes from the metric is one, too."""
        subject = self.subject
        problems: list[str] = []
        inside: AbstractContextManager[object] = nullcontext()
        if self.imitated or self.options or self.declared.replaces_model:
            inside = self.declared.imitating(self.imitated)
        try:
            with inside, undisturbed():
                problems.extend(sets.check_of(subject, check, CHECKS[check])(subject))
        except unittest.SkipTest:
            raise
        except Exception as error:
            problems.append(f"{type(error).__name__}: {error}")
        return problems


def check_metric(
    metric: str | type[Metric] | Metric,
    *,
    setup: Setup | None = None,
    exceptions: Mapping[str, str] | None = None,
    device: str | None = "cpu",
) -> ConformanceReport:
    """Run every check over one metric, built-in or yours.

    - `metric`: a spec ("psnr:channels=y"), a class, or an instance whose options and device are to be checked. For a
      spec, the hooks of its package are used: stand-ins for weights that are not on this machine, exceptions.
    - `setup`: called with each fresh instance that a check makes, before it is loaded; let it put small weights there.
    - `exceptions`: from the name of a check that does not hold for this metric to the reason why not.
    - `device`: where a spec or a class computes.

    Raises `ConformanceError` with all problems of all checks; each says what was expected and what to do. Raises
    `ValueError` for an exception to a check that does not exist, or without a reason.

    >>> report = check_metric("mse", exceptions={"documentation": "shown here: a declared exception is reported"})
    >>> "batch_invariance" in report.passed, list(report.exceptions)
    (True, ['documentation'])
    """
    candidate = Candidate(metric, setup, exceptions, device)
    passed, skipped, failures = [], {}, {}
    for check in CHECKS:
        if check in candidate.exceptions:
            continue
        try:
            problems = candidate.problems(check)
        except unittest.SkipTest as reason:
            skipped[check] = str(reason)
            continue
        if problems:
            failures[check] = problems
        else:
            passed.append(check)
    if failures:
        raise ConformanceError(candidate.subject.label, failures)
    return ConformanceReport(candidate.subject.label, tuple(passed), skipped, candidate.exceptions)


def conformance_cases(
    metrics: Iterable[str | type[Metric] | Metric] | None = None,
    *,
    setup: Setup | None = None,
    exceptions: Mapping[str, Mapping[str, str]] | None = None,
    device: str | None = "cpu",
) -> list[Case]:
    """Return one test for each metric and check; by default for all usable metrics.

        @pytest.mark.parametrize("case", conformance_cases(["my_metric"]), ids=str)
        def test_conformance(case):
            case()

    `exceptions` maps a metric, as it was given or by its name, to the exceptions of `check_metric`. Nothing is loaded
    before a case is called.

    >>> [str(case) for case in conformance_cases(["mse"])][:2]
    ['mse-light_import', 'mse-declaration']
    """
    cases = []
    for metric in list_metrics() if metrics is None else metrics:
        name = metric if isinstance(metric, str) else metric.name
        candidate = Candidate(metric, setup, (exceptions or {}).get(name), device)
        cases += [Case(candidate, check) for check in CHECKS]
    return cases


def _checked_exceptions(exceptions: Mapping[str, str], where: str = "") -> Mapping[str, str]:
    if unknown := sorted(exceptions.keys() - CHECKS.keys()):
        raise ValueError(f"{where}exceptions names {', '.join(unknown)}; the checks are {', '.join(CHECKS)}")
    if silent := [check for check, reason in exceptions.items() if not (isinstance(reason, str) and reason.strip())]:
        raise ValueError(f"{where}the exception to {', '.join(silent)} has no reason; say why the check does not hold")
    return exceptions
