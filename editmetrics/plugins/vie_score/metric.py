"""The metric `vie_score`: two questions to a judge, and what its answers say."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from ...bases.full_reference import same_size
from ...bases.judge import JudgeMetric, Verdict
from ...sample import Dimension, Sample
from .prompts import PERCEPTUAL_QUALITY, SEMANTIC_CONSISTENCY, semantic_consistency

if TYPE_CHECKING:
    from ...judge import Answer, Question

ASKED = ("semantic_consistency", "perceptual_quality")


class VIEScore(JudgeMetric):
    """VIEScore of an edit by a chat model, 0 to 10: semantic consistency, perceptual quality, and both together.

    The judge is asked twice. Shown source and edited image with the instruction, it rates the success of the edit and
    how little was overedited; shown the edited image alone, its naturalness and its freedom from artifacts. Semantic
    consistency and perceptual quality are the lower of the two ratings each, `overall` is sqrt(SC * PQ). The judge's
    reasons are the score's `explanation`.

    A refusal or an unreadable answer gives no number: the sample is `refused` or `unparseable`, keeps the dimension
    that was read, and is not asked again (the published script guesses at random). A sample without an answer is
    `unavailable`, and the same command asks for it again. With several rounds each dimension is the mean over those
    that could be read, and `uncertainty` their standard deviation.

    The texts and the images leave this machine, to the endpoint. See docs/metrics/vie_score.md and docs/judge.md.

    Options:
        variant: none, or gedit: GEdit-Bench's script, which scales the edited image to the source's size first.

    Source: Ku et al., VIEScore: towards explainable metrics for conditional image synthesis evaluation, ACL 2024,
    arXiv:2312.14867; the questions are those of the authors' repository, TIGER-AI-Lab/VIEScore (MIT). GEdit-Bench: Liu
    et al., Step1X-Edit, 2025, arXiv:2504.17761.

    >>> [dimension.name for dimension in VIEScore().dimensions]
    ['overall', 'semantic_consistency', 'perceptual_quality']
    """

    name, version = "vie_score", 1
    title = "instruction followed, and quality"
    needs = frozenset({"source", "edited", "prompt"})
    dimensions = (
        Dimension("overall", low=0, high=10, primary=True, description="sqrt(consistency * quality)"),
        Dimension(
            "semantic_consistency", low=0, high=10, description="the instruction is followed, no more is changed"
        ),
        Dimension("perceptual_quality", low=0, high=10, description="the image is natural and free from artifacts"),
    )
    paper = "Ku et al., VIEScore, ACL 2024, arXiv:2312.14867"
    licence = "this code: Apache-2.0; the questions: MIT (VIEScore); the judge's terms are its provider's"
    prompts = (SEMANTIC_CONSISTENCY, PERCEPTUAL_QUALITY)

    def __init__(self, *, variant: Literal["none", "gedit"] = "none", **shared: Any) -> None:
        super().__init__(**shared)
        self.variant = variant

    def questions(self, sample: Sample) -> dict[str, Question]:
        from ...images import eight_bits, read_image
        from ...judge import Question

        source, edited = (eight_bits(read_image(image)) for image in (sample.source, sample.edited))
        if self.variant == "gedit":
            source, edited = same_size(source, edited, "edited")
        consistency = semantic_consistency(sample.prompt or "")
        return {
            "semantic_consistency": Question.of(consistency, [source, edited], schema=_schema()),
            "perceptual_quality": Question.of(PERCEPTUAL_QUALITY, [edited], schema=_schema()),
        }

    def read(self, name: str, answer: Answer) -> Verdict:
        """The lower of the two scores, as the authors take it."""
        from ...judge import read_json

        parsed = read_json(answer, _schema())
        scores = [float(score) for score in parsed.value.score]
        shown = f"[{', '.join(f'{score:g}' for score in scores)}]"
        return Verdict({name: min(scores)}, str(parsed.value.reasoning), shown, parsed.parsed == "repaired")

    def combine(self, values: dict[str, float]) -> dict[str, float]:
        return values | ({"overall": math.sqrt(math.prod(values.values()))} if len(values) == len(ASKED) else {})


@cache
def _schema() -> Any:
    """{"score": [0 to 10, 0 to 10], "reasoning": text}."""
    from pydantic import Field, create_model

    number = Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)]
    scores = Annotated[list[number], Field(min_length=2, max_length=2)]
    return create_model("Rating", score=(scores, ...), reasoning=(str, ...))
