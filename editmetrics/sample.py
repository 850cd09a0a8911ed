"""The sample that is judged (`Sample`), its scores (`Dimension`, `Score`), and the errors of both.

Nothing here imports anything of the project, nor any heavy library.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any, Literal, get_args

Status = Literal["ok", "refused", "unparseable", "failed", "skipped", "unavailable"]
"""`ok`: scored. `refused`: the model declined. `unparseable`: it answered, but not with a score. `failed`: an error.
`skipped`: the sample lacks what the metric needs. `unavailable`: this machine could not (no GPU, no network, no
package, endpoint down): it says nothing of the sample, and the same command tries again."""

STATUSES: tuple[str, ...] = get_args(Status)
IMAGE_FIELDS = ("source", "edited", "reference", "mask", "rival")
"""The fields of `Sample` that hold an image."""

SEVERAL_IMAGES = ("source", "reference")
"""Those of them that may hold several."""

TEXT_FIELDS = ("prompt", "source_prompt", "questions")
FIELDS = IMAGE_FIELDS + TEXT_FIELDS

_UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})  # controls, zero-width marks, all kinds of spaces
_UNSEEN_LETTERS = frozenset("\u034f\u115f\u1160\u2800\u3164\uffa0" + "".join(map(chr, range(0xFE00, 0xFE10))))


def is_blank(text: str) -> bool:
    """Whether nothing of `text` can be seen: it is empty, or all spaces, line ends, zero-width marks and controls.

    This is the one rule by which a prompt is missing, wherever it comes from.

    >>> is_blank(" \\u00a0\\u200b\\ufeff\\n"), is_blank(".")
    (True, False)
    """
    return all(unicodedata.category(sign) in _UNSEEN_CATEGORIES or sign in _UNSEEN_LETTERS for sign in text)


def images_of(value: Any) -> tuple[Any, ...]:
    """The images in a field of a sample, in their order: none, one or several.

    >>> images_of(None), images_of("a.png"), images_of(("a.png", "b.png"))
    ((), ('a.png',), ('a.png', 'b.png'))
    """
    return () if value is None else value if isinstance(value, tuple) else (value,)


class UnusableText(str):
    """An empty text in the place of one that is there and cannot be used; `reason` says where it stands, and why.

    A manifest row whose prompt is a number has one: `Sample.has` is false for it, and the row's other fields stay.

    >>> UnusableText("m.csv, line 2: its prompt is 3; expected text").reason
    'm.csv, line 2: its prompt is 3; expected text'
    """

    __slots__ = ("reason",)
    reason: str

    def __new__(cls, reason: str) -> UnusableText:
        text = super().__new__(cls, "")
        text.reason = reason
        return text

    def __getnewargs__(self) -> tuple[str]:
        return (self.reason,)


class EditMetricsError(Exception):
    """The base of all errors: the message names the file or value, what was expected and what to do next."""


class SampleError(EditMetricsError):
    """One sample cannot be scored; `status` says of which kind that is (`skipped` when a field is missing)."""

    def __init__(self, reason: str, status: Status = "failed") -> None:
        super().__init__(reason)
        self.status = status

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.args[0], self.status)


class UnavailableError(EditMetricsError):
    """This machine cannot compute a metric: no GPU, no network, a package missing, an endpoint down.

    Raised by `load`, `prepare` or `score_batch`. It says nothing about a sample: the engine stops that metric, gives
    the samples that are left the status `unavailable`, and the same command tries them again.
    """


class NotScoredError(EditMetricsError, ValueError):
    """A number was asked of a `Score` that has none."""


@dataclass(frozen=True)
class Sample:
    """One thing to judge: an edited (or generated) image and what it is judged by.

    Images are lazy: a path, the bytes of a file, a PIL image, an array (H, W, 3) uint8 or a tensor (3, H, W) in [0, 1];
    they are decoded when a metric looks at them (`editmetrics.images.read_image`).

    - `id`: the row's name, unique in a run.
    - `edited`: the image that is judged; for text-to-image, the generated one.
    - `source`: the image before the edit; or several, in a list or tuple whose order is kept.
    - `reference`: a ground-truth target; or several.
    - `mask`: the edited region, white on black, of the images' size.
    - `prompt`: the instruction, or the text that an image was generated from, or a description of the wanted image.
    - `source_prompt`: a description of the source, for metrics that compare what changed in text and in image.
    - `questions`: questions about the image, for metrics that ask.
    - `meta`: anything else, kept (`system` is the model that made the edit).
    - `rival`: a second edit of the same source by the same prompt, which `edited` is compared with.

    Several images are for metrics that declare them (`Metric.several`); others skip such a sample. A list of one image
    is that image.

    >>> Sample("cat", edited="edits/cat.png", source="sources/cat.png", prompt="make it a dog").prompt
    'make it a dog'
    >>> Sample("both", edited="edits/both.png", source=["sources/cat.png", "sources/dog.png"]).source
    ('sources/cat.png', 'sources/dog.png')
    """

    id: str
    _: KW_ONLY
    edited: Any
    source: Any = None
    reference: Any = None
    mask: Any = None
    prompt: str | None = None
    questions: tuple[str, ...] | None = None
    meta: Mapping[str, Any] = field(default_factory=dict)
    source_prompt: str | None = None
    rival: Any = None

    def __post_init__(self) -> None:
        for name in IMAGE_FIELDS:
            if isinstance(images := getattr(self, name), (list, tuple)):
                one = len(images) < 2
                object.__setattr__(self, name, next(iter(images), None) if one else tuple(images))

    def has(self, name: str) -> bool:
        """Whether the field `name` is there to be used. None is not, nor NaN, which pandas puts into empty cells; nor a
        text in which nothing can be seen (`is_blank`), nor questions that are all so.
        """
        value = getattr(self, name)
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return False
        if name not in TEXT_FIELDS or not isinstance(value, (str, tuple, list)):
            return True
        texts = [value] if isinstance(value, str) else value
        return any(not isinstance(text, str) or not is_blank(text) for text in texts)


@dataclass(frozen=True)
class Dimension:
    """One number that a metric gives: its name, unit, range and direction.

    `low` and `high` are the ends of the range (infinite where there is none). A score outside it is an error.
    `higher_is_better` is None where no direction is known: such a number is reported, and ranks nothing. `primary`
    marks the dimension that `float(score)` gives; a metric has exactly one, and lists it first. An `optional` one is
    not there for every kind of sample.

    >>> Dimension("psnr", unit="dB", low=0, high=math.inf, primary=True).direction
    'higher is better'
    >>> Dimension("total_variation", low=0, higher_is_better=None).best is None
    True
    """

    name: str
    unit: str = ""
    low: float = -math.inf
    high: float = math.inf
    higher_is_better: bool | None = True
    primary: bool = False
    description: str = ""
    optional: bool = False

    @property
    def direction(self) -> str:
        if self.higher_is_better is None:
            return "no direction known"
        return "higher is better" if self.higher_is_better else "lower is better"

    @property
    def best(self) -> float | None:
        """The end of the range that is best; None where no direction is known."""
        if self.higher_is_better is None:
            return None
        return self.high if self.higher_is_better else self.low

    def contains(self, value: float) -> bool:
        """Whether `value` lies in the range, up to float32 rounding."""
        slack = 1e-4 * max([1.0] + [abs(end) for end in (self.low, self.high) if math.isfinite(end)])
        return self.low - slack <= value <= self.high + slack


def first_is_primary(dimensions: Iterable[Dimension]) -> tuple[Dimension, ...]:
    """The dimensions, of which the first alone is primary."""
    return tuple(replace(dimension, primary=index == 0) for index, dimension in enumerate(dimensions))


class Score(Mapping[str, float]):
    """The result of a metric for one sample: a mapping from dimension to float, or a reason why it has none.

    - `values`: a float for each dimension, the primary one first; never NaN. A score that is not `ok` may still hold
      the dimensions that could be scored.
    - `status`: `ok`, or why not (see `Status`); `reason` says it in words.
    - `explanation`: text that a model gave with its score.
    - `uncertainty`: the standard deviation of each dimension, where the metric knows it.
    - `details`: whatever else a reader may want: a region, raw answers, notes such as "prompt truncated".

    A score that is `ok` is also the float of its primary dimension: it is formatted, rounded, compared, sorted, summed,
    put into arrays and written to JSON as that number. Of one that is not, all these raise `NotScoredError`. Two
    scores are equal if everything in them is; a score and a number, if the primary number is. `bool(score)` is True
    whatever the number.

    >>> score = Score({"psnr": 31.5})
    >>> score["psnr"], score.ok, f"{score:.2f}", round(score), score > 30, sum([score, score]), json.dumps(score)
    (31.5, True, '31.50', 32, True, 63.0, '31.5')
    >>> Score.unscored("skipped", "no prompt")
    Score(skipped: no prompt)
    """

    def __new__(cls, values: Mapping[str, float], status: Status = "ok", *_: Any, **__: Any) -> Score:
        if cls is Score and status == "ok":
            return float.__new__(_NumberScore, next(iter(values.values()), 0.0))  # `__init__` refuses no values
        return super().__new__(cls)

    def __init__(
        self,
        values: Mapping[str, float],
        status: Status = "ok",
        reason: str | None = None,
        explanation: str | None = None,
        uncertainty: Mapping[str, float] | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        self._values = {name: float(value) for name, value in values.items()}
        self.status, self.reason, self.explanation = status, reason, explanation
        self.uncertainty, self.details = uncertainty, dict(details or {})
        if status not in STATUSES:
            raise ValueError(f"score status is {status!r}; expected one of {', '.join(STATUSES)}")
        for name, value in self._values.items():
            if math.isnan(value):
                raise ValueError(f"{name} is NaN, which is not a score; return Score.unscored('failed', reason)")
        if self.ok and not self._values:
            raise ValueError("a score with status 'ok' needs a value; return Score.unscored(status, reason) instead")
        if self.ok == bool(reason):
            raise ValueError(f"status {status!r} with reason {reason!r}: a reason goes with every status but 'ok'")

    @classmethod
    def unscored(cls, status: Status, reason: str, **more: Any) -> Score:
        """A score without a number: `status` of `refused`, `unparseable`, `failed` or `skipped`, and why."""
        return Score({}, status, reason, **more)

    def with_note(self, note: str) -> Score:
        """A copy with one more sentence in `details["note"]`, which readers are shown.

        >>> Score({"psnr": 31.5}).with_note("the colour profiles differ").details
        {'note': 'the colour profiles differ'}
        """
        note = f"{earlier}; {note}" if (earlier := self.details.get("note")) else note
        details = {**self.details, "note": note}
        return Score(self._values, self.status, self.reason, self.explanation, self.uncertainty, details)

    @property
    def ok(self) -> bool:
        return self.status == "ok"

    def __getitem__(self, name: str) -> float:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __bool__(self) -> bool:
        return True  # an empty Mapping is false, and `if score:` is never meant that way

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Score):
            return self.__reduce__() == other.__reduce__()
        return self.ok and isinstance(other, (int, float)) and float(self) == other

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        values = [f"{name}={value:.6g}" for name, value in self._values.items()]
        return f"Score({', '.join(values if self.ok else [*values, f'{self.status}: {self.reason}'])})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Score, (self._values, self.status, self.reason, self.explanation, self.uncertainty, self.details)

    def __format__(self, spec: str) -> str:
        return self._no_number() if spec else repr(self)

    def backward(self, *_: Any, **__: Any) -> None:
        """Raise `EditMetricsError`: a number has no gradient."""
        raise EditMetricsError("a score is a number without a gradient; metric.tensors(source, edited) has one")

    def __float__(self) -> float:
        return float(self._no_number())

    def _no_number(self, *_: Any) -> Any:
        """Raise `NotScoredError`, in place of all that a float can do; `_NumberScore` does it."""
        raise NotScoredError(f"no number: {self.status}: {self.reason}")

    __lt__ = __le__ = __gt__ = __ge__ = __round__ = __abs__ = __neg__ = _no_number
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _no_number
    __array__ = _no_number


class _NumberScore(float, Score):
    """A `Score` with a number: a float in everything but what it shows and equals."""

    def __new__(cls, values: Any, *more: Any, **named: Any) -> Any:
        """A score as `Score` makes it; of a number, which `statistics` hands over for a mean, that number."""
        return Score(values, *more, **named) if isinstance(values, Mapping) else float(values)

    __array__ = None  # type: ignore[assignment] # numpy takes it as the float that it is
    __bool__, __eq__, __ne__, __hash__ = Score.__bool__, Score.__eq__, Score.__ne__, None  # type: ignore[assignment]
    __repr__ = __str__ = Score.__repr__

    def __format__(self, spec: str) -> str:
        return float.__format__(float(self), spec) if spec else repr(self)


def problem_of(score: Any, metric: str, dimensions: Sequence[Dimension]) -> str | None:
    """How a score that `metric` returned breaks its contract, in words; None where it keeps it.

    A score keeps it with every declared dimension, the primary one first, inside its range; an uncertainty that is
    finite; an explanation that is text; and details that JSON can hold.

    >>> problem_of(Score({"psnr": -1}), "psnr", [Dimension("psnr", low=0, primary=True)])
    'psnr returned psnr = -1, outside its declared range 0 to inf'
    """
    if not isinstance(score, Score):
        return f"{metric} returned {type(score).__name__} instead of a Score"
    declared = {dimension.name: dimension for dimension in dimensions}
    primary = next(dimension.name for dimension in dimensions if dimension.primary)
    if unknown := [name for name in score if name not in declared]:
        return f"{metric} returned {', '.join(unknown)}, which it does not declare as a dimension"
    needed = [name for name, dimension in declared.items() if not dimension.optional]
    if score.ok and (missing := [name for name in needed if name not in score]):
        return f"{metric} returned no {', '.join(missing)}"
    if score.ok and next(iter(score)) != primary:
        return f"{metric} returned {next(iter(score))} first, where the primary {primary} belongs"
    for name, value in score.items():
        if not declared[name].contains(value):
            low, high = declared[name].low, declared[name].high
            return f"{metric} returned {name} = {value:.6g}, outside its declared range {low:g} to {high:g}"
    return _problem_beside(score, metric, declared)


def plain(value: Any) -> Any:
    """`value` as JSON has it: numpy's and torch's numbers and arrays as numbers and lists, anything else as text.

    >>> import numpy as np
    >>> json.dumps({"region": np.array([1, 2]), "share": np.float32(0.5)}, default=plain)
    '{"region": [1, 2], "share": 0.5}'
    """
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _problem_beside(score: Score, metric: str, declared: Mapping[str, Dimension]) -> str | None:
    """The problem with what accompanies the numbers (uncertainty, explanation, details); None if they are valid."""
    for name, value in (score.uncertainty or {}).items():
        if name not in declared or not math.isfinite(value):
            return f"{metric} returned the uncertainty {value} of {name}; expected a finite number for each dimension"
    if not isinstance(score.explanation, (str, type(None))):
        return f"{metric} returned an explanation of type {type(score.explanation).__name__}; expected text"
    if score.explanation and not _encodable(score.explanation):
        return f"{metric} returned an explanation with half a character (a lone surrogate); expected text"
    try:
        json.dumps(score.details, allow_nan=False, default=plain)
    except (TypeError, ValueError, RecursionError) as error:
        return f"{metric} returned details that JSON cannot hold ({error}); expected finite numbers and text"
    return None


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
