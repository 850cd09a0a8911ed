"""The metric `epaiqa`: options, scores, and the door to its training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from annotated_types import Ge

from ...bases.assessor import AssessorMetric, DimensionReadings
from ...late_checks import read_results
from ...mllm.prompts import length_class
from ...sample import Dimension, Sample, SampleError, Score
from .box import Box, given_box, mask_box
from .prompts import QUESTIONS, images_inline

if TYPE_CHECKING:
    from ...mllm.backbone import Backbone
    from ...mllm.checkpoint import TrainedCheckpoint
    from ...mllm.fitting import FitJob
    from ...mllm.levels import LevelReadout
    from ...mllm.prefix_cache import PrefixCache
    from ...mllm.recipe import Recipe
    from .annotate import Annotator
    from .assessor import ExplainingAssessor, Explanation, PreparedEdit
    from .explanations import ExplanationJudge
    from .method import EPAIQAMethod


class EPAIQA(AssessorMetric):
    """EPAIQA's four scores of a local edit, where it was made, and why it is as good as it is.

    A vision-language model sees source, edited image and instruction, writes a chain of thought, and ends with the
    level of the whole edit; harmony it judges of the whole edited image, local naturalness of the edited region alone.
    Each score is read of the logits of the level words, as in Q-Align:

        score = sum_i i p_i,   p = softmax over the words' logits (bad to excellent: 1 to 5;
                               Non-, Partial, Full Completion: 1 to 3)

    and its uncertainty is that distribution's standard deviation. Where the words had less than a half of the model's
    probability (`details["level_mass"]`), it was about to say something else, and that dimension has no number.
    `explanation` is the chain of thought as it was
    written. `details["region"]` is the edited region (centre x, y, width, height, fractions of the image), and
    `details["region_from"]` says where it comes from: "given" in the manifest's column `region` ("x,y,w,h"), "mask", or
    "model", which names it itself. A region that is malformed or outside the image is refused, never clamped: a given
    one costs its row, one of the model's the local naturalness. `details["level_phrase"]` is "generated" where the
    answer came to its level by itself, "appended" where the words that lead to it were put after it.

    The paper's authors published no weights. Without `weights` the raw backbone is asked: a zero-shot score, which
    every score says of itself (`details["zero_shot"]`) and whose agreement with people nobody has measured. `fit`
    trains it on your ratings; `weights=toy` is a tiny model that was trained on photographs with synthetic edits, for
    trying out and tests, not for results.

    Options:
        weights: A folder that `fit` wrote, or "toy"; several, separated by ";" or in a list, are averaged.
        region: Where the region comes from: "given" takes the column `region`, and asks the model for a sample without
            it; "mask" takes the box around the mask's white; "model" always asks the model.
        explain: Let the model write its chain of thought, a few hundred tokens a sample; without it the overall level
            is read at once after the prompt completion, another number than with it.
        max_tokens: The longest chain of thought, in tokens.
        overall: Where overall quality comes from: "chain" is the level at the end of the answer, the paper's way;
            "parts" puts it together of prompt completion, harmony and local naturalness, with the weights that `fit`
            found on its validation data (`.overall`).

    Source: Qian, Jia et al., Explainable partial-AIGC image quality assessment (EPAIQA), sections 4 and 5.1, and
    section E of the supplement.

    >>> import numpy as np
    >>> from editmetrics.testing import toys
    >>> source = toys.picture(0, 64, 64)[..., [1, 1, 1]]  # grey, as the toy model knows them
    >>> edited = source.copy()
    >>> edited[16:48, 16:48] = edited[16:48, 16:48] // 2 + np.array([115, 15, 15])
    >>> metric = EPAIQA(weights="toy").to("cpu")
    >>> list(metric(source, edited, prompt="make the region red"))
    ['overall_quality', 'harmony', 'local_naturalness', 'prompt_completion']
    """

    name, version = "epaiqa", 3
    title = "quality of a local edit, and why"
    needs = frozenset({"source", "edited", "prompt"})
    host_reads = None  # it writes texts
    uses = frozenset({"mask"})
    columns = frozenset({"region"})
    learns_explanations = True
    dimensions: ClassVar[tuple[Dimension, ...]] = (
        Dimension("overall_quality", low=1, high=5, primary=True, description="how good the edit is, all in all"),
        Dimension("harmony", low=1, high=5, description="how well the edited region goes with the rest"),
        Dimension("local_naturalness", low=1, high=5, description="how natural the edited region looks by itself"),
        Dimension("prompt_completion", low=1, high=3, description="how far the instruction was followed"),
    )
    ablations: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "all stages": {},
        "without grounding": {"stages": ("quantitative", "explained")},
        "without chain of thought": {"cot": None},
    }
    """Tables 5 to 7: settings of `fit` for each row."""

    paper = "Qian, Jia et al., Explainable partial-AIGC image quality assessment (EPAIQA), 2025"
    licence = "this code: Apache-2.0; the backbone: its own (LLaVA-OneVision with Qwen2-7B: Apache-2.0)"

    BACKBONE = "llava-hf/llava-onevision-qwen2-7b-ov-hf"
    """The native form of the paper's lmms-lab/llava-onevision-qwen2-7b-ov."""

    LABEL_SCALE = (1.0, 5.0)
    IMAGE_TOKENS = 9000
    """More than LLaVA-OneVision takes of any image (some 8,700 tokens of a long one), so that none is left uncut."""

    def __init__(
        self,
        *,
        weights: str | Sequence[str] | None = None,
        region: Literal["given", "mask", "model"] = "given",
        explain: bool = True,
        max_tokens: Annotated[int, Ge(1)] = 256,
        overall: Literal["chain", "parts"] = "chain",
        **shared: Any,
    ) -> None:
        super().__init__(weights=weights, **shared)
        self.region, self.explain, self.max_tokens, self.overall = region, explain, max_tokens, overall

    @property
    def zero_shot(self) -> bool:
        """True if no stage has taught the levels: without weights, or with those of the grounding alone."""
        return self.checkpoint is None or not self.checkpoint.dimensions

    def active_dimensions(self) -> tuple[Dimension, ...]:
        return type(self).dimensions if self.zero_shot else super().active_dimensions()

    def on_scale(self, dimension: Dimension) -> Dimension:
        """Levels have numbers of their own, whatever the scale of the ratings was."""
        return dimension

    def required(self) -> frozenset[str]:
        return frozenset(self.needs | ({"mask"} if self.region == "mask" else set()))

    def fields(self) -> frozenset[str]:
        """The required fields: one that no option asks for changes no number."""
        return self.required()

    def identity(self) -> dict[str, Any]:
        layout = {"images": "inline"} if images_inline(self.checkpoint) else {}
        return {**super().identity(), "prompts": QUESTIONS, **layout}

    def check_backbone(self, checkpoint: TrainedCheckpoint, backbone: Backbone) -> None:
        if checkpoint.backbone_folder is None:  # else it was trained itself, and stands in the checkpoint
            super().check_backbone(checkpoint, backbone)

    def assessor(
        self, backbone: Backbone, checkpoint: TrainedCheckpoint | None, adapters: Mapping[str, str]
    ) -> ExplainingAssessor:
        from .assessor import ExplainingAssessor

        return ExplainingAssessor(
            backbone, next(iter(adapters.values()), None), self.max_tokens, images_inline(checkpoint)
        )

    # ------------------------------------------------------------------ scoring

    def region_of(self, sample: Sample) -> tuple[Box | None, str]:
        """The region that a sample brings, and where it comes from; None where the model is to be asked.

        Raises `SampleError` for a malformed one, and for one outside the image.
        """
        if self.region == "mask":
            from ...images import read_mask

            return mask_box(read_mask(sample.mask)), "mask"
        region = sample.meta.get("region")
        if self.region == "given" and region is not None and str(region).strip():
            return given_box(region), "given"
        return None, "model"

    def prepare(self, sample: Sample) -> tuple[PreparedEdit, str]:
        from ...images import eight_bits, read_image

        region, origin = self.region_of(sample)
        source, edited = (eight_bits(read_image(image)) for image in (sample.source, sample.edited))
        return self.assessors[0].prepare(source, edited, sample.prompt or "", region), origin

    def batch_key(self, prepared: tuple[PreparedEdit, str]) -> int:
        return length_class(prepared[0].prompts())

    def score_batch(self, batch: list[tuple[PreparedEdit, str]]) -> list[Score]:
        assessor, wanted = self.assessors[0], {dimension.name for dimension in self.dimensions}
        if self.overall == "parts" and "overall_quality" in wanted:
            wanted |= {"harmony", "local_naturalness"}
        samples = [prepared for prepared, _ in batch]
        with assessor.at_work():
            grounds = any(sample.region is None for sample in samples)
            pairs = assessor.read_pairs(samples) if grounds else None
            regions, problems = self._regions(samples, pairs)
            levels: list[dict[str, LevelReadout]] = [{} for _ in batch]
            if "harmony" in wanted:
                for read, level in zip(levels, _rows(assessor.read_level([s.harmony for s in samples])), strict=True):
                    read["harmony"] = level
            cut = [row for row, region in enumerate(regions) if region is not None and "local_naturalness" in wanted]
            if cut:
                prompts = [
                    samples[row].naturalness or assessor.naturalness(samples[row].edited, regions[row]) for row in cut
                ]
                for row, level in zip(cut, _rows(assessor.read_level(prompts)), strict=True):
                    levels[row]["local_naturalness"] = level
            explained: list[Explanation | None] = [None] * len(batch)
            if wanted & {"overall_quality", "prompt_completion"}:
                explained = list(assessor.explain([s.explained for s in samples], pairs, self.explain))
        return [
            self._score(levels[row], regions[row], batch[row][1], problems[row], explained[row])
            for row in range(len(batch))
        ]

    def _regions(
        self, samples: Sequence[PreparedEdit], pairs: PrefixCache | None
    ) -> tuple[list[Box | None], list[SampleError | None]]:
        """The region of each sample, its own or the model's, and why there is none."""
        regions = [sample.region for sample in samples]
        problems: list[SampleError | None] = [None] * len(samples)
        missing = [row for row, region in enumerate(regions) if region is None]
        if missing and pairs is not None:
            answers = self.assessors[0].ground([samples[row].grounding for row in missing], pairs.repeated(missing))
            for row, box, problem in zip(missing, *answers, strict=True):
                regions[row], problems[row] = box, problem
        return regions, problems

    def _score(
        self,
        levels: dict[str, LevelReadout],
        region: Box | None,
        origin: str,
        problem: SampleError | None,
        explained: Explanation | None,
    ) -> Score:
        """Score of one sample; a dimension that could not be read has no number."""

        details: dict[str, Any] = {"region_from": origin} | ({"zero_shot": True} if self.zero_shot else {})
        if region is not None:
            details["region"] = [region.x, region.y, region.w, region.h]
        if explained is not None:
            levels = {**levels, "overall_quality": explained.overall, "prompt_completion": explained.completion}
            origins = {True: "generated", False: "appended", None: "not generated"}
            details["level_phrase"] = origins[explained.phrase]
        details["level_mass"] = {name: float(level.mass) for name, level in levels.items()}
        readings = DimensionReadings()
        for dimension in self.dimensions:
            level = levels.get(dimension.name)
            if self.overall == "parts" and dimension.name == "overall_quality":
                self._of_parts(levels, readings)
            elif level is None:
                readings.problems.append(f"{dimension.name}: no region: {problem}")
            elif readings.means(dimension.name, float(level.mass), "name a level"):
                readings.values[dimension.name] = float(level.expectation)
                readings.spreads[dimension.name] = float(level.spread)
        return readings.score(details, None if explained is None else explained.text)

    def _of_parts(self, levels: Mapping[str, LevelReadout], readings: DimensionReadings) -> None:
        """Add overall quality from its parts to `readings`, or the part that it lacks to its problems."""
        from ...mllm.readouts import meant
        from .overall import EQUAL, overall_of_parts

        names = ("prompt_completion", "harmony", "local_naturalness")
        if lacking := [name for name in names if name not in levels or not meant(float(levels[name].mass))]:
            readings.problems.append(f"overall_quality: no {lacking[0]} to put it together of")
            return
        completion, *looks = (levels[name] for name in names)
        share = EQUAL if self.checkpoint is None else self.checkpoint.settings.get("harmony_share", EQUAL)
        harmony, naturalness = ((float(level.expectation), float(level.spread)) for level in looks)
        value, spread = overall_of_parts(completion.probabilities[0].tolist(), harmony, naturalness, share)
        readings.values["overall_quality"], readings.spreads["overall_quality"] = value, spread

    # ------------------------------------------------------------------ training

    @classmethod
    def presets(cls) -> dict[str, tuple[EPAIQAMethod, Recipe]]:
        """ "paper" and "default" tune all weights, "lora" an adapter; "toy" is for tiny backbones."""
        from .method import PRESETS

        return PRESETS

    def train_stages(self, job: FitJob) -> None:
        """Train in three stages on rated edits (section 4); a metric that has weights continues from them.

        1. `grounding`, on the rows with a region (the column `region`, or a mask with `region=mask`): source and edited
           image to the box; the language model stays as it is. The weights with the best mean IoU are kept.
        2. `quantitative`, on the rows that rate harmony or local naturalness, mixed: image or region to the level word.
        3. `explained`, on the rows with overall quality, prompt completion and a chain of thought (the column
           `explanation`, as `editmetrics annotate epaiqa` writes it): the whole answer.

        The label scale is that of harmony, local naturalness and overall quality, whose scores are from 1 to 5 in any
        case; prompt completion is rated 1, 2 or 3. Without validation data, the same fifth of the groups is set aside
        for all stages.
        """
        from .fit import train_stages

        train_stages(job, self)

    @classmethod
    def annotator(cls, judges: Mapping[str, Any], samples: Sequence[Sample], **options: Any) -> Annotator:
        """Chat models that write and check the chains of thought of stage 3; see `.annotate.Annotator`."""
        from .annotate import Annotator

        return Annotator(judges, samples, **options)

    @classmethod
    def explanation_judge(cls, judge: Any) -> ExplanationJudge:
        """A chat model that compares explanations with reference answers; see `.explanations`."""
        from .explanations import ExplanationJudge

        return ExplanationJudge(judge)


def _rows(readout: LevelReadout) -> list[LevelReadout]:
    """The readout of each item, on the CPU."""
    readout = type(readout)(*read_results(*readout))
    return [type(readout)(*(part[row : row + 1] for part in readout)) for row in range(len(readout.expectation))]
