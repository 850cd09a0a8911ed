"""The metric `lmm4lmm`: options, scores, and the door to its training."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from ...bases.assessor import AssessorMetric
from ...late_checks import read_results
from ...mllm.prompts import length_class
from ...sample import Dimension, EditMetricsError, Sample, Score, first_is_primary
from .prompts import ANSWERS, DIMENSIONS, QUESTIONS, TASKS, sentence

if TYPE_CHECKING:
    from ...mllm.backbone import Backbone
    from ...mllm.checkpoint import TrainedCheckpoint
    from ...mllm.fitting import FitJob
    from ...mllm.recipe import Recipe
    from .assessor import PreparedImage, TaskAssessor
    from .method import LMM4LMMMethod
    from .questions import Questions

PUBLISHED = TASKS
"""What the authors published weights for, each a checkpoint of its own."""

ACCURACY = Dimension(
    "accuracy", low=0, high=1, description="the share of the sample's questions that are answered with yes"
)


class LMM4LMM(AssessorMetric):
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
            "questions" (the authors'), or "toy"; several are separated by ";" or in a list: those for other dimensions
            make up one metric, and of several for one dimension the scores are averaged.
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
    title = "quality, match with prompt, answers"
    needs = frozenset({"edited"})
    host_reads = 7  # for each dimension two choices of a mask and its results; the answers
    host_copies = 12
    uses = frozenset({"prompt", "questions"})
    convertible_parts = (*TASKS, "backbone")
    dimensions: ClassVar[tuple[Dimension, ...]] = (
        Dimension("perception", low=0, high=100, primary=True, description="how good the image looks"),
        Dimension("correspondence", low=0, high=100, description="how well the image shows its prompt"),
    )
    ablations: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "without LoRA": {"adapted": None},
        "vision LoRA, no levels": {"adapted": "vision", "levels": False},
        "vision LoRA": {"adapted": "vision"},
        "language LoRA": {"adapted": "language"},
        "both LoRAs": {},
    }
    """Table 6 on one backbone, rows 1 to 5: settings of `fit` for each; rows 3 and 4 are alike in print."""

    paper = (
        "Wang et al., LMM4LMM: Benchmarking and Evaluating Large-multimodal Image Generation with LMMs, ICCV 2025, "
        "arXiv:2504.08358"
    )
    licence = "this code: Apache-2.0; the authors' weights: Apache-2.0 on the hub; InternVL2.5: MIT"

    BACKBONE = "OpenGVLab/InternVL2_5-8B-MPO-hf"
    """The backbone that `fit` begins with: the only InternVL2.5-8B whose publishers offer it in the native layout."""

    several_weights = True
    group_by = "prompt"
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
        super().__init__(weights=weights, **shared)
        self.questions = questions
        self.accuracy = accuracy
        self.explain = explain
        self._converted_from: dict[str, Any] = {}

    @property
    def weight_names(self) -> list[str]:
        return super().weight_names or list(PUBLISHED)

    @cached_property
    def trained(self) -> list[TrainedCheckpoint]:
        """The checkpoints of `weights` but for the authors', which are downloaded and converted by `load`."""
        return list(self._local.values())

    @property
    def zero_shot(self) -> bool:
        return False

    def checkpoints_to_load(self) -> list[TrainedCheckpoint]:
        return [self._local.get(name) or self._published(name) for name in self.weight_names]

    def weights_of_members(self) -> list[str]:
        """Weights for different tasks make up one member; further ones for the same tasks the next, to be averaged."""
        members: list[dict[str, str]] = []  # from a task to the weights that do it
        for name in self.weight_names:
            tasks = dict.fromkeys(self._tasks_of(name), name)
            member = next((each for each in members if not each.keys() & tasks.keys()), None)
            if member is None:
                members.append(tasks)
            else:
                member |= tasks
        if uneven := [task for task in TASKS if len({task in member for member in members}) > 1]:
            raise EditMetricsError(
                f"lmm4lmm: several of the weights {self.weights} do the same, and not all of them {uneven[0]}; give as "
                "many weights for each task to average, or one"
            )
        return [";".join(dict.fromkeys(member.values())) for member in members]

    def _tasks_of(self, name: str) -> list[str]:
        """The dimensions of one of the weights, and whether it answers questions."""
        checkpoint = self._local.get(name)
        if checkpoint is None:
            return [name]
        answers = QUESTIONS in checkpoint.adapters or QUESTIONS in checkpoint.settings.get("projectors", {})
        return [*checkpoint.dimensions, *([QUESTIONS] if answers else [])]

    def required(self) -> frozenset[str]:
        names = {dimension.name for dimension in self.dimensions}
        more = {"prompt"} if "correspondence" in names else set()
        return frozenset(self.needs | more | ({"questions"} if "accuracy" in names and not self.questions else set()))

    def identity(self) -> dict[str, Any]:
        from ... import weights

        published = [f"{self.name}.{name}" for name in self.weight_names if name in PUBLISHED]
        digests = [checkpoint.digest for checkpoint in self.trained]
        return {
            **super().identity(),
            "weights": [*digests, {**weights.checksums(published), **self._converted_from}],
            "questions": self._asked.identity(),
        }

    def prepare(self, sample: Sample) -> tuple[tuple[str, ...], list[PreparedImage]]:
        """The questions, and for each backbone the prompts of its dimensions and of the questions."""
        from ...images import eight_bits, read_image

        image = eight_bits(read_image(sample.edited))
        questions = self._asked.of(sample)
        return questions, [assessor.prepare(image, sample.prompt or "", questions) for assessor in self.assessors]

    def score_batch(self, batch: list[tuple[tuple[str, ...], list[PreparedImage]]]) -> list[Score]:
        import torch

        readings: list[dict[str, Any]] = [{"ratings": {}, "levels": {}, "answers": []} for _ in batch]
        with torch.inference_mode():
            for number, assessor in enumerate(self.assessors):
                self._read(assessor, [(questions, prepared[number]) for questions, prepared in batch], readings)
        return [self._score(each) for each in readings]

    def batch_key(self, prepared: tuple[tuple[str, ...], list[PreparedImage]]) -> int:
        return length_class(prompt for each in prepared[1] for prompt in (*each["scored"].values(), *each["questions"]))

    @classmethod
    def presets(cls) -> dict[str, tuple[LMM4LMMMethod, Recipe]]:
        """ "paper" is section 5.1, "repository" the authors' scripts; "toy" is for tiny backbones."""
        from .method import PRESETS

        return PRESETS

    def train_stages(self, job: FitJob) -> None:
        """Train both stages on rated images (section 4.2).

        First the projector learns levels (equation 2) and, where there are answers (the setting `answers`), questions;
        then each dimension of `targets` gets a LoRA adapter on vision tower and language model with a regression head
        (L1 loss), and the questions get an adapter. Of each, the best weights on the validation data are kept: by the
        SRCC of levels, by the SRCC of ratings, by accuracy. Images of one prompt are on one side of the split.
        """
        from .fit import train_stages

        train_stages(job, self.load_backbone)

    def options_after_fit(self, job: FitJob) -> dict[str, Any]:
        answers = job.method.answers is not None
        return {**super().options_after_fit(job), "accuracy": self.accuracy and answers}

    @classmethod
    def extra_measures(
        cls, samples: Sequence[Sample], scores: Sequence[Score], settings: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """The accuracy of the answers to questions whose answers are known, as a row of a cross-validation.

        `settings` are those of `fit`: `answers` names the column with the known ones; without it, there is no row.
        """
        from .questions import answered, answered_right

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
    def convert(
        cls, folder: str | os.PathLike[str], output: str | os.PathLike[str], *, part: str, processor: str | None = None
    ) -> None:
        """Convert published weights in InternVL's chat layout; see `editmetrics.plugins.lmm4lmm.convert.convert`."""
        from .convert import convert

        convert(folder, output, metric=cls, part=part, processor=processor)

    # ------------------------------------------------------------------ loading

    def assessor(
        self, backbone: Backbone, checkpoint: TrainedCheckpoint | None, adapters: Mapping[str, str]
    ) -> TaskAssessor:
        from .assessor import TaskAssessor

        if checkpoint is None:
            raise EditMetricsError("lmm4lmm does not score without weights")
        parts = {  # where they are used, and as they are used: switching tasks then copies nothing
            name: {
                key: tensor.to(backbone.device, backbone.dtype) for key, tensor in checkpoint.load_part(name).items()
            }
            for name in checkpoint.parts
        }
        return TaskAssessor(
            backbone,
            int(checkpoint.settings["side"]),
            dimensions=[name for name in DIMENSIONS if name in checkpoint.dimensions],
            heads={name: head.to(backbone.device) for name, head in checkpoint.load_heads().items()},
            adapters=adapters,
            projectors={task: parts[name] for task, name in checkpoint.settings["projectors"].items()},
        )

    @cached_property
    def _local(self) -> dict[str, TrainedCheckpoint]:
        from ...mllm.checkpoint import named_checkpoint

        return {name: named_checkpoint(type(self), name) for name in self.weight_names if name not in PUBLISHED}

    def _published(self, name: str) -> TrainedCheckpoint:
        from .published import published

        entry = f"{self.name}.{name}"
        checkpoint = published(entry, name, type(self))
        self._converted_from[entry] = checkpoint.settings["converted_from"]
        return checkpoint

    def active_dimensions(self) -> tuple[Dimension, ...]:
        """The dimensions that the weights have, each on its scale; the first one is the primary one."""
        scales = {
            task: self._local[name].label_scale if name in self._local else (0.0, 100.0)
            for name in self.weight_names
            for task in self._tasks_of(name)
        }
        if self.accuracy and QUESTIONS not in scales:
            raise EditMetricsError("lmm4lmm: accuracy=true needs weights that answer questions, and these do not")
        ordered = [replace(d, low=scales[d.name][0], high=scales[d.name][1])
                   for d in type(self).dimensions if d.name in scales]  # fmt: skip
        ordered += [ACCURACY] if self.accuracy or not ordered else []
        return first_is_primary(ordered)

    @cached_property
    def _asked(self) -> Questions:
        from .questions import Questions, read_questions

        return read_questions(self.questions) if self.questions else Questions()

    # ------------------------------------------------------------------ scoring

    def _read(
        self,
        assessor: TaskAssessor,
        batch: Sequence[tuple[tuple[str, ...], PreparedImage]],
        readings: Sequence[dict[str, Any]],
    ) -> None:
        """Put what one backbone says of each sample into `found`."""
        from ...mllm.readouts import meant
        from ...mllm.states import read_head

        for dimension in assessor.dimensions:
            prompts = [prepared["scored"][dimension] for _, prepared in batch]
            with assessor.at_work(dimension):
                results = [read_head(assessor.heads[dimension], assessor.hidden(prompts))]
            if self.explain:
                with assessor.at_work(dimension, adapter=False):
                    levels = assessor.levels(dimension, prompts)
                results += [levels.probabilities.argmax(-1), levels.mass]
            ratings, *explained = (column.tolist() for column in read_results(*results))
            for each, rating in zip(readings, ratings, strict=True):
                each["ratings"][dimension] = rating
            for each, level, mass in zip(readings, *explained, strict=True) if explained else []:
                if meant(mass):
                    each["levels"][dimension] = int(level) + 1
        if assessor.answers:
            with assessor.at_work(QUESTIONS):
                answered = assessor.answer([prepared["questions"] for _, prepared in batch])
            for each, (questions, _), read in zip(readings, batch, answered, strict=True):
                each["answers"] = [
                    {
                        "question": question,
                        "answer": ANSWERS[yes <= 0.5] if meant(mass) else None,
                        "yes": yes,
                        "mass": mass,
                    }
                    for question, yes, mass in zip(questions, read.yes.tolist(), read.mass.tolist(), strict=True)
                ]

    def _score(self, readings: Mapping[str, Any]) -> Score:
        values, beyond, problems = {}, {}, []
        answers, details = readings["answers"], {}
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
            rating = readings["ratings"][name]
            values[name] = min(max(rating, dimension.low), dimension.high)
            if values[name] != rating:
                beyond[name] = rating
        if answers:
            details["answers"] = answers
        if beyond:
            details["beyond_scale"] = beyond
        sentences = " ".join(sentence(name, level) for name, level in readings["levels"].items()) or None
        if problems:
            return Score(
                values,
                "unparseable" if answers else "skipped",
                "; ".join(problems),
                explanation=sentences,
                details=details,
            )
        return Score(values, explanation=sentences, details=details)
