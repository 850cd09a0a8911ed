"""`ConventionMetric`, the base of metrics that are made of a file of conventions, whatever their read-out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, ClassVar

from ..files.official_copies import how_to_get, official_text, read_official_file
from ..files.text import DataError
from ..metric import Metric
from ..options import OptionError
from ..sample import FIELDS, Sample, SampleError
from ..wording import expected_one_of
from .reading import ConventionsError, digest_of
from .schema import CheckpointModel, Conventions, QuestionRule
from .shown import shown_images

if TYPE_CHECKING:
    from ..judge import Question


class ConventionMetric(Metric):
    """Base of metrics that are made of a file of conventions; `metric_class_of` makes them.

    Options:
        checkpoint: One of the published checkpoints, by its name in the file of conventions; by default the first.
        repository: Your copy of the authors' repository, for prompts that may not be shipped.
        task: The task whose question is asked about every sample, where the question depends on it; by default that of
            the sample's own column.
    """

    conventions: ClassVar[Conventions]
    runtime_options: ClassVar[frozenset[str]] = frozenset({"repository"})
    """The texts are checked by checksum: where they lie changes no number."""
    unused_options: ClassVar[frozenset[str]] = frozenset()
    """Options without use here: a repository where all texts are shipped, a task where all are asked the same."""

    def __init__(
        self,
        *,
        checkpoint: str | None = None,
        repository: str | None = None,
        task: str | None = None,
        **shared: Any,
    ) -> None:
        names = [model.name for model in self.conventions.models]
        tasks = list(self.conventions.prompts) if self.columns else []
        if task is not None and task not in tasks:
            raise OptionError(f"{self.name} has no question for a task {task!r}; {expected_one_of(task, tasks)}")
        if checkpoint is not None and checkpoint not in names:
            raise OptionError(f"{self.name} has no checkpoint {checkpoint!r}; {expected_one_of(checkpoint, names)}")
        super().__init__(**shared)
        self.checkpoint, self.repository, self.task = checkpoint, repository, task
        self._texts: dict[str, str] = {}

    @property
    def model_rule(self) -> CheckpointModel:
        """The checkpoint that the options name."""
        return self.conventions.model(self.checkpoint or "")

    def identity(self) -> dict[str, Any]:
        """Identity of any metric, with the checkpoint and the checksum of all that the file says of numbers."""
        model = self.model_rule
        return {
            **super().identity(),
            "conventions": digest_of(self.conventions),
            "checkpoint": asdict(model),
            **({"texts": self._texts} if self._texts else {}),
        }

    def load(self) -> None:
        """Load it after `check_texts`."""
        self.check_texts()
        super().load()

    def check_texts(self) -> None:
        """Check that every text is there. Raises `ConventionsError`, with the command that gets the repository."""
        for name in self.conventions.prompts:
            self.text(name)

    def text(self, name: str) -> str:
        """Return the text of a prompt: the shipped one, or that of the user's copy of the repository, by checksum."""
        origin, prompt = self.conventions.origin, self.conventions.prompts[name]
        if (shipped := self._texts.get(name, prompt.text)) is not None:
            return shipped
        wanted = f"https://github.com/{origin.repository} at commit {origin.commit}"
        if self.repository is None:
            terms = origin.prompt_licence
            stated = "they have no licence" if terms == "none" else f"their licence is {terms}"
            raise ConventionsError(
                f"{self.name}: its prompts are not shipped; {stated}. Get them with "
                f"{how_to_get(origin.repository, origin.commit)}, and name the folder: {self.name}:repository=FOLDER"
            )
        try:
            data = read_official_file(self.repository, prompt.file, origin.files[prompt.file], wanted)
            return official_text(prompt.file, data, prompt.key, prompt.sha256, wanted)
        except DataError as error:
            raise ConventionsError(f"{self.name}: {error}") from error

    def use_texts(self, texts: Mapping[str, str]) -> None:
        """Ask with these texts in place of the published ones: stand-ins for tests, which stand in the identity."""
        self._texts = dict(texts)

    def asked(self, sample: Sample) -> dict[str, Question]:
        """Return the questions about a sample by name, texts and images in the order in which they are shown.

        An image is read, scaled and encoded once. Raises `SampleError` and `ImageError`.
        """
        rules = self.conventions.questions
        fields = tuple(dict.fromkeys(field for rule in rules for field in rule.images))
        rule = self.conventions.images
        images = shown_images(replace(rule, size=self.model_rule.size or rule.size), sample, fields)
        return {rule.name: self._question(rule, images, sample) for rule in rules}

    def _question(self, rule: QuestionRule, images: dict[str, Any], sample: Sample) -> Question:
        from ..judge import Message, Question

        label = self.model_rule.image_label
        shown: list[list[Any]] = [
            [label.replace("{n}", str(number)), images[field]] if label else [images[field]]
            for number, field in enumerate(rule.images, 1)
        ]
        pieces = self._pieces(rule, sample)
        if rule.order == "inline":
            parts: list[Any] = [pieces[0]]
            for image, piece in zip(shown, pieces[1:], strict=True):
                parts += [*image, piece]
        else:
            together = [part for image in shown for part in image]
            parts = [*together, *pieces] if rule.order == "images_first" else [*pieces, *together]
        opening = (Message("system", tuple(self._filled(rule.system, sample))),) if rule.system else ()
        return Question((*opening, Message("user", tuple(parts))))

    def _pieces(self, rule: QuestionRule, sample: Sample) -> list[str]:
        """Return the text of a question, cut where images stand in it."""
        pieces: list[str] = []
        for name in rule.texts or (self._task_of(rule, sample),):
            first, *others = self._filled(name, sample, rule.mark if rule.order == "inline" else "")
            pieces[-1:] = [f"{pieces[-1]}{rule.join}{first}" if pieces else first, *others]
        return pieces

    def _task_of(self, rule: QuestionRule, sample: Sample) -> str:
        task = str(self.task or sample.meta.get(rule.chosen_by, ""))
        if task not in self.conventions.prompts:
            stated = f"is {task!r}" if task else "is missing"
            raise SampleError(
                f"its {rule.chosen_by} {stated}; {expected_one_of(task, self.conventions.prompts)}, as a column of the "
                f"manifest or for all samples by task=",
                "skipped",
            )
        return task

    def _filled(self, name: str, sample: Sample, mark: str = "") -> list[str]:
        """Return a text, cut at each `mark`, with the sample's words in its slots; these stay whatever they are."""
        text, slots = self.text(name), self.conventions.prompts[name].slots
        pieces = text.split(mark) if mark else [text]
        if not slots:
            return pieces
        words = {slot: _words(field, sample) for slot, field in slots.items()}
        pattern = "|".join(map(re.escape, words))
        return [re.sub(pattern, lambda match: words[match.group()], piece) for piece in pieces]


def _words(field: str, sample: Sample) -> str:
    if field.startswith("="):
        return field[1:]
    value = getattr(sample, field) if field in FIELDS else sample.meta.get(field)
    if not isinstance(value, str):
        raise SampleError(f"the question requires the text {field}, which this sample does not have", "skipped")
    return value
