"""VQAScore: the probability, by a vision-language model, that an image shows a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from ..bases.backbone_metric import BackboneMetric
from ..late_checks import read_results
from ..metric import pick_device
from ..mllm.backbone import IMAGE
from ..mllm.prompts import length_class
from ..sample import Dimension, EditMetricsError, Sample, Score

if TYPE_CHECKING:
    from ..mllm.backbone import Backbone, Prompt


class VQAScore(BackboneMetric):
    """VQAScore of the edited image and the prompt, the probability of "Yes" to a question, 0 to 1; higher fits better.

    A vision-language model is shown the image and asked whether it shows the prompt; the score is the probability that
    its answer begins with "Yes". The prompt describes the wanted image; an instruction ("make the sky red") describes
    no image, but `template` may ask another question. Scores of different backbones are not comparable.

    The share of the model's probability that "Yes" and "No" had together is in `details["mass"]`: near 0, the model was
    about to say something else altogether, and with `among=yes_no` such a sample (below 0.5) has no score.

    Options:
        template: The question; {prompt} stands for the prompt. The default is VQAScore's for models that chat.
        among: What the probability is taken over: vocabulary, all tokens (the paper's), or yes_no, the two alone.

    Source: Lin et al., Evaluating text-to-visual generation with image-to-text generation, ECCV 2024, arXiv:2404.01291.
    The paper's own model, CLIP-FlanT5, is none of the backbones here; the authors' package has Qwen3-VL and InternVL
    with the same question.

    >>> VQAScore().checkpoints(), VQAScore.BACKBONE
    ((), 'Qwen/Qwen3-VL-8B-Instruct')
    """

    name, version = "vqa_score", 1
    title = "image shows its prompt (VQAScore)"
    needs = frozenset({"edited", "prompt"})
    host_reads = 2  # transformers looks at positions to choose a mask; the results
    host_copies = 2
    dimensions = (Dimension("vqa_score", low=0, high=1, primary=True, description="agreement of image and prompt"),)
    paper = (
        "Lin et al., Evaluating text-to-visual generation with image-to-text generation, ECCV 2024, arXiv:2404.01291"
    )
    licence = "Apache-2.0; the terms of the backbone are its publisher's"

    BACKBONE = "Qwen/Qwen3-VL-8B-Instruct"
    IMAGE_TOKENS = 1280

    def __init__(
        self,
        *,
        template: str = 'Does this figure show "{prompt}"? Please answer Yes or No.',
        among: Literal["vocabulary", "yes_no"] = "vocabulary",
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        if "{prompt}" not in template:
            raise EditMetricsError(f"vqa_score: template is {template!r}; it must contain {{prompt}}")
        self.template, self.among = template, among
        self._backbone: Backbone | None = None

    def identity(self) -> dict[str, Any]:
        unknown = {"model": self.backbone or self.BACKBONE, "revision": self.revision, "sha256": "unknown until loaded"}
        return {**super().identity(), "backbone": self._backbone.identity() if self._backbone else unknown}

    def load(self) -> None:
        self.device = pick_device(self.device)
        if self._backbone is None:
            self._backbone = self.load_backbone()

    def unload(self) -> None:
        self._backbone = None

    def prepare(self, sample: Sample) -> Prompt:
        """Return the question about the edited image, as the backbone takes it."""
        from ..images import eight_bits, read_image

        backbone = self._loaded()
        picture = backbone.see(eight_bits(read_image(sample.edited)))
        question = self.template.replace("{prompt}", sample.prompt or "")
        return backbone.prompt([("user", [IMAGE, question])], [picture])

    def score_batch(self, batch: list[Prompt]) -> list[Score]:
        from ..mllm.levels import read_yes_no

        backbone = self._loaded()
        read = read_yes_no(backbone.next_logits(batch), [backbone.token("Yes")], [backbone.token("No")])
        columns = (column.tolist() for column in read_results(read.yes, read.mass))
        return [self._score(yes, mass) for yes, mass in zip(*columns, strict=True)]

    def batch_key(self, prepared: Prompt) -> int:
        return length_class([prepared])

    def _score(self, yes: float, mass: float) -> Score:
        from ..mllm.readouts import meant

        details = {"mass": mass}
        if self.among == "vocabulary":
            return Score({"vqa_score": yes * mass}, details=details)
        if not meant(mass):
            why = f"the model was about to say neither Yes nor No, which had {mass:.2f} of its probability"
            return Score.unscored("unparseable", why, details=details)
        return Score({"vqa_score": yes}, details=details)

    def _loaded(self) -> Backbone:
        if self._backbone is None:
            raise EditMetricsError("vqa_score prepares samples with its backbone: load() it first")
        return self._backbone
