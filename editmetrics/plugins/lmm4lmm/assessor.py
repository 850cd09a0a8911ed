"""One backbone that scores images: what it is asked, and what is read of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypedDict

from ...late_checks import read_results
from ...sample import SampleError
from .prompts import ANSWERS, QUESTIONS, answer_start, question, yes_no_question

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image as PILImage
    from torch import Tensor

    from ...mllm.backbone import Backbone, Picture, Prompt
    from ...mllm.levels import LevelReadout, YesNoReadout


class PreparedImage(TypedDict):
    """Prompts of one sample: one for each dimension, and one for each question."""

    scored: dict[str, Prompt]
    questions: list[Prompt]


@dataclass
class TaskAssessor:
    """A backbone with what was trained on it.

    - `side`: images are resized to a square of so many pixels, whatever their shape.
    - `dimensions`: those that it scores. `heads`: from a hidden state to a rating, by dimension.
    - `adapters`: the name of each task's adapter on the backbone; the tasks are dimensions and "questions".
    - `projectors`: the parameters of each task's projector, where they are not the backbone's own.
    """

    backbone: Backbone
    side: int
    dimensions: Sequence[str] = ()
    heads: Mapping[str, Callable[[Tensor], Tensor]] = field(default_factory=dict)
    adapters: Mapping[str, str] = field(default_factory=dict)
    projectors: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)

    # ------------------------------------------------------------------ from images and text to prompts

    def see(self, image: np.ndarray) -> Picture:
        """The image (H, W, 3), uint8, as the backbone takes it: resized to a square, then cut into tiles.

        Each tile is cut by Pillow, as the authors do, and seen by itself: the image processor of transformers would
        scale the square with another bicubic filter, which moves single pixels by a level.
        """
        import numpy as np
        import torch
        from PIL import Image

        from ...mllm.backbone import Picture

        square = Image.fromarray(image).resize((self.side, self.side), Image.Resampling.BICUBIC)
        if self.backbone.family.name != "internvl":
            return self.backbone.see(np.array(square))
        tiles = [self.backbone.see(np.array(tile)) for tile in self._tiles(square)]
        pixels = torch.cat([tile.pixels["pixel_values"] for tile in tiles])
        return Picture({"pixel_values": pixels}, sum(tile.tokens for tile in tiles), (self.side, self.side))

    def _tiles(self, square: PILImage) -> Iterator[PILImage]:
        """The square in as many tiles as InternVL's processor cuts it in, row by row, and a thumbnail of the whole."""
        from PIL.Image import Resampling

        size, along = self.backbone.processor.image_processor.size["height"], self._tiles_along
        mosaic = square.resize((along * size, along * size), Resampling.BICUBIC)
        for top in range(0, along * size, size):
            for left in range(0, along * size, size):
                yield mosaic.crop((left, top, left + size, top + size))
        if along > 1:
            yield square.resize((size, size), Resampling.BICUBIC)

    @cached_property
    def _tiles_along(self) -> int:
        """In how many tiles a side of the square is cut."""
        import math

        import numpy as np

        blank = self.backbone.see(np.zeros((self.side, self.side, 3), np.uint8))
        return max(1, math.isqrt(len(blank.pixels["pixel_values"]) - 1))  # one is the thumbnail

    def scored(self, picture: Picture, dimension: str, prompt: str) -> Prompt:
        """The question for a dimension, and the answer up to the token that is scored: its last one."""
        return self._answered(picture, question(dimension, prompt), self._words(answer_start(dimension)))

    def asked(self, picture: Picture, text: str) -> Prompt:
        """A yes/no question."""
        if not text.strip():
            raise SampleError("a question is empty; expected some text")
        return self._answered(picture, yes_no_question(text), [])

    def taught(self, picture: Picture, text: str, answer: str, word: str | None = None) -> Prompt:
        """A question with its whole answer and the token that ends a turn, for language loss.

        With `word` the answer begins with `answer` and is taught from there on: the one token that `word` begins with.
        """
        if word is None:
            return self._answered(picture, text, [*self._words(answer), self.backbone.tokenizer.eos_token_id])
        prompt = self._answered(picture, text, [*self._words(answer), self._next(answer, word)])
        return replace(prompt, answer_start=len(prompt) - 1)

    def prepare(self, image: np.ndarray, prompt: str, questions: Sequence[str]) -> PreparedImage:
        """The prompts of all dimensions, and of the questions where it answers any; all with the same picture."""
        picture = self.see(image)
        return {
            "scored": {dimension: self.scored(picture, dimension, prompt) for dimension in self.dimensions},
            "questions": [self.asked(picture, text) for text in questions] if self.answers else [],
        }

    @property
    def answers(self) -> bool:
        """True if it was trained to answer questions."""
        return QUESTIONS in self.adapters or QUESTIONS in self.projectors

    def _answered(self, picture: Picture, text: str, answer: list[int]) -> Prompt:
        import torch

        from ...mllm.backbone import IMAGE

        room = self.backbone.context - len(answer)
        prompt = self.backbone.prompt([("user", [IMAGE, text])], [picture], max_tokens=room)
        return replace(prompt, ids=torch.cat([prompt.ids, torch.tensor(answer, dtype=prompt.ids.dtype)]))

    def _words(self, text: str) -> list[int]:
        """The tokens of an answer as they stand after the line break that begins a turn.

        SentencePiece may put a space before a text that stands alone; in training it did not stand alone.
        """
        line = self.backbone.tokens("\n")
        return self.backbone.tokens(f"\n{text}")[len(line) :]

    # ------------------------------------------------------------------ from prompts to numbers

    @contextmanager
    def at_work(self, task: str, adapter: bool = True) -> Iterator[None]:
        """The backbone with a task's projector and, unless it is not wanted, its adapter."""
        from ...mllm.lora import using
        from ...mllm.projector import using_projector

        name = self.adapters.get(task) if adapter else None
        with using(self.backbone, name), using_projector(self.backbone, self.projectors.get(task)):
            yield

    def hidden(self, prompts: Sequence[Prompt]) -> Tensor:
        """(N, H): the last layer's state at each prompt's own last token, wherever padding begins. Differentiable."""
        return self.backbone.forward(prompts).at(-1)

    def rate(self, dimension: str, prompts: Sequence[Prompt]) -> Tensor:
        """(N,): the ratings of `scored` prompts, as far as the head goes; differentiable."""
        return self.heads[dimension](self.hidden(prompts))[:, 0]

    def levels(self, dimension: str, prompts: Sequence[Prompt]) -> LevelReadout:
        """The level words' probabilities after `scored` prompts."""
        from ...mllm.levels import read_levels

        return read_levels(self.backbone.logits(self.hidden(prompts)), self.level_words[dimension])

    @cached_property
    def level_words(self) -> dict[str, list[int]]:
        """The tokens of the five level words after each dimension's answer start."""
        from ...mllm.levels import LEVELS
        from .prompts import DIMENSIONS

        return {d: [self._next(answer_start(d), f" {word}") for word in LEVELS] for d in DIMENSIONS}

    @cached_property
    def level_ids(self) -> list[int]:
        """The tokens of the five level words, which are alike after each dimension's answer start."""
        from ...mllm.backbone import BackboneError

        first, *others = self.level_words.values()
        if any(other != first for other in others):
            raise BackboneError(
                f"{self.backbone.loaded.name} writes a level word in different tokens; use level_loss=word"
            )
        return first

    @cached_property
    def yes_no(self) -> tuple[list[int], list[int]]:
        """The tokens that begin an answer of yes, and of no: with and without a capital, and a space before."""
        yes, no = ({self._next("", form) for form in _forms(word)} for word in ANSWERS)
        return sorted(yes - no), sorted(no - yes)  # a space that is a token of its own says neither

    def answer(self, prompts: Sequence[Sequence[Prompt]]) -> list[YesNoReadout]:
        """For each picture's questions, the probability of yes against no; the pictures are computed once.

        No gradients. To be called `at_work("questions")`; nothing for a picture without questions.
        """
        import torch

        from ...mllm.levels import YesNoReadout, read_yes_no
        from ...mllm.prefix_cache import after_images

        with_questions = [row for row, questions in enumerate(prompts) if questions]
        nothing = YesNoReadout(torch.empty(0), torch.empty(0))
        answers = [nothing for _ in prompts]
        if not with_questions:
            return answers
        parts = [[after_images(self.backbone, prompt) for prompt in prompts[row]] for row in with_questions]
        counts = [len(of_picture) for of_picture in parts]
        shared = self.backbone.read([of_picture[0][0] for of_picture in parts])
        reading = shared.repeated([row for row, count in enumerate(counts) for _ in range(count)])
        reading.extend([rest for of_picture in parts for _, rest in of_picture])
        read = read_yes_no(reading.logits, *self.yes_no)
        columns = (column.split(counts) for column in read_results(read.yes, read.mass))
        for row, yes, mass in zip(with_questions, *columns, strict=True):
            answers[row] = YesNoReadout(yes, mass)
        return answers

    def _next(self, before: str, text: str) -> int:
        """The first token of `text` after `before`, at the beginning of an answer."""
        return self._words(before + text)[len(self._words(before))]


def _forms(word: str) -> list[Any]:
    return [space + form for space in ("", " ") for form in (word, word.capitalize())]
