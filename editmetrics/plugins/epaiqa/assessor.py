"""One backbone that judges edits: the prompts it is given, and what is read of its answers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from ...late_checks import read_results
from ...mllm import prefix_cache
from ...mllm.levels import LEVELS, LevelReadout, read_levels
from ...mllm.prefix_cache import after_images
from ...mllm.readouts import require_finite
from ...sample import SampleError
from .answers import COMPLETION_START, LEVEL_START, up_to_level
from .box import Box, read_box
from .levels import COMPLETIONS
from .prompts import (
    BOX_START,
    HARMONY_LEVEL,
    NATURALNESS_LEVEL,
    explained_chat,
    grounding_chat,
    harmony_chat,
    naturalness_chat,
)

if TYPE_CHECKING:
    import numpy as np

    from ...mllm.backbone import Backbone, Picture, Prompt
    from ...mllm.prefix_cache import PrefixCache

BOX_TOKENS = 48
"""The longest answer that can be a box: four numbers of up to eight tokens each, commas and brackets."""


@dataclass(frozen=True, eq=False)
class PreparedEdit:
    """One sample as the assessor takes it; its pictures of source and edited image are the same objects in each prompt.

    - `edited`: (H, W, 3), uint8, to be cut where the region is not known yet. `region`: None where it is not.
    """

    edited: np.ndarray
    region: Box | None
    grounding: Prompt
    harmony: Prompt
    naturalness: Prompt | None
    explained: Prompt

    def prompts(self) -> list[Prompt]:
        """All that are known by now."""
        known = self.grounding, self.harmony, self.naturalness, self.explained
        return [prompt for prompt in known if prompt is not None]


class Regions(NamedTuple):
    """The box of each sample, or why there is none."""

    boxes: list[Box | None]
    problems: list[SampleError | None]


@dataclass(frozen=True)
class Explanation:
    """Readings of an explained answer: completion (1 to 3), overall level (1 to 5), and the text.

    `phrase` is True where the answer came to its level word by itself, False where the phrase was put after it, None
    where nothing was generated.
    """

    completion: LevelReadout
    overall: LevelReadout
    text: str | None
    phrase: bool | None


@dataclass(frozen=True)
class ExplainingAssessor:
    """A backbone with the adapter at work on it, if it has one; `max_tokens` is the longest chain of thought.

    `inline`: whether images stand within the prompts' sentences, as in the paper, on every backbone; else where the
    backbone's chat template puts them, which for LLaVA-OneVision is before all text.
    """

    backbone: Backbone
    adapter: str | None = None
    max_tokens: int = 256
    inline: bool = True

    # ------------------------------------------------------------------ the words that are looked at

    @cached_property
    def levels(self) -> list[int]:
        """The tokens of " bad" to " excellent", as they follow "is:" and "is". `BackboneError` where one is several."""
        return [self.backbone.token(f" {word}") for word in LEVELS]

    @cached_property
    def completions(self) -> list[int]:
        """The first tokens of the three completions, as they follow "is"."""
        from ...mllm.backbone import BackboneError

        first = [self.backbone.tokens(f" {word}")[0] for word in COMPLETIONS]
        if len(set(first)) < len(first):
            raise BackboneError(f"{self.backbone.name} begins two of {', '.join(COMPLETIONS)} with one token")
        return first

    # ------------------------------------------------------------------ prompts, on the CPU

    def prepare(self, source: np.ndarray, edited: np.ndarray, instruction: str, region: Box | None) -> PreparedEdit:
        """All prompts of a sample, images (H, W, 3) of uint8; each up to where its answer tells something."""
        from ...mllm.backbone import IMAGE

        pair = self.pair(source, edited)
        return PreparedEdit(
            edited,
            region,
            self._asked(grounding_chat(IMAGE), pair, BOX_START),
            self.harmony(edited),
            None if region is None else self.naturalness(edited, region),
            self._asked(explained_chat(IMAGE, instruction), pair, COMPLETION_START),
        )

    def pair(self, source: np.ndarray, edited: np.ndarray) -> tuple[Picture, Picture]:
        return self.backbone.see(source, among=2), self.backbone.see(edited, among=2)

    def harmony(self, edited: np.ndarray, word: str = "") -> Prompt:
        """The whole image and the question for its harmony; with `word`, the answer that says it."""
        from ...mllm.backbone import IMAGE

        answer = f"{HARMONY_LEVEL} {word}." if word else HARMONY_LEVEL
        return self._taught(harmony_chat(IMAGE), [self.backbone.see(edited)], answer, bool(word))

    def naturalness(self, edited: np.ndarray, region: Box, word: str = "") -> Prompt:
        """The region alone and the question for its naturalness; with `word`, the answer that says it."""
        from ...mllm.backbone import IMAGE

        answer = f"{NATURALNESS_LEVEL} {word}." if word else NATURALNESS_LEVEL
        return self._taught(naturalness_chat(IMAGE), [self.backbone.see(region.cut(edited))], answer, bool(word))

    def grounded(self, source: np.ndarray, edited: np.ndarray, region: Box) -> Prompt:
        """The question where the edit is, and the answer."""
        from ...mllm.backbone import IMAGE

        answer = f"{BOX_START} {region.written()}."
        return self._taught(grounding_chat(IMAGE), self.pair(source, edited), answer, True)

    def explained(self, source: np.ndarray, edited: np.ndarray, instruction: str, answer: str) -> Prompt:
        """The question what was done and how well, and the whole answer."""
        from ...mllm.backbone import IMAGE

        return self._taught(explained_chat(IMAGE, instruction), self.pair(source, edited), answer, True)

    def _asked(self, chat: Any, pictures: Sequence[Picture], answer: str) -> Prompt:
        return self.backbone.prompt(chat, pictures, answer=answer, inline=self.inline)

    def _taught(self, chat: Any, pictures: Sequence[Picture], answer: str, ended: bool) -> Prompt:
        """A prompt with an answer; one that is to be learned ends with the token that ends a turn."""
        import torch

        prompt = self._asked(chat, pictures, answer)
        if not ended:
            return prompt
        return replace(prompt, ids=torch.cat([prompt.ids, torch.tensor([self.backbone.tokenizer.eos_token_id])]))

    # ------------------------------------------------------------------ what is read

    def at_work(self) -> Any:
        """A context in which the adapter is at work."""
        from ...mllm.lora import using

        return nullcontext() if self.adapter is None else using(self.backbone, self.adapter)

    def read_pairs(self, batch: Sequence[PreparedEdit]) -> PrefixCache:
        """Each sample's source and edited image, computed once for its grounding and its explanation."""
        return self.backbone.read([after_images(self.backbone, prepared.explained)[0] for prepared in batch])

    def ground(self, prompts: Sequence[Prompt], pairs: PrefixCache | None = None) -> Regions:
        """The regions that the model names, greedily decoded; a malformed box gives no region, but a reason.

        `pairs`, of the same samples, is what `read_pairs` gave, or a copy of it; it is read on from there, and used up.
        """
        boxes: list[Box | None] = []
        problems: list[SampleError | None] = []
        for answer in self._written(self._read_on(prompts, pairs), BOX_TOKENS):
            try:
                boxes.append(read_box(answer))
                problems.append(None)
            except SampleError as error:
                boxes.append(None)
                problems.append(error)
        return Regions(boxes, problems)

    def read_level(self, prompts: Sequence[Prompt]) -> LevelReadout:
        """The level that comes next in each prompt."""
        return read_levels(self.backbone.next_logits(prompts), self.levels)

    def explain(
        self, prompts: Sequence[Prompt], pairs: PrefixCache | None = None, generate: bool = True
    ) -> list[Explanation]:
        """Completion and overall level of prompts that stand where the completion comes next.

        With `generate`, the model writes its chain of thought, greedily, and its level is read after the phrase that
        leads to it; without, the phrase follows the likeliest completion at once. `pairs` is as in `ground`.
        """
        start = self._read_on(prompts, pairs)
        completion = read_levels(start.logits, self.completions)
        texts: list[str | None]
        if generate:
            written = self._written(start.repeated(range(len(start))), self.max_tokens)
            texts = [COMPLETION_START + text for text in written]
            before, phrases = zip(*(up_to_level(str(text)) for text in texts), strict=True)
        else:
            texts = [None] * len(prompts)
            likeliest = completion.probabilities.argmax(-1).tolist()
            before = tuple(f"{COMPLETION_START} {COMPLETIONS[index]}. {LEVEL_START}" for index in likeliest)
            phrases = (None,) * len(prompts)
        overall = self._level_after(start, before)
        columns = read_results(*completion, *overall)
        completion, overall = LevelReadout(*columns[:4]), LevelReadout(*columns[4:])
        return [
            Explanation(_row(completion, row), _row(overall, row), texts[row], phrases[row])
            for row in range(len(prompts))
        ]

    def _written(self, start: PrefixCache, max_tokens: int) -> list[str]:
        """Greedily decoded answers. NaN stays in a cache, so the last logits show whether any answer met one."""
        answers = prefix_cache.generate(start, max_tokens)
        require_finite(start.logits)
        return answers

    def _read_on(self, prompts: Sequence[Prompt], pairs: PrefixCache | None) -> PrefixCache:
        if pairs is None:
            return self.backbone.read(prompts)
        pairs.extend([after_images(self.backbone, prompt)[1] for prompt in prompts])
        return pairs

    def _level_after(self, start: PrefixCache, texts: Sequence[str]) -> LevelReadout:
        start.extend([self.backbone.tokens(text.removeprefix(COMPLETION_START)) for text in texts])
        return read_levels(start.logits, self.levels)


def _row(readout: LevelReadout, row: int) -> LevelReadout:
    return LevelReadout(*(part[row : row + 1] for part in readout))
