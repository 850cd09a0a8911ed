"""Prompts that are computed once and then continued: several questions, candidates or digits after the same images.

A transformer's state after a text is its key-value cache. `PrefixCache` keeps that of a batch of prompts, so that their
common part, the images above all, is computed once. Everything here runs under `torch.inference_mode`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..sample import SampleError
from ..transfer import stacked
from ..wording import plural
from .families import BackboneError

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from transformers import Cache

    from .backbone import Backbone
    from .prompts import Prompt
    from .tensors import Features

COPIED_BYTES = 2 << 30
"""The most bytes of the cache that are copied at a time: two continuations of one prompt require a copy each."""


class PrefixCache:
    """A batch of prompts with their key-value cache; made by `Backbone.read`.

    - `logits`: (B, vocabulary), float32: of the token after each prompt.

    The cache is padded on the right: empty columns of a row are masked, and the positions of the following tokens are
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
    ) -> PrefixCache:
        """Compute `prompts`; see `Backbone.read`."""
        import torch

        from .growing_cache import new_cache

        backbone.require_all_layers()
        with backbone.exclusive(), torch.inference_mode():
            batch = backbone.batch(prompts, features)
            text = backbone.model.config.get_text_config()
            cache = new_cache(text.layer_types if backbone.family.recurrent else None)
            hidden = backbone.language(**batch.inputs, **_kept_in(cache, backbone)).last_hidden_state
            last = hidden[torch.arange(len(prompts), device=hidden.device), batch.lengths - 1]
            return cls(backbone, cache, batch.mask, batch.following, backbone.logits(last))

    def continued(self, texts: Sequence[Sequence[Sequence[int]]]) -> list[list[Tensor]]:
        """Logits (len(text), vocabulary) that predict each text (token ids) of each prompt.

        Row i are the logits of the token i given the prompt and the tokens before it: teacher forcing. The cache itself
        does not change.
        """
        import torch

        self._expect_rows(texts)
        rows = [(row, list(text)) for row, of_row in enumerate(texts) for text in of_row]
        if not all(text for _, text in rows):
            raise BackboneError("a text to continue with has no tokens")
        logits: list[Tensor] = []
        with self.backbone.exclusive(), torch.inference_mode():
            for states, (row, text) in self._computed([(row, text[:-1]) for row, text in rows]):
                logits.append(torch.cat([self.logits[row : row + 1], self.backbone.logits(states[: len(text)])]))
        results = iter(logits)
        return [[next(results) for _ in of_row] for of_row in texts]

    def states(self, texts: Sequence[Sequence[Sequence[int]]], behind: int = 1) -> list[list[Tensor]]:
        """The hidden state (H,) `behind` tokens from the end of each text (token ids) of each prompt.

        The cache itself does not change. No text is shorter than `behind`.
        """
        import torch

        self._expect_rows(texts)
        rows = [(row, list(text)) for row, of_row in enumerate(texts) for text in of_row]
        if not all(len(text) >= behind for _, text in rows):
            raise BackboneError(f"a text to continue with has less than {plural(behind, 'token')}")
        with self.backbone.exclusive(), torch.inference_mode():
            results = iter([states[len(text) - behind] for states, (_, text) in self._computed(rows)])
        return [[next(results) for _ in of_row] for of_row in texts]

    def _computed(self, rows: Sequence[tuple[int, list[int]]]) -> Iterator[tuple[Tensor, tuple[int, list[int]]]]:
        """The hidden states (L, H) of each text after its prompt, with the row and the text itself."""
        for some in self._together(rows):
            several = [row for row, _ in some]
            hidden, _ = self._after(several, [text for _, text in some], self._copy(several))
            yield from zip(hidden, some, strict=True)

    def extend(self, tokens: Sequence[Sequence[int]]) -> None:
        """Append token ids to each prompt (none where its list is empty), and update `logits`."""
        import torch

        self._expect_rows(tokens)
        lengths = [len(row) for row in tokens]
        if not any(lengths):
            return
        with self.backbone.exclusive(), torch.inference_mode():
            everyone, before = list(range(len(tokens))), self._mask.shape[1]
            hidden, self._mask = self._after(everyone, tokens, self._cache)
            more = self._mask[:, before:].sum(1)
            self._following = self._following + more
            if all(lengths):  # nothing to copy to the device, as for each token that all rows write
                rows = torch.arange(len(tokens), device=more.device)
                self.logits = self.backbone.logits(hidden[rows, more - 1])
                return
            grown = [row for row in everyone if lengths[row]]
            self.logits = self.logits.clone()
            self.logits[grown] = self.backbone.logits(hidden[grown, [lengths[row] - 1 for row in grown]])

    def __len__(self) -> int:
        return len(self._mask)

    @property
    def nbytes(self) -> int:
        """The bytes of the cache."""
        layers: list[Any] = self._cache.layers
        return sum(layer.nbytes for layer in layers)

    @property
    def longest(self) -> int:
        """The tokens of the longest prompt."""
        return int(self._mask.sum(1).max())

    def repeated(self, rows: Sequence[int]) -> PrefixCache:
        """A new cache of the prompts `rows`, which may repeat; this one stays unchanged.

        One prefix can thus be extended in several ways at once: `cache.repeated([0, 0, 1, 1])` for two ways each.
        """
        import torch

        from .growing_cache import copied

        with torch.inference_mode():
            index = self._index(rows)
            cache = copied(self._cache, None if self._is_whole(rows) else index)
            return PrefixCache(self.backbone, cache, self._mask[index], self._following[index], self.logits[index])

    def _after(self, rows: Sequence[int], texts: Sequence[Sequence[int]], cache: Cache) -> tuple[Tensor, Tensor]:
        """The hidden states (N, L, H) of texts that follow the prompts `rows`, and the new mask.

        `cache`, of these prompts, grows by the texts.
        """
        import torch

        device = self._mask.device
        length = max(len(text) for text in texts)
        if not length:
            nothing = torch.empty(len(texts), 0, self.backbone.hidden_size, dtype=self.backbone.dtype, device=device)
            return nothing, self._mask
        padded = torch.tensor([[*text, *[0] * (length - len(text))] for text in texts])
        present = torch.tensor([[1] * len(text) + [0] * (length - len(text)) for text in texts])
        chosen = {} if self._is_whole(rows) else {"rows": [torch.tensor(rows)]}
        copied = stacked({"ids": [padded], "present": [present], **chosen}, device)
        ids, present = copied["ids"][0], copied["present"][0]
        mask, following = (each[copied["rows"][0]] if chosen else each for each in (self._mask, self._following))
        mask = torch.cat([mask, present], dim=1)
        positions = following[:, None] + torch.arange(length, device=device)
        hidden = self.backbone.language(
            inputs_embeds=self.backbone.model.get_input_embeddings()(ids),
            attention_mask=mask,
            position_ids=positions,  # of text: the same on each axis that the family has
            **_kept_in(cache, self.backbone),
        ).last_hidden_state
        return hidden, mask

    def _together(self, rows: Sequence[tuple[int, list[int]]]) -> Iterator[Sequence[tuple[int, list[int]]]]:
        """Group the rows so that the copied cache of each group has at most `COPIED_BYTES`."""
        if self._is_whole([row for row, _ in rows]):
            yield rows
            return
        size = max(1, COPIED_BYTES * len(self) // self.nbytes)
        for start in range(0, len(rows), size):
            yield rows[start : start + size]

    def _copy(self, rows: Sequence[int]) -> Cache:
        """The cache of `rows`, to grow independently; for all rows, nothing is copied yet."""
        from .growing_cache import copied

        return copied(self._cache, None if self._is_whole(rows) else self._index(rows))

    def _index(self, rows: Sequence[int]) -> Tensor:
        import torch

        return stacked({"rows": [torch.tensor(list(rows), dtype=torch.int64)]}, self._mask.device)["rows"][0]

    def _is_whole(self, rows: Sequence[int]) -> bool:
        return list(rows) == list(range(len(self)))

    def _expect_rows(self, rows: Sequence[Any]) -> None:
        if len(rows) != len(self):
            raise BackboneError(f"got {plural(len(rows), 'row')} for {plural(len(self), 'prompt')}; expected equal")


def _kept_in(cache: Cache, backbone: Backbone) -> dict[str, Any]:
    """The arguments that give a language model its cache; their names depend on the version of transformers."""
    kind: Any = type(backbone.language)
    return {_cache_argument(kind): cache, "use_cache": True}


@functools.cache
def _cache_argument(model: type[Any]) -> str:
    return "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"


def after_images(backbone: Backbone, prompt: Prompt) -> tuple[Prompt, list[int]]:
    """Split a prompt into the prompt up to its last image token, and the tokens after it.

    Prompts with the same beginning and images share the first part, regardless of how the trailing text tokenizes.

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
        raise BackboneError("the prompt has no image, so it has no part before its words to share")
    return replace(prompt, ids=prompt.ids[:cut], answer_start=cut), prompt.ids[cut:].tolist()


def generate(
    cache: PrefixCache,
    max_tokens: int = 256,
    temperature: float = 0.0,
    seed: int | Sequence[int] = 0,
    top_p: float = 1.0,
    top_k: int | None = None,
) -> list[str]:
    """Generate an answer to each prompt of `cache`, of at most `max_tokens`, without control tokens.

    One that is not at its end by then is a `CutOff`, as servers say "length" of it.

    `temperature` 0 takes the likeliest token each time, as transformers' `generate` does with `do_sample=False` and no
    penalties; above 0 it draws from `softmax(logits / temperature)`, every row from a generator of its own with `seed`,
    or with its own of several, so that an answer does not depend on the batch. Drawn are the `top_k` likeliest tokens
    only, and of these the likeliest that together have `top_p` of their probability, as transformers has it. `cache` is
    extended by the answers. Raises `SampleError` when a prompt leaves no room for `max_tokens`.
    """
    import torch

    from ..judge.local import CutOff

    backbone = cache.backbone
    if max_tokens < 1 or temperature < 0:
        raise BackboneError(f"max_tokens={max_tokens}, temperature={temperature:g}; expected at least 1, and 0 or more")
    if not 0 < top_p <= 1 or (top_k is not None and top_k < 1):
        raise BackboneError(f"top_p={top_p:g}, top_k={top_k}; expected more than 0 and at most 1, and at least 1")
    room = backbone.context - cache.longest
    if max_tokens > room:
        raise SampleError(
            f"an answer of {max_tokens} tokens does not fit: the prompt leaves {room} of {backbone.context}"
        )
    ends = _end_tokens(backbone)
    seeds = [seed] * len(cache) if isinstance(seed, int) else list(seed)
    dice = [torch.Generator().manual_seed(one) for _, one in zip(cache.logits, seeds, strict=True)]
    answers: list[list[int]] = [[] for _ in cache.logits]
    growing = set(range(len(answers)))
    while True:
        chosen = _choose(_likeliest(cache.logits, temperature, top_p, top_k), temperature, dice)
        for row in sorted(growing):
            if chosen[row] in ends:
                growing.remove(row)
                continue
            answers[row].append(chosen[row])
            if len(answers[row]) == max_tokens:
                growing.remove(row)
        if not growing:
            break
        cache.extend([[chosen[row]] if row in growing else [] for row in range(len(answers))])
    texts = (backbone.tokenizer.decode(answer, skip_special_tokens=True) for answer in answers)
    return [CutOff(text) if len(answer) == max_tokens else text for answer, text in zip(answers, texts, strict=True)]


def _likeliest(logits: Tensor, temperature: float, top_p: float, top_k: int | None) -> Tensor:
    """Return `logits` (B, vocabulary) with -inf for each token that is not to be drawn."""
    if temperature == 0:
        return logits
    if top_k is not None:
        least = logits.topk(min(top_k, logits.shape[1])).values[:, -1:]
        logits = logits.masked_fill(logits < least, float("-inf"))
    if top_p < 1:
        ordered, order = (logits / temperature).softmax(1).sort(descending=True)
        beyond = ordered.cumsum(1) - ordered >= top_p  # the token that crosses the limit is drawn, too
        logits = logits.masked_fill(beyond.scatter(1, order, beyond), float("-inf"))
    return logits


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
