"""Prompts that are computed once and then continued: several questions, candidates or digits after the same images.

A transformer's state after a text is its key-value cache. `Reading` keeps that of a batch of prompts, so that what they
have in common, the images above all, is paid for once. Everything here runs under `torch.inference_mode`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..sample import SampleError
from .families import BackboneError

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import Cache

    from .backbone import Backbone
    from .prompts import Prompt
    from .tensors import Features

COPIED_BYTES = 2 << 30
"""How much of the cache is copied at a time: two continuations of one prompt need a copy each."""


class Reading:
    """A batch of prompts with their key-value cache; made by `Backbone.read`.

    - `logits`: (B, vocabulary), float32: of the token after each prompt.

    The cache is padded on the right: columns where a row has nothing are masked, and the positions of what follows are
    counted for each row by itself, for Qwen on its three axes.

    >>> import tempfile
    >>> from editmetrics.mllm.backbone import Backbone
    >>> from editmetrics.testing import tiny_backbone
    >>> backbone = Backbone.load(tiny_backbone("qwen3_vl", tempfile.mkdtemp()), device="cpu")
    >>> reading = backbone.read([backbone.prompt([("user", ["Is it good?"])])])
    >>> ((yes, number),) = reading.continued([[backbone.tokens("yes"), backbone.tokens("4.38")]])
    >>> len(yes), len(number)
    (1, 4)
    """

    def __init__(self, backbone: Backbone, cache: Cache, mask: Tensor, following: Tensor, logits: Tensor) -> None:
        self.backbone = backbone
        self.logits = logits
        self._cache = cache
        self._mask = mask  # (B, columns of the cache): 1 where a row has a token
        self._following = following  # (B,): the position of the next token

    @classmethod
    def of(
        cls, backbone: Backbone, prompts: Sequence[Prompt], features: Sequence[Sequence[Features]] | None = None
    ) -> Reading:
        """The reading of `prompts`; see `Backbone.read`."""
        import torch

        from .cache import new_cache

        backbone.require_all_layers()
        with backbone.exclusive(), torch.inference_mode():
            batch = backbone.batch(prompts, features)
            cache = new_cache()
            hidden = backbone.language(**batch.inputs, **_kept_in(cache, backbone)).last_hidden_state
            last = hidden[torch.arange(len(prompts), device=hidden.device), batch.lengths - 1]
            return cls(backbone, cache, batch.mask, batch.following, backbone.logits(last))

    def continued(self, texts: Sequence[Sequence[Sequence[int]]]) -> list[list[Tensor]]:
        """For each prompt, and each of its texts (token ids): the logits (len(text), vocabulary) that predict the text.

        Row i are the logits of the token i given the prompt and the tokens before it: teacher forcing. The reading
        itself does not change.
        """
        import torch

        self._expect_rows(texts)
        rows = [(row, list(text)) for row, of_row in enumerate(texts) for text in of_row]
        if not all(text for _, text in rows):
            raise BackboneError("a text to continue with has no tokens")
        found: list[Tensor] = []
        with self.backbone.exclusive(), torch.inference_mode():
            for some in self._together(rows):
                several = [row for row, _ in some]
                hidden, _ = self._after(several, [text[:-1] for _, text in some], self._copy(several))
                for states, (row, text) in zip(hidden, some, strict=True):
                    rest = self.backbone.logits(states[: len(text) - 1])
                    found.append(torch.cat([self.logits[row : row + 1], rest]))
        results = iter(found)
        return [[next(results) for _ in of_row] for of_row in texts]

    def extend(self, tokens: Sequence[Sequence[int]]) -> None:
        """Append token ids to each prompt (none, where its list is empty), and renew `logits`."""
        import torch

        self._expect_rows(tokens)
        lengths = [len(row) for row in tokens]
        if not any(lengths):
            return
        with self.backbone.exclusive(), torch.inference_mode():
            everyone = list(range(len(tokens)))
            hidden, self._mask = self._after(everyone, tokens, self._cache)
            self._following = self._following + torch.tensor(lengths, device=self._following.device)
            grown = [row for row in everyone if lengths[row]]
            self.logits = self.logits.clone()
            self.logits[grown] = self.backbone.logits(hidden[grown, [lengths[row] - 1 for row in grown]])

    def __len__(self) -> int:
        return len(self._mask)

    def repeated(self, rows: Sequence[int]) -> Reading:
        """Another reading, of the prompts `rows`, each as often as it is named; this one stays as it is.

        So one prefix can be extended in several ways at once: `reading.repeated([0, 0, 1, 1])` for two ways each.
        """
        import torch

        chosen = list(rows)
        with torch.inference_mode():
            return Reading(
                self.backbone, self._copy(chosen), self._mask[chosen], self._following[chosen], self.logits[chosen]
            )

    def _after(self, rows: Sequence[int], texts: Sequence[Sequence[int]], cache: Cache) -> tuple[Tensor, Tensor]:
        """The hidden states (N, L, H) of texts that follow the prompts `rows`, and the mask that then is; `cache`, of
        these prompts, grows by the texts."""
        import torch

        device = self._mask.device
        length = max(len(text) for text in texts)
        if not length:
            nothing = torch.empty(len(texts), 0, self.backbone.hidden_size, dtype=self.backbone.dtype, device=device)
            return nothing, self._mask
        ids = torch.tensor([[*text, *[0] * (length - len(text))] for text in texts], device=device)
        here = torch.tensor([[1] * len(text) + [0] * (length - len(text)) for text in texts], device=device)
        mask = torch.cat([self._mask[rows], here], dim=1)
        positions = self._following[rows][:, None] + torch.arange(length, device=device)
        hidden = self.backbone.language(
            inputs_embeds=self.backbone.model.get_input_embeddings()(ids),
            attention_mask=mask,
            position_ids=positions,  # of text: the same on each axis that the family has
            **_kept_in(cache, self.backbone),
        ).last_hidden_state
        return hidden, mask

    def _together(self, rows: Sequence[tuple[int, list[int]]]) -> Iterator[Sequence[tuple[int, list[int]]]]:
        """The rows in groups whose copied cache has at most `COPIED_BYTES`."""
        if self._is_whole([row for row, _ in rows]):
            yield rows
            return
        layers: list[Any] = self._cache.layers
        of_a_row = sum(layer.keys[0].nbytes + layer.values[0].nbytes for layer in layers)
        size = max(1, COPIED_BYTES // of_a_row)
        for start in range(0, len(rows), size):
            yield rows[start : start + size]

    def _copy(self, rows: Sequence[int]) -> Cache:
        """The cache of `rows`, to grow by itself; where that is all of them, it copies nothing yet."""
        from .cache import copied

        return copied(self._cache, None if self._is_whole(rows) else rows)

    def _is_whole(self, rows: Sequence[int]) -> bool:
        return list(rows) == list(range(len(self)))

    def _expect_rows(self, given: Sequence[Any]) -> None:
        if len(given) != len(self):
            raise BackboneError(f"a reading of {len(self)} prompts was given {len(given)} rows; expected one each")


def _kept_in(cache: Cache, backbone: Backbone) -> dict[str, Any]:
    """The arguments that give a language model its cache; what the first is called depends on the version."""
    kind: Any = type(backbone.language)
    return {_cache_argument(kind): cache, "use_cache": True}


@functools.cache
def _cache_argument(model: type[Any]) -> str:
    return "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"


def after_images(backbone: Backbone, prompt: Prompt) -> tuple[Prompt, list[int]]:
    """A prompt up to its last image token, and the tokens after it: prompts that differ only in what they say after
    their images share the first part, whatever the words do to each other's tokens.

    >>> import tempfile
    >>> import numpy as np
    >>> from editmetrics.mllm.backbone import IMAGE, Backbone
    >>> from editmetrics.testing import tiny_backbone
    >>> backbone = Backbone.load(tiny_backbone("internvl", tempfile.mkdtemp()), device="cpu")
    >>> picture = backbone.see(np.zeros((64, 64, 3), np.uint8))
    >>> prompt = backbone.prompt([("user", [IMAGE, "Is it good?"])], [picture])
    >>> shared, rest = after_images(backbone, prompt)
    >>> len(shared) + len(rest) == len(prompt), backbone.tokenizer.decode(rest[:1])
    (True, '</img>')
    """
    image_tokens = (prompt.ids == backbone.processor.image_token_id).nonzero()
    cut = int(image_tokens[-1]) + 1 if len(image_tokens) else 0
    if not cut:
        raise BackboneError("the prompt has no image, so that there is nothing before its words to share")
    return replace(prompt, ids=prompt.ids[:cut], answer_start=cut), prompt.ids[cut:].tolist()


def generate(reading: Reading, max_tokens: int = 256, temperature: float = 0.0, seed: int = 0) -> list[str]:
    """What the model answers after each prompt of `reading`: at most `max_tokens`, without control tokens.

    `temperature` 0 takes the likeliest token each time, as transformers' `generate` does with `do_sample=False` and no
    penalties; above 0 it draws from `softmax(logits / temperature)`, every row from a generator of its own with `seed`,
    so that an answer does not depend on the batch. `reading` is extended by the answers. Raises `SampleError` when a
    prompt leaves no room for `max_tokens`.
    """
    import torch

    backbone = reading.backbone
    if max_tokens < 1 or temperature < 0:
        raise BackboneError(f"max_tokens={max_tokens}, temperature={temperature:g}; expected at least 1, and 0 or more")
    room = backbone.context - int(reading._mask.sum(1).max())
    if max_tokens > room:
        raise SampleError(
            f"an answer of {max_tokens} tokens does not fit: the prompt leaves {room} of {backbone.context}"
        )
    ends = _end_tokens(backbone)
    dice = [torch.Generator().manual_seed(seed) for _ in reading.logits]
    answers: list[list[int]] = [[] for _ in reading.logits]
    growing = set(range(len(answers)))
    while True:
        chosen = _choose(reading.logits, temperature, dice)
        for row in sorted(growing):
            if chosen[row] in ends:
                growing.remove(row)
                continue
            answers[row].append(chosen[row])
            if len(answers[row]) == max_tokens:
                growing.remove(row)
        if not growing:
            break
        reading.extend([[chosen[row]] if row in growing else [] for row in range(len(answers))])
    return [backbone.tokenizer.decode(answer, skip_special_tokens=True) for answer in answers]


def _choose(logits: Tensor, temperature: float, dice: Sequence[torch.Generator]) -> list[int]:
    import torch

    if temperature == 0:
        return logits.argmax(1).tolist()
    chances = torch.softmax(logits.cpu() / temperature, dim=1)
    return [int(torch.multinomial(row, 1, generator=die)) for row, die in zip(chances, dice, strict=True)]


def _end_tokens(backbone: Backbone) -> set[int]:
    declared = backbone.model.generation_config.eos_token_id
    ends = set(declared) if isinstance(declared, (list, tuple)) else {declared}
    return (ends | {backbone.tokenizer.eos_token_id}) - {None}
