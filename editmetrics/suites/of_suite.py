"""`OfSuite`: a metric that computes the numbers of a benchmark's samples, and knows which benchmark's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ..metric import Metric
from ..sample import Dimension, Sample, SampleError
from ..wording import first_few, plural
from .definition import ProtocolDifference, Suite, SuiteError, SuiteJudge
from .table_of_suites import suite as suite_called

if TYPE_CHECKING:
    from typing import Any

    from ..bases.judge import Verdict
    from ..judge import Answer


class OfSuite(Metric):
    """Base of the metrics of suites: one knows its suite, its judge there, and what its options change.

    A subclass gives `option_differences`. `Score.details` of its scores may have `fields`, more fields of the row;
    `ratios`, the sample's part of each number that the suite pools: numerator and denominator; `script_ratios`, that of
    a sample without a number, by the published script; and `served`, answers by model.
    """

    runtime_options = frozenset({"repository"})  # the texts and data in it are known by their checksums

    model: str
    backbone: str | None
    suite: str
    judged_by: str
    repository: str | None

    @property
    def definition(self) -> Suite:
        """The suite."""
        return suite_called(self.suite)

    @property
    def protocol(self) -> SuiteJudge:
        """The suite's judge, with its questions."""
        return self.definition.judge(self.judged_by)

    def required(self) -> frozenset[str]:
        return self.definition.needs

    def active_dimensions(self) -> tuple[Dimension, ...]:
        return self.definition.values

    def identity(self) -> dict[str, Any]:
        prompts = {prompt.name: prompt.sha256 for ask in self.protocol.asks for prompt in ask.prompts()}
        source = self.definition.source
        data = {"suite_data": {file: source.files[file] for file in self.definition.data}}
        known = {**super().identity(), "prompts": prompts, "suite_commit": source.commit}
        return {**known, **data} if self.definition.data else known

    def row_key(self, sample: Sample) -> str | None:
        """Return the key of the benchmark's row that a sample belongs to; None where rows have none."""
        return None

    def row_keys(self) -> dict[str, str]:
        """Return the keys of all rows of the benchmark, each with the part of it that it is in; empty if unknown."""
        return {}

    def option_differences(self) -> Iterator[ProtocolDifference]:
        """Yield the points in which its options differ from the published protocol."""
        raise NotImplementedError

    def _belong_to(self, suite: str, judged_by: str, repository: str | None, columns: Iterable[str] = ()) -> None:
        self.suite, self.judged_by = suite, suite_called(suite).judge(judged_by).name
        self.repository = repository
        self.alias = f"{suite}_{self.judged_by}"
        fields = self.definition.fields
        self.columns = frozenset([*columns, *(name for one in fields for name in one.columns)])  # type: ignore[misc]


def notes_on_keys(metric: OfSuite, samples: Sequence[Sample]) -> Iterator[str]:
    """Yield which rows of the benchmark, where they are known, have no image among the samples, or several."""
    try:
        known = metric.row_keys()
    except SuiteError:  # all was scored in an earlier run, and no copy of the rows is named in this one
        return
    systems = dict.fromkeys(sample.meta.get("system") for sample in samples)
    for system in systems if known else ():
        own = [sample for sample in samples if sample.meta.get("system") == system]
        counts = Counter(key for sample in own if (key := metric.row_key(sample)) in known)
        parts = {known[key] for key in counts}
        name = f"{system}: " if system else ""
        if absent := [key for key, part in known.items() if part in parts and key not in counts]:
            yield f"{name}no image for {plural(len(absent), 'row')} of the benchmark: {first_few(absent)}"
        if several := [key for key, count in counts.items() if count > 1]:
            yield f"{name}several images of {plural(len(several), 'row')}, each of which counts: {first_few(several)}"


def with_its_row(answer: Answer) -> Verdict:
    """Stand for the reader of a question whose answers mean something beside their row only: the metric reads them."""
    raise SampleError(f"{answer.text!r} is read with the row of its sample, by the suite's metric", "failed")


def chosen_model(protocol: SuiteJudge, variant: str, suite: str) -> str:
    """Return the dated model of a judge, or the one that a variant pinned. Raises `SuiteError` for another variant."""
    if variant and variant not in protocol.variants:
        known = ", ".join(protocol.variants) or "none"
        raise SuiteError(f"the suite {suite} has no variant {variant!r} for judge {protocol.name}; known: {known}")
    return protocol.variants.get(variant, protocol.snapshot)
