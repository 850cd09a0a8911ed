"""The fields, numbers and texts of the page of a demo. Nothing here knows the library that draws the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..files.escaping import escape_html
from ..files.text import arrow
from ..metric import Metric
from ..sample import FIELDS, IMAGE_FIELDS, Dimension, EditMetricsError, Sample, SampleError, Score
from ..serving.wire import claimed_pixels
from ..tables.results import likeness_note
from ..tables.table import number
from ..wording import in_words

LABELS = {
    "source": "Image before the edit", "edited": "Edited image", "reference": "What the edit should look like",
    "mask": "Mask: the edited region, white on black", "rival": "A second edit of the same image",
    "prompt": "Instruction or prompt", "source_prompt": "Description of the image before the edit",
    "questions": "Questions, one in each line",
}  # fmt: skip


class FormError(EditMetricsError):
    """The form cannot be used as it was filled in, or not with these metrics."""


class FormField(NamedTuple):
    """One field of the form; `required`: by at least one metric."""

    name: str
    label: str
    is_image: bool
    required: bool


@dataclass(frozen=True)
class FormLimits:
    """The largest upload in bytes, and the pixels of all images together (a small file may claim a large image)."""

    max_bytes: int = 32 << 20
    max_pixels: int = 64_000_000


class ResultLine(NamedTuple):
    """One number of a metric, or the reason why it does not exist.

    `number` is exact, `shown` has four digits; both are empty without one. `arrow`: the better direction. `text`: the
    reason or the explanation.
    """

    metric: str
    dimension: str
    shown: str
    number: str
    unit: str
    arrow: str
    status: str
    text: str


def form_fields(metrics: Sequence[Metric]) -> list[FormField]:
    """Return the fields that the metrics read, the two images first. Raises `FormError` for a metric of sets.

    >>> from editmetrics import create_metric
    >>> [(field.name, field.required) for field in form_fields([create_metric("clip_score")])]
    [('source', False), ('edited', True), ('prompt', True)]
    """
    if of_sets := [metric.label for metric in metrics if metric.of_sets]:
        raise FormError(f"{of_sets[0]} compares sets of images, and the page has one edit; use 'editmetrics score'")
    read = {"source", "edited"}.union(*(metric.fields() for metric in metrics))
    required = frozenset[str]().union(*(metric.required() for metric in metrics))
    names = [name for name in ("source", "edited", *FIELDS) if name in read]
    return [FormField(name, LABELS[name], name in IMAGE_FIELDS, name in required) for name in dict.fromkeys(names)]


def sample_of(values: Mapping[str, Any], limits: FormLimits) -> Sample:
    """Return the sample that was filled in: paths of images and texts by field; what is empty is missing.

    Images are read here, so that no message names a path. Raises `FormError` for none, and for those beyond the limits.
    """
    images = {name: Path(values[name]) for name in IMAGE_FIELDS if values.get(name)}
    if "edited" not in images:
        raise FormError("the edited image is missing")
    for name, path in images.items():
        if path.stat().st_size > limits.max_bytes:
            raise FormError(f"{name}: the file is larger than {in_words(limits.max_bytes / 1e6)}")
    contents: dict[str, Any] = {name: path.read_bytes() for name, path in images.items()}
    if (pixels := sum(map(claimed_pixels, contents.values()))) > limits.max_pixels:
        raise FormError(f"the images have {pixels:,} pixels together; this page takes {limits.max_pixels:,}")
    texts: dict[str, Any] = {name: values[name] for name in ("prompt", "source_prompt") if values.get(name)}
    if questions := [line.strip() for line in str(values.get("questions") or "").splitlines() if line.strip()]:
        texts["questions"] = tuple(questions)
    return Sample("edit", **contents, **texts)


def score_form(
    metrics: Sequence[Metric], values: Mapping[str, Any], limits: FormLimits | None = None
) -> list[ResultLine]:
    """Score what was filled in by every metric, as `editmetrics.score` does. Raises `FormError`."""
    from ..scoring import score

    sample = sample_of(values, limits or FormLimits())
    scores: dict[str, Score] = {}
    for metric in metrics:
        try:
            metric.check_fields(sample)
        except SampleError as error:  # a run of many samples refuses to begin; here the other metrics have their say
            scores[metric.label] = Score.unscored(error.status, str(error))
    if usable := [metric for metric in metrics if metric.label not in scores]:
        ((_, computed),) = score([sample], usable, on_row=lambda *_: None)
        scores |= computed
    return [_line(metric, dimension, scores[metric.label]) for metric in metrics for dimension in metric.dimensions]


def _line(metric: Metric, dimension: Dimension, score: Score) -> ResultLine:
    value = score.get(dimension.name)
    text = score.explanation if value is not None else score.reason
    return ResultLine(
        metric.label,
        dimension.name if len(metric.dimensions) > 1 else "",
        "" if value is None else number(value),
        "" if value is None else repr(float(value)),
        dimension.unit,
        arrow(dimension.higher_is_better),
        "ok" if value is not None else "skipped" if score.ok else score.status,
        text or "",
    )


def result_html(metrics: Sequence[Metric], lines: Sequence[ResultLine]) -> str:
    """Return the result as a table in HTML; all texts are escaped."""
    rewarding = [metric.label for metric in metrics if metric.rewards_no_change()]
    note = likeness_note(rewarding, len(metrics))
    head = "".join(f"<th scope='col'>{name}</th>" for name in ("Metric", "Score", "Explanation, or why it is missing"))
    rows = "".join(map(_row, lines))
    below = f"<p>{escape_html(note)}</p>" if note else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>{below}"


def message_html(message: str) -> str:
    """Return a sentence to the user as HTML."""
    return f"<p role='alert'>{escape_html(message)}</p>"


def _row(line: ResultLine) -> str:
    below = f"<br><small>{escape_html(line.dimension)}</small>" if line.dimension else ""
    name = f"{escape_html(line.metric)} {line.arrow}{below}"
    if line.status == "ok":
        unit = f" {escape_html(line.unit)}" if line.unit else ""
        value = f"<span title='{escape_html(line.number)}'>{escape_html(line.shown)}{unit}</span>"
    else:
        value = f"<strong>{escape_html(line.status)}</strong>"
    cells = (name, value, escape_html(line.text).replace("\n", "<br>"))
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
