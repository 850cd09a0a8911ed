"""A suite: a benchmark's protocol as data. Questions, judges, rows, aggregation, failures, source, differences.

A suite is this data and at most three small functions: how an answer is read, what a published script makes of it, and
what a sample's numbers are made of. `docs/suites.md` has a table of all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ..sample import Dimension, EditMetricsError, Sample
from .benchmark_folders import BenchmarkFolders

if TYPE_CHECKING:
    from ..bases.judge import Verdict
    from ..judge import Answer, Encoding
    from .inputs import BenchmarkInputs
    from .of_suite import OfSuite


class SuiteError(EditMetricsError):
    """A suite cannot be used: an option is invalid, a file of its repository is missing or another version."""


class UnknownSuiteError(SuiteError, LookupError):
    """No suite has this name."""


@dataclass(frozen=True)
class SuiteSource:
    """Where a protocol was read: paper, repository and commit, files with their SHA-256, and licences.

    "git:" and the SHA-1 by which git knows a file's content take the place of a SHA-256 that nobody here could compute.

    `read_on` is the date, ISO 8601. A licence that nobody has stated is "none".
    """

    paper: str
    repository: str
    commit: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    code_licence: str = "none"
    prompt_licence: str = "none"
    data_licence: str = "none"
    read_on: str = ""


@dataclass(frozen=True)
class PromptText:
    """The text of a question, or where it stands in the user's copy of the official repository.

    - `sha256`: of the text, as UTF-8, before anything is put in.
    - `rewrites`: what is replaced in a sample's words before they are put in, as `{"_": " "}`.
    - `slots`: from what stands for a sample's words to the field that has them: `{"<instruction>": "prompt"}`; what
      begins with = is the text itself, as in `{"{{": "={"}` for a text that Python's `str.format` fills in.
    - `text`: the text, where its licence allows to ship it. Otherwise `file` and `key`: a path in the repository, and
      where the text stands there: a key of a JSON object, a variable of a Python file, or a function of it that holds
      the text (of an f-string, what is filled in stands in braces as in the file).
    """

    name: str
    sha256: str
    slots: Mapping[str, str]
    text: str | None = None
    file: str = ""
    key: str = ""
    rewrites: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PromptChoice:
    """The text of a question that depends on a field of the row: `texts` by the value of `field`."""

    field: str
    texts: Mapping[str, PromptText]


@dataclass(frozen=True)
class SystemText:
    """The system message of a question. `listed`: the script sends it as a list of one part, and not as a text."""

    text: PromptText | str
    listed: bool = False


@dataclass(frozen=True)
class Show:
    """An image of a question: a field of the sample, its size, and its encoding.

    - `role`: source, edited, reference, mask or rival.
    - `size`: `as_is`; `source`: scaled (Pillow's bicubic) to the source's size where they differ; `thumbnail`: scaled
      down by Pillow's `thumbnail` until no side is longer than `most` pixels; `area`: as `shown.within_area` does.
    - `encoding`: as it is sent; "bytes" sends the file as it is.
    """

    role: Literal["source", "edited", "reference", "mask", "rival"]
    encoding: Encoding
    size: Literal["as_is", "source", "thumbnail", "area"] = "as_is"
    most: int | None = None


@dataclass(frozen=True)
class Ask:
    """One question about a sample.

    - `parts`: texts and images in the order in which they are sent, which is part of the protocol. A plain text is sent
      as it is.
    - `read`: the numbers in an answer; the verdict has the `values`. Raises `SampleError` where there are none.
    - `published`: what the published script reads in the text of an answer (a number, or one for each value); None
      where it reads nothing, and then follows its rule for failures.
    - `low`, `high`: the scale of the values.
    - `when`: the question is asked only of rows whose fields have one of these values.
    - `value_names`: the names of several numbers in one answer; by default there is one with the question's name.
    - `system`: the system message; None for none.
    """

    name: str
    parts: tuple[PromptText | PromptChoice | Show | str, ...]
    read: Callable[[Answer], Verdict]
    published: Callable[[str], float | Mapping[str, float] | None]
    low: float
    high: float
    when: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    value_names: tuple[str, ...] = ()
    system: SystemText | None = None

    @property
    def values(self) -> tuple[str, ...]:
        """The names of the numbers in its answer."""
        return self.value_names or (self.name,)

    def by_script(self, text: str) -> dict[str, float]:
        """Return what the published script reads in an answer, by the names of `values`; empty for nothing."""
        value = self.published(text)
        if value is None or isinstance(value, (int, float)):
            return {} if value is None else {self.name: float(value)}
        return dict(value)

    def prompts(self) -> list[PromptText]:
        """List the texts that it may have."""
        texts: list[PromptText] = []
        for part in (*([self.system.text] if self.system else []), *self.parts):
            if isinstance(part, PromptText):
                texts.append(part)
            elif isinstance(part, PromptChoice):
                texts += part.texts.values()
        return texts


@dataclass(frozen=True)
class Sampling:
    """Parameters of a request as the published script sends them; None is not sent."""

    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    limit_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"


@dataclass(frozen=True)
class SuiteJudge:
    """A judge of a benchmark's table, with the questions as that judge is asked.

    - `name`: short, as in the headings ("G"). `title`: in words.
    - `published`: the model's name as the script sends it. `snapshot`: the dated model that is asked by default.
    - `variants`: other dated models, by the name of the evaluation that used them.
    - `weights`: of an open model, its hub id; "" for a closed one.
    - `local`: whether an open model is asked on this machine by default, and not by an endpoint.
    - `most`: where questions depend on the row, the most requests and images that the whole benchmark takes; `counted`
      is false where nobody here could count them.
    """

    name: str
    title: str
    published: str
    snapshot: str
    asks: tuple[Ask, ...]
    sampling: Sampling = Sampling()
    variants: Mapping[str, str] = field(default_factory=dict)
    weights: str = ""
    local: bool = False
    most: tuple[int, int] | None = None
    counted: bool = True


@dataclass(frozen=True)
class FailureRule:
    """The rule for an answer without a number: here it never becomes one; `published` says what the script does.

    `guesses`: the numbers that the script puts in its place, each as likely; empty where it leaves the sample out.
    """

    published: str
    guesses: tuple[float, ...] = ()


@dataclass(frozen=True)
class RowField:
    """A field of the benchmark's rows, such as task or language.

    - `columns`: its names in a manifest, the benchmark's own first. Where a sample has none of them, a folder in its id
      or in the path of its edited image that is one of `values` is taken.
    - `values`: what it can be, in the benchmark's order; empty for anything. `renamed`: other spellings of values.
    - `needed`: whether the suite can do without. A field that it can do without is missing where no sample has it.
    - `presence`: the field is "yes" where the sample has anything in one of the columns, or fields of `Sample`; else
      "no".
    - `numbered`: of a column that holds a number, the first and the last number of each value; without the column, a
      file's name that is a number.
    - `default`: the field of a sample with no such column, where it can do without.
    - `compute`: the field of a sample, which then is in no column; None where it cannot be told.
    """

    name: str
    columns: tuple[str, ...]
    values: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    needed: bool = True
    presence: bool = False
    numbered: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    default: str | None = None
    compute: Callable[[Sample], str | None] | None = None


@dataclass(frozen=True)
class Level:
    """One step of an aggregation: the mean of all that agrees in the fields `by`. The last step has none.

    - `groups`: the values that a group must have; one of them without any number leaves its cell empty.
    - `digits`: decimals to which the script rounds each mean of this step; None rounds nothing.
    - `weights`: of the groups of the step before, by the value of its only field; None weighs them alike.
    - `how`: the mean; or, of correlations, the `tanh` of their mean, or their mean by `fisher`: tanh of the mean of
      their artanh. The first step may be `spearman`: the rank correlation of the numbers with those of people.

    The first step leaves out samples without a number. Later ones do not: a group without a number has an empty cell.
    """

    by: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    digits: int | None = None
    weights: Mapping[str, float] | None = None
    how: Literal["mean", "spearman", "tanh", "fisher"] = "mean"


EVERY_SAMPLE = (Level(),)
"""The plain mean over samples."""


@dataclass(frozen=True)
class SuiteColumn:
    """One column of a benchmark's table.

    - `heading`: its name there; `{judge}` stands for the judge's.
    - `value`: the dimension of the suite's judge, or the spec of a metric.
    - `levels`: from the values of samples to the number, bottom up.
    - `where`: only rows whose fields have one of these values.
    - `times`, `plus`: the published table shows `times * number + plus`; so do we. `digits`: its decimals.
    - `failed`: the value that the published script gives a sample without an answer in this column; None follows the
      suite's `FailureRule`.
    - `pooled`: the number is the sum over samples of one number by the sum of another (`SuiteRow.ratios`), as of words
      found by words asked for; `levels` are not looked at.
    - `of_people`: the numbers are those that people gave (`Suite.people`).
    """

    heading: str
    value: str
    levels: tuple[Level, ...] = EVERY_SAMPLE
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    times: float = 1
    plus: float = 0
    digits: int = 3
    failed: float | None = None
    pooled: bool = False
    of_people: bool = False

    @property
    def spec(self) -> str:
        """The spec of the metric, of a suite without judges."""
        return self.value


@dataclass(frozen=True)
class RowBlock:
    """One row of a benchmark's table: samples whose fields have one of these values; `rows` of them are expected."""

    heading: str
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rows: int | None = None


@dataclass(frozen=True)
class TableLayout:
    """One table of a benchmark: its columns, and a row for each block and system.

    `together`: a row for each block alone, over all systems; a field with the column `system` tells them apart.
    """

    title: str
    columns: tuple[SuiteColumn, ...]
    blocks: tuple[RowBlock, ...] = (RowBlock("all"),)
    together: bool = False


@dataclass(frozen=True)
class PeopleRatings:
    """The ratings that people gave a sample, in `columns` of the manifest: a cell for each of them.

    `read` makes their numbers of the cells, by the names of the suite's values; it raises `ValueError` for cells that
    are not as they should be.
    """

    columns: tuple[str, ...]
    read: Callable[[Sequence[str]], Mapping[str, float]]


@dataclass(frozen=True)
class ProtocolDifference:
    """A point in which a run differs from the published protocol, and the effect of it, where that is known.

    `judge`: the judge that it concerns; "" for all.
    """

    point: str
    published: str
    here: str
    effect: str = "unknown"
    judge: str = ""


@dataclass(frozen=True)
class Suite:
    """A benchmark's protocol. `about` says what its table holds, and what must be in the samples.

    A suite has judges, whose questions give `values` of each sample; or its columns name metrics.

    - `needs`: fields of `Sample` that a suite with judges requires.
    - `values`: the numbers of a sample, the primary one first; `derive` makes those it can of the values of the
      questions.
    - `metric`: the metric that computes its values, where another one than `SuiteMetric` does; `ratios`: the names of
      what it pools. `data`: files of the repository that it reads, in the user's copy.
    - `rows`: the number of rows of the whole benchmark.
    - `people`: the ratings of people, of a benchmark of judges; None for none.
    - `advise`: advice about a sample whose files look like a usual mistake; None for none.
    - `prompt`: whether the prompt is an instruction, or a caption of the wanted image.
    - `headings`: the benchmark's own columns for fields of `Sample`: `{"prompt": ("output_caption",)}`.
    - `sizes`: the numbers of rows that the benchmark's data have, with what each is: `{3589: "the test split"}`.
    - `folders`: the benchmark's folder and those of outputs, where they are read as its script has them.
    - `inputs`: where its rows lie on the hub, for `editmetrics data`; built-in ones are in the table `inputs.INPUTS`.
    - `variants`: the protocols that papers report under its name, of a suite without judges and table of its own.
    """

    name: str
    about: str
    source: SuiteSource
    tables: tuple[TableLayout, ...]
    needs: frozenset[str] = frozenset()
    fields: tuple[RowField, ...] = ()
    judges: tuple[SuiteJudge, ...] = ()
    values: tuple[Dimension, ...] = ()
    derive: Callable[[Mapping[str, float]], dict[str, float]] = dict
    failure: FailureRule = FailureRule("")
    differences: tuple[ProtocolDifference, ...] = ()
    rows: int | None = None
    unchecked: str = ""
    metric: type[OfSuite] | None = None
    ratios: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    people: PeopleRatings | None = None
    advise: Callable[[str], str | None] = lambda path: None
    prompt: Literal["instruction", "caption"] = "instruction"
    headings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sizes: Mapping[int, str] = field(default_factory=dict)
    folders: BenchmarkFolders | None = None
    variants: Mapping[str, Suite] = field(default_factory=dict)
    inputs: BenchmarkInputs | None = None

    @property
    def columns(self) -> tuple[SuiteColumn, ...]:
        """The columns of its first table, which is the benchmark's main one."""
        return self.tables[0].columns if self.tables else ()

    @property
    def specs(self) -> tuple[str, ...]:
        """The specs of the metrics, of a suite without judges."""
        return () if self.judges else tuple(dict.fromkeys(column.value for column in self.columns))

    def require_table(self) -> None:
        """Raise `SuiteError`, naming the variants, for a suite that has a table only with one of them."""
        if not self.tables:
            known = "\n".join(f"  --suite {variant.name}: {variant.about}" for variant in self.variants.values())
            raise SuiteError(f"the suite {self.name} has a table for each of its variants; choose one:\n{known}")

    def judge(self, name: str = "") -> SuiteJudge:
        """Return the judge of this name, by default the first. Raises `SuiteError` for another name."""
        known = {judge.name: judge for judge in self.judges}
        if name and name not in known:
            raise SuiteError(f"the suite {self.name} has no judge {name!r}; expected one of {', '.join(known)}")
        return known[name] if name else self.judges[0]
