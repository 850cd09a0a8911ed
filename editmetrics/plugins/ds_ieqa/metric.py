"""The metric `ds_ieqa`: options, scores, and the door to its training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ...bases.assessor import AssessorMetric, DimensionReadings
from ...bases.served import ServedMetric
from ...mllm.prompts import length_class
from ...sample import Dimension, Sample, Score
from .digit_scale import DigitScale
from .prompts import START_DEFINITIONS

if TYPE_CHECKING:
    from ...judge import Answer
    from ...mllm.backbone import Backbone
    from ...mllm.checkpoint import TrainedCheckpoint
    from ...mllm.fitting import FitJob
    from ...mllm.recipe import Recipe
    from ...served.export import LocalModel
    from .assessor import DigitAssessor
    from .method import DSIEQAMethod


class DSIEQA(ServedMetric, AssessorMetric):
    """DS-IEQA's three scores of an edit, on the scale of the ratings it learned from (0 to 100 without training).

    A vision-language model sees source, edited image and instruction, reads the definition of a dimension, and answers
    "Visual quality score: X.XX". The score is the number X.XX that greedy decoding writes, mapped to the ratings'
    scale; its uncertainty is the standard deviation of the digits' distribution. The images are computed once for all
    dimensions.

    The paper's authors published no weights. Without `weights` the raw backbone is asked with the prompts that their
    search starts from: a zero-shot score, which every score says of itself (`details["zero_shot"]`) and which has no
    agreement with people that anybody has measured. `fit` trains it on your ratings; `weights=toy` is a tiny model that
    was trained on photographs with synthetic edits, for trying out and tests, not for results.

    Where the model, trained or not, was not about to write a digit (probability under a half), that dimension has no
    number and the score is `unparseable`. `details["digit_mass"]` is the probability, the lowest of three positions.

    On a server (`backend=vllm`) the digits are read from the log-probabilities that it returns, and each adapter is a
    model of its own, merged by `editmetrics export`.

    Options:
        weights: A folder that `fit` wrote, or "toy"; several, separated by ";" or in a list, are averaged, as the
            paper's reported result averages Qwen3-VL and InternVL3.
        read: "generated" is the number that greedy decoding writes; "expected" is sum over the three positions of
            10^-t E[d_t], which is finer and differs less between nearly equal images. "auto" takes, in each dimension,
            the one that agreed better with the validation ratings when the weights were trained, else "generated".

    Source: Zhang et al., 2026, arXiv:2604.12175, sections 3.1 to 3.4.

    >>> from editmetrics.testing import toys
    >>> metric = DSIEQA(weights="toy").to("cpu")
    >>> list(metric(toys.picture(0, 64, 64), toys.picture(1, 64, 64), prompt="make the square red"))
    ['visual_quality', 'editing_fidelity', 'content_preservation']
    """

    name, version = "ds_ieqa", 2
    title = "quality, fidelity, preservation"
    needs = frozenset({"source", "edited", "prompt"})
    host_reads = 12  # for each dimension the choice of a mask, two digits, and the result
    host_copies = 12
    dimensions: ClassVar[tuple[Dimension, ...]] = (
        Dimension("visual_quality", low=0, high=100, primary=True, description="how good the edited image looks"),
        Dimension("editing_fidelity", low=0, high=100, description="how well the edit follows the instruction"),
        Dimension("content_preservation", low=0, high=100, description="how well the rest was left as it was"),
    )
    paper = (
        "Zhang et al., Redefining Quality Criteria and Distance-Aware Score Modeling for Image Editing Assessment, "
        "2026, arXiv:2604.12175"
    )
    licence = "this code: Apache-2.0; a backbone: its own (Qwen3-VL: Apache-2.0)"

    BACKBONE = "Qwen/Qwen3-VL-8B-Instruct"
    """The backbone without weights; the paper also uses OpenGVLab/InternVL3-8B-hf."""

    ablations: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "full method": {},
        "without FDMPO": {"optimiser": None},
        "without TDRL": {"loss": "cross_entropy"},
    }
    """Table 2 on one backbone: settings of `fit` for each row."""

    IMAGE_TOKENS = 1280
    """4 tiles and a thumbnail of InternVL, 1.3 megapixels of Qwen3-VL."""

    def __init__(
        self,
        *,
        weights: str | Sequence[str] | None = None,
        read: Literal["generated", "expected", "auto"] = "generated",
        **shared: Any,
    ) -> None:
        super().__init__(weights=weights, **shared)
        self.read = read

    @property
    def scale(self) -> DigitScale:
        """Mapping from ratings on the label scale to digits."""
        return DigitScale(*self.label_scale)

    def identity(self) -> dict[str, Any]:
        return {
            **super().identity(),
            "definitions": [dict(assessor.definitions) for assessor in self._assessors] or [START_DEFINITIONS],
            "label_scale": list(self.label_scale),
            **(self.server_identity() if self.served else {}),
        }

    def assessor(
        self, backbone: Backbone, checkpoint: TrainedCheckpoint | None, adapters: Mapping[str, str]
    ) -> DigitAssessor:
        from .assessor import DigitAssessor
        from .method import TOGETHER

        scored = self.definitions_of(checkpoint)
        if TOGETHER in adapters:
            adapters = dict.fromkeys(scored, adapters[TOGETHER])
        return DigitAssessor(backbone, scored, self.scale, adapters, reads=self.reads_of(checkpoint))

    def definitions_of(self, checkpoint: TrainedCheckpoint | None) -> dict[str, str]:
        """Return the definition of each dimension that is scored."""
        definitions = checkpoint.prompts if checkpoint else START_DEFINITIONS
        return {dimension.name: definitions[dimension.name] for dimension in self.dimensions}

    def reads_of(self, checkpoint: TrainedCheckpoint | None) -> dict[str, str]:
        """Return the number of each dimension that is its score, "generated" or "expected"."""
        chosen = dict(checkpoint.settings.get("read", {})) if checkpoint and self.read == "auto" else {}
        fixed = "generated" if self.read == "auto" else self.read
        return {dimension.name: chosen.get(dimension.name, fixed) for dimension in self.dimensions}

    def load(self) -> None:
        """Load the backbone and the adapters of `weights`; or check the servers that have them, merged."""
        if not self.served:
            super().load()
        elif not self._assessors:
            from .served import served_assessor

            self._assessors = [served_assessor(self)]

    def models_to_serve(self) -> list[LocalModel]:
        """Load the backbone with each adapter of `weights`, under the names of their dimensions where they differ."""
        from .served import models_to_serve

        return models_to_serve(self)

    def prepare(self, sample: Sample) -> dict[str, Any]:
        """A prompt for each dimension, all with the same two pictures; or what a server is asked for it."""
        from ...images import eight_bits, read_image

        source, edited = (eight_bits(read_image(image)) for image in (sample.source, sample.edited))
        prompts: dict[str, Any] = self.assessors[0].prepare(source, edited, sample.prompt or "")
        return prompts

    def score_batch(self, batch: list[dict[str, Any]]) -> list[Score]:
        if self.served:
            return self.score_asked(batch)
        readouts = self.assessors[0].read(batch)
        return [self._score(readouts, row) for row in range(len(batch))]

    def score_answers(self, answers: Mapping[str, Answer]) -> Score:
        return self._score(self.assessors[0].numbers(answers), 0)

    def batch_key(self, prepared: dict[str, Any]) -> int:
        return 0 if self.served else length_class(prepared.values())

    @classmethod
    def presets(cls) -> dict[str, tuple[DSIEQAMethod, Recipe]]:
        """ "default" is the paper's recipe without the search for definitions; "paper" searches them with gpt-4o, which
        needs OPENAI_API_KEY; "toy" is for tiny backbones."""
        from .method import PRESETS

        return PRESETS

    def train_stages(self, job: FitJob) -> None:
        """Search definitions where a chat model is named for it (`optimiser`), then train each dimension under TDRL.

        Each dimension of `targets` gets an adapter of its own, whose best weights on the validation data (SRCC) are
        kept (sections 3.2 to 3.4).
        """
        from .fit import train_stages

        train_stages(job, self.load_backbone(), self.read)

    def _score(self, readouts: Mapping[str, Any], row: int) -> Score:
        """The score of one sample; a dimension that is not rated, or beside the scale, has no number."""
        readings, masses, scale = DimensionReadings(), {}, self.scale
        reads = self.assessors[0].reads
        for dimension in self.dimensions:
            name = dimension.name
            number = readouts[name].rows(slice(row, row + 1))
            masses[name] = float(number.mass.min())
            rating = scale.rating(float(number.value if reads[name] == "generated" else number.expectation))
            if not readings.means(name, masses[name], "write a digit"):
                continue
            if not dimension.contains(rating):
                readings.problems.append(
                    f"{name}: {rating:g} is outside the scale {dimension.low:g} to {dimension.high:g}"
                )
                continue
            readings.values[name] = rating
            readings.spreads[name] = scale.size(float(number.spread))
        return readings.score({"digit_mass": masses} | ({"zero_shot": True} if self.zero_shot else {}))
