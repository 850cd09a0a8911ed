"""`ConventionMetric`, the base of metrics that are made of a file of conventions, whatever their read-out."""

from __future__ import annotations

import re
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
    """

    conventions: ClassVar[Conventions]
    runtime_options: ClassVar[frozenset[str]] = frozenset({"repository"})
    """The texts are checked by checksum: where they lie changes no number."""

    def __init__(self, *, checkpoint: str | None = None, repository: str | None = None, **shared: Any) -> None:
        names = [model.name for model in self.conventions.models]
        if checkpoint is not None and checkpoint not in names:
            raise OptionError(f"{self.name} has no checkpoint {checkpoint!r}; {expected_one_of(checkpoint, names)}")
        super().__init__(**shared)
        self.checkpoint, self.repository = checkpoint, repository

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
        }

    def load(self) -> None:
        """Check that every text is there. Raises `ConventionsError`, with the command that gets the repository."""
        for name in self.conventions.prompts:
            self.text(name)
        super().load()

    def text(self, name: str) -> str:
        """Return the text of a prompt: the shipped one, or that of the user's copy of the repository, by checksum."""
        origin, prompt = self.conventions.origin, self.conventions.prompts[name]
        if prompt.text is not None:
            return prompt.text
        wanted = f"https://github.com/{origin.repository} at commit {origin.commit}"
        if self.repository is None:
            raise ConventionsError(
                f"{self.name}: its prompts are not shipped; their licence is {origin.prompt_licence}. Get them with "
                f"{how_to_get(origin.repository, origin.commit)}, and name the folder: {self.name}:repository=FOLDER"
            )
        try:
            data = read_official_file(self.repository, prompt.file, origin.files[prompt.file], wanted)
            return official_text(prompt.file, data, prompt.key, prompt.sha256, wanted)
        except DataError as error:
            raise ConventionsError(f"{self.name}: {error}") from error

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

        text = rule.join.join(self._filled(name, sample) for name in rule.texts)
        label = self.model_rule.image_label
        shown: list[list[Any]] = []
        for number, field in enumerate(rule.images, 1):
            shown.append([*([label.replace("{n}", str(number))] if label else []), images[field]])
        flat = [part for parts in shown for part in parts]
        if rule.order == "images_first":
            parts = [*flat, text]
        elif rule.order == "text_first":
            parts = [text, *flat]
        else:
            pieces = text.split(rule.mark)
            parts = [pieces[0]]
            for image, piece in zip(shown, pieces[1:], strict=True):
                parts += [*image, piece]
        opening = (Message("system", (self._filled(rule.system, sample),)),) if rule.system else ()
        return Question((*opening, Message("user", tuple(parts))))

    def _filled(self, name: str, sample: Sample) -> str:
        """Return a text with the sample's words in its slots; words that look like a slot stay as they are."""
        slots = self.conventions.prompts[name].slots
        words = {slot: _words(field, sample) for slot, field in slots.items()}
        text = self.text(name)
        if not words:
            return text
        return re.sub("|".join(map(re.escape, words)), lambda match: words[match.group()], text)


def _words(field: str, sample: Sample) -> str:
    if field.startswith("="):
        return field[1:]
    value = getattr(sample, field) if field in FIELDS else sample.meta.get(field)
    if not isinstance(value, str):
        raise SampleError(f"the question requires the text {field}, which this sample does not have", "skipped")
    return value
