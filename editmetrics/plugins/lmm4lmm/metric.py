"""The metric `lmm4lmm`: options, scores, and the door to its training."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar

from ...learned_metric import LearnedMetric
from ...metric import pick_device
from ...mllm.metric import BackboneMetric
from ...mllm.prompts import length_class
from ...sample import Dimension, EditMetricsError, Sample, Score
from .prompts import ANSWERS, DIMENSIONS, QUESTIONS, TASKS, sentence

if TYPE_CHECKING:
    from ...mllm.checkpoint import Checkpoint
    from ...mllm.recipe import Progress
    from .assessor import Assessor, Prepared
    from .questions import Questions

T = TypeVar("T", bound="LMM4LMM")

PUBLISHED = TASKS
"""What the authors published weights for, each a checkpoint of its own."""

ACCURACY = Dimension(
    "accuracy", low=0, high=1, description="the share of the sample's questions that are answered with yes"
)


class LMM4LMM(BackboneMetric, LearnedMetric):
    """LMM4LMM's scores of a generated image, 0 to 100 on the MOS scale, and its answers to yes/no questions.

    `perception` is how good the image looks, `correspondence` how well it shows its prompt; `edited` is the generated
    image, and there is no source. Each is a regression head on the hidden state of InternVL2.5-8B at the token that
    precedes the level word of "The quality of the image is excellent."; what a head gives beyond the scale is its end
    (`details["beyond_scale"]` has the number). `explanation` has the level sentences of the instruction-tuned model.

    A sample's `questions` are answered in `details["answers"]`: for each the probability of yes against no, and the
    answer, which is None where the model was about to say neither. With `accuracy=true` the share answered with yes is
    a dimension of its own, which every sample then needs questions for; it is the "accuracy" by which the paper
    compares text-to-image models.

    Without `weights` the authors' are used: some 16 GB for each dimension and for the answers, downloaded and converted
    once. `weights=toy` is a tiny model trained on photographs with a painted square, for trying out and tests.
    `editmetrics weights convert` takes the parts perception, correspondence, questions, and backbone.

    Options:
        weights: A folder that `fit` or `editmetrics weights convert` wrote, or "perception", "correspondence",
            "questions" (the authors'), or "toy"; several for other dimensions are separated by ";" or in a list.
        questions: A file for the samples that have no questions of their own: a text file with a question a line, asked
            of all of them, or a table (csv, jsonl or parquet) with columns id or prompt, and questions.
        accuracy: Also give the share of a sample's questions that are answered with yes, as a dimension.
        explain: Read the level sentences, which costs about as much again as the scores.

    Source: Wang et al., ICCV 2025, arXiv:2504.08358, section 4.

    >>> metric = LMM4LMM(weights="perception")
    >>> metric.checkpoints(), [dimension.name for dimension in metric.dimensions]
    (('lmm4lmm.perception',), ['perception'])
    """

    name, version = "lmm4lmm", 2
    needs = frozenset({"edited"})
    uses = frozenset({"prompt", "questions"})
    convertible_parts = (*TASKS, "backbone")
    dimensions: ClassVar[tuple[Dimension, ...]] = (
        Dimension("perception", low=0, high=100, primary=True, description="how good the image looks"),
        Dimension("correspondence", low=0, high=100, description="how well the image shows its prompt"),
    )
    paper = (
        "Wang et al., LMM4LMM: Benchmarking and Evaluating Large-multimodal Image Generation with LMMs, ICCV 2025, "
        "arXiv:2504.08358"
    )
    licence = "this code: Apache-2.0; the authors' weights: not stated; InternVL2.5: MIT"

    BACKBONE = "OpenGVLab/InternVL2_5-8B-MPO-hf"
    """The backbone that `fit` begins with: the only InternVL2.5-8B whose publishers offer it in the native layout."""

    IMAGE_TOKENS = 1792
    """6 tiles of 256 and a thumbnail; a square of 1024 pixels takes 4 and the thumbnail."""

    def __init__(
        self,
        *,
        weights: str | Sequence[str] | None = None,
        questions: str | None = None,
        accuracy: bool = False,
        explain: bool = True,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self.weights = weights if weights is None or isinstance(weights, str) else ";".join(weights)
        self.questions = questions
        self.accuracy = accuracy
        self.explain = explain
        self._names = self.weights.split(";") if self.weights else list(PUBLISHED)
        self._local = {name: _checkpoint(name) for name in self._names if name not in PUBLISHED}
        self._assessors: dict[str, Assessor] = {}
        self._converted_from: dict[str, Any] = {}
        self._from_file: Questions | None = None
        self.dimensions = self._dimensions()  # type: ignore[misc]

    def required(self) -> frozenset[str]:
        names = {dimension.name for dimension in self.dimensions}
        more = {"prompt"} if "correspondence" in names else set()
        return frozenset(self.needs | more | ({"questions"} if "accuracy" in names and not self.questions else set()))

    def checkpoints(self) -> tuple[str, ...]:
        return tuple(_registered(name) for name in self._names if name in PUBLISHED or name == "toy")

    def identity(self) -> dict[str, Any]:
        from ... import weights

        published = [_registered(name) for name in self._names if name in PUBLISHED]
        unknown = [{"model": self.backbone, "revision": self.revision, "sha256": "unknown until loaded"}]
        return {
            **super().identity(),
            "weights": [checkpoint.digest for checkpoint in self._local.values()]
            + [{**weights.checksums(published), **self._converted_from}],
            "backbone": [assessor.backbone.identity() for assessor in self._assessors.values()] or unknown,
            "questions": self._asked().identity(),
        }

    def load(self) -> None:
        self.device = pick_device(self.device)
        for name in self._names:
            if name not in self._assessors:
                self._assessors[name] = self._assessor(self._local.get(name) or self._published(name))

    def prepare(self, sample: Sample) -> tuple[tuple[str, ...], list[Prepared]]:
        """The questions, and for each backbone the prompts of its dimensions and of the questions."""
        from ...images import eight_bits, read_image

        image = eight_bits(read_image(sample.edited))
        questions = self._asked().of(sample)
        return questions, [
            assessor.prepare(image, sample.prompt or "", questions) for assessor in self._assessors.values()
        ]

    def score_batch(self, batch: list[tuple[tuple[str, ...], list[Prepared]]]) -> list[Score]:
        import torch

        found: list[dict[str, Any]] = [{"ratings": {}, "levels": {}, "answers": []} for _ in batch]
        with torch.inference_mode():
            for number, assessor in enumerate(self._assessors.values()):
                self._read(assessor, [(questions, prepared[number]) for questions, prepared in batch], found)
        return [self._score(each) for each in found]

    def batch_key(self, prepared: tuple[tuple[str, ...], list[Prepared]]) -> int:
        return length_class(prompt for each in prepared[1] for prompt in (*each["scored"].values(), *each["asked"]))

    def fit(
        self: T,
        train: Any,
        val: Any = None,
        *,
        targets: Mapping[str, str],
        label_scale: tuple[float, float] = (0.0, 100.0),
        group: str | None = "prompt",
        answers: str | None = None,
        output_dir: str | os.PathLike[str],
        resume: bool = True,
        preset: Literal["paper", "repository", "toy"] = "paper",
        seed: int = 0,
        progress: Progress | None = None,
        **settings: Any,
    ) -> T:
        """Train both stages on rated images (section 4.2), write a checkpoint, and return the trained metric.

        First the projector learns levels (equation 2) and, where there are answers, questions; then each dimension of
        `targets` gets a LoRA adapter on vision tower and language model with a regression head (L1 loss), and the
        questions get an adapter. Of each, the best weights on the validation data are kept: by the SRCC of levels, by
        the SRCC of ratings, by accuracy.

        - `train`, `val`: manifests or samples with ratings, as `editmetrics.mllm.targets.read_training_set` takes them;
          without `val` a fifth of the groups is set aside.
        - `targets`: the column of each dimension's rating, `{"perception": "mos1", ...}`; at least one dimension.
        - `answers`: the column with an answer of yes or no for each of a sample's `questions`.
        - `label_scale`: the ends of the ratings' scale. `group`: what training and validation may not share; images of
          one prompt stay together.
        - `output_dir`: becomes the checkpoint. `resume`: go on with what is there.
        - `preset`: "paper" is section 5.1, "repository" the authors' scripts; "toy" is for tiny backbones.
        - `progress`: as for `editmetrics.mllm.loop.train`.
        - `settings`: fields of `editmetrics.plugins.lmm4lmm.method.Method` and of `editmetrics.mllm.recipe.Recipe`.

        Raises `TargetError`, `RecipeError`, `TrainingError`, `BackboneError` or `CheckpointError`, each of which says
        what is wrong.
        """
        from .fit import fit

        fit(
            self, train, val, targets=targets, label_scale=label_scale, group=group, answers=answers,
            output_dir=output_dir, resume=resume, preset=preset, settings={**settings, "seed": seed}, progress=progress,
        )  # fmt: skip
        kept = {**self.options, "weights": str(output_dir), "backbone": None, "revision": None}
        kept["accuracy"] = self.accuracy and answers is not None
        return type(self)(**kept).to(self.device)

    @classmethod
    def extra_measures(
        cls, samples: Sequence[Sample], scores: Sequence[Score], settings: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """The accuracy of the answers to questions whose answers are known, as a row of a cross-validation.

        `settings` are those of `fit`: `answers` names the column with the known ones; without it, there is no row.
        """
        from .answers import answered, answered_right

        column = settings.get("answers")
        if column is None:
            return []
        right = [each for sample, score in zip(samples, scores, strict=True)
                 for each in answered_right(sample, score, column)]  # fmt: skip
        known = sum(len(answered(sample, column)) for sample in samples)
        accuracy = sum(right) / len(right) if right else None
        row = {"dimension": QUESTIONS, "measure": "accuracy", "value": accuracy, "n": len(right)}
        return [row | {"excluded": known - len(right), "note": None if right else "no question was answered"}]

    @classmethod
    def training_settings(cls) -> tuple[type, ...]:
        """The dataclasses whose fields are the `settings` of `fit`."""
        from ...mllm.recipe import Recipe
        from .method import Method

        return Method, Recipe

    @classmethod
    def convert(
        cls, folder: str | os.PathLike[str], output: str | os.PathLike[str], *, part: str, processor: str | None = None
    ) -> None:
        """Convert published weights in InternVL's chat layout; see `editmetrics.plugins.lmm4lmm.convert.convert`."""
        from .convert import convert

        convert(folder, output, part=part, processor=processor)

    # ------------------------------------------------------------------ loading

    def _assessor(self, checkpoint: Checkpoint) -> Assessor:
        from ...mllm.trained import adapters_of, require_backbone
        from .assessor import Assessor

        said = {**checkpoint.settings, **(checkpoint.backbone or {})}
        model = checkpoint.backbone_folder or said.get("backbone")
        backbone = self.load_backbone(str(model), said.get("revision"), said.get("image_tokens"))
        require_backbone(checkpoint, backbone)
        parts = {name: checkpoint.load_part(name) for name in checkpoint.parts}
        return Assessor(
            backbone,
            int(said["side"]),
            dimensions=[name for name in DIMENSIONS if name in checkpoint.dimensions],
            heads={name: head.to(backbone.device) for name, head in checkpoint.load_heads().items()},
            adapters=adapters_of(checkpoint, backbone),
            projectors={task: parts[name] for task, name in said["projectors"].items()},
        )

    def _published(self, name: str) -> Checkpoint:
        from .published import published

        checkpoint = published(_registered(name), name)
        self._converted_from[_registered(name)] = checkpoint.settings["converted_from"]
        return checkpoint

    def _dimensions(self) -> tuple[Dimension, ...]:
        """The dimensions that the weights have, each on its scale; the first one is the primary one."""
        found: dict[str, Dimension] = {}
        answering = 0
        declared = {dimension.name: dimension for dimension in type(self).dimensions}
        for name in self._names:
            checkpoint = self._local.get(name)
            low, high = checkpoint.label_scale if checkpoint else (0.0, 100.0)
            given = checkpoint.dimensions if checkpoint else [name]
            answering += QUESTIONS in (checkpoint.adapters if checkpoint else [name])
            for dimension in [each for each in given if each in declared]:
                if dimension in found:
                    raise EditMetricsError(f"lmm4lmm: several of the weights {self.weights} give {dimension}; name one")
                found[dimension] = replace(declared[dimension], low=low, high=high)
        if answering > 1:
            raise EditMetricsError(f"lmm4lmm: several of the weights {self.weights} answer questions; name one")
        if self.accuracy and not answering:
            raise EditMetricsError("lmm4lmm: accuracy=true needs weights that answer questions, and these do not")
        ordered = [found[name] for name in declared if name in found]
        ordered += [ACCURACY] if self.accuracy or not ordered else []
        return tuple(replace(dimension, primary=index == 0) for index, dimension in enumerate(ordered))

    def _asked(self) -> Questions:
        from .questions import Questions, read_questions

        if self._from_file is None:
            self._from_file = read_questions(self.questions) if self.questions else Questions()
        return self._from_file

    # ------------------------------------------------------------------ scoring

    def _read(
        self, assessor: Assessor, batch: Sequence[tuple[tuple[str, ...], Prepared]], found: Sequence[dict[str, Any]]
    ) -> None:
        """Put what one backbone says of each sample into `found`."""
        from ...mllm.readouts import meant, read_head

        for dimension in assessor.dimensions:
            prompts = [prepared["scored"][dimension] for _, prepared in batch]
            with assessor.at_work(dimension):
                ratings = read_head(assessor.heads[dimension], assessor.hidden(prompts)).tolist()
            for each, rating in zip(found, ratings, strict=True):
                each["ratings"][dimension] = rating
            if self.explain:
                with assessor.at_work(dimension, adapter=False):
                    levels = assessor.levels(dimension, prompts)
                likeliest = levels.probabilities.argmax(-1).tolist()
                for each, level, mass in zip(found, likeliest, levels.mass.tolist(), strict=True):
                    if meant(mass):
                        each["levels"][dimension] = level + 1
        if assessor.answers:
            with assessor.at_work(QUESTIONS):
                answered = assessor.answer([prepared["asked"] for _, prepared in batch])
            for each, (questions, _), read in zip(found, batch, answered, strict=True):
                each["answers"] = [
                    {
                        "question": question,
                        "answer": ANSWERS[yes <= 0.5] if meant(mass) else None,
                        "yes": yes,
                        "mass": mass,
                    }
                    for question, yes, mass in zip(questions, read.yes.tolist(), read.mass.tolist(), strict=True)
                ]

    def _score(self, found: Mapping[str, Any]) -> Score:
        values, beyond, problems = {}, {}, []
        answers, details = found["answers"], {}
        for dimension in self.dimensions:
            name = dimension.name
            if name == "accuracy":
                if not answers:
                    problems.append("accuracy: the sample has no questions")
                elif vague := [each for each in answers if each["answer"] is None]:
                    problems.append(
                        f"accuracy: the model was about to say neither yes nor no to {vague[0]['question']}"
                    )
                else:
                    values[name] = sum(each["answer"] == "yes" for each in answers) / len(answers)
                continue
            rating = found["ratings"][name]
            values[name] = min(max(rating, dimension.low), dimension.high)
            if values[name] != rating:
                beyond[name] = rating
        if answers:
            details["answers"] = answers
        if beyond:
            details["beyond_scale"] = beyond
        said = " ".join(sentence(name, level) for name, level in found["levels"].items()) or None
        if problems:
            return Score(
                values, "unparseable" if answers else "skipped", "; ".join(problems), explanation=said, details=details
            )
        return Score(values, explanation=said, details=details)


def _registered(name: str) -> str:
    return f"{LMM4LMM.name}.{name}"


def _checkpoint(name: str) -> Checkpoint:
    from ...mllm.trained import named_checkpoint

    return named_checkpoint(LMM4LMM, name)
