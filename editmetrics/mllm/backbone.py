"""A vision-language model as assessors use it: images and chats in, hidden states and logits out.

>>> import tempfile, numpy as np
>>> from editmetrics.testing import tiny_backbone
>>> folder = tiny_backbone("internvl", tempfile.mkdtemp())  # or "OpenGVLab/InternVL3-8B-hf", and any other hub id
>>> backbone = Backbone.load(folder, device="cpu", image_tokens=80)
>>> images = [np.zeros((96, 96, 3), np.uint8), np.full((96, 96, 3), 255, np.uint8)]
>>> pictures = [backbone.see(image, among=2) for image in images]
>>> prompt = backbone.prompt([("user", [IMAGE, IMAGE, "Is the second image better? Yes or no."])], pictures)
>>> tuple(backbone.forward([prompt]).hidden.shape) == (1, len(prompt), backbone.hidden_size)  # differentiable
True
>>> cache = backbone.read([prompt])  # the images are computed once; it can be continued repeatedly
>>> yes, no = cache.logits[0, [backbone.token("Yes"), backbone.token("No")]].softmax(0).tolist()
>>> 0.2 < yes < 0.8  # random weights have no opinion
True
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..metric import pick_device
from ..transfer import stacked
from .families import BackboneError
from .layers import first_layers
from .loading import LoadedModel, load_model, shared, torch_dtype
from .prompt_writer import PromptWriter
from .prompts import IMAGE, Chat, Prompt
from .tensors import Batch, Features, Output, Picture
from .turns import in_turn

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from .prefix_cache import PrefixCache

__all__ = ["IMAGE", "Backbone", "BackboneError", "Chat", "Features", "Output", "Picture", "Prompt"]


class Backbone(PromptWriter):
    """A vision-language model of one of the families in `editmetrics.mllm.families`; made by `Backbone.load`.

    Its images and chats become prompts as those of any `PromptWriter`. The parameters are frozen; training code
    unfreezes some (`requires_grad_`). Several threads may use one: their computations take turns (`exclusive`), so that
    each has the adapters that it chose.
    """

    def __init__(self, loaded: LoadedModel, image_tokens: int | None = None) -> None:
        super().__init__(loaded.model.config, loaded.processor, loaded.name, image_tokens)
        self.loaded, self.model = loaded, loaded.model

    @classmethod
    def load(
        cls,
        model: str | Path,
        revision: str | None = None,
        device: str | None = None,
        dtype: str | torch.dtype | None = None,
        attention: str | None = None,
        image_tokens: int | None = None,
        layers: int | None = None,
        own: bool = False,
    ) -> Backbone:
        """Load the backbone of a hub id or a folder; equal arguments share one object while it is in use.

        - `revision`: branch, tag or commit of a hub id; `description()` has its commit.
        - `device`: as in `editmetrics.metric.pick_device`. `dtype`: "bfloat16" on a GPU and "float32" elsewhere.
        - `attention`: an attention implementation of transformers; default "sdpa".
        - `image_tokens`: the most tokens that one image may take, where that is less than the checkpoint's own setting:
          tiles of InternVL, pixels of Qwen; LLaVA-OneVision leaves an image uncut that would take more.
        - `layers`: load only the first so many layers of the language model; `forward(layer=...)` gives equal results,
          and methods that require all of them (`read`, `forward` without a layer) are refused.
        - `own`: a backbone that is not shared, for training that changes its weights.

        Raises `BackboneError`: an unknown folder or hub id, no network, an unsupported family, remote code, pickled or
        damaged weights, too little memory, a budget too small for an image.

        >>> import tempfile
        >>> from editmetrics.testing import tiny_backbone
        >>> folder = tiny_backbone("internvl", tempfile.mkdtemp())
        >>> backbone = Backbone.load(folder, device="cpu")
        >>> backbone.family.name, backbone.hidden_size, backbone.num_layers
        ('internvl', 64, 4)
        >>> backbone is Backbone.load(folder, device="cpu")
        True
        """
        import torch

        where = torch.device(pick_device(device))
        kind = torch_dtype(dtype, where)
        attention = attention or "sdpa"
        if not re.fullmatch(r"\w+", attention):
            raise BackboneError(
                f"attention={attention!r} is code from the hub, which is not run; expected sdpa, eager or another name "
                "of transformers itself"
            )
        loaded = load_model(model, revision, where, kind, attention, layers, own)
        return shared((cls, id(loaded), image_tokens), lambda: cls(loaded, image_tokens))

    # ------------------------------------------------------------------ what it is

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        return self.model.dtype

    @property
    def hidden_size(self) -> int:
        return self.model.config.get_text_config().hidden_size

    @property
    def num_layers(self) -> int:
        """The layers of the language model."""
        return self.model.config.get_text_config().num_hidden_layers

    @property
    def truncated(self) -> bool:
        """Whether only the first layers were loaded, see `load`."""
        return self.loaded.truncated

    @property
    def vision(self) -> nn.Module:
        return self.model.get_submodule(self.family.vision)

    @property
    def projector(self) -> nn.Module:
        """The module that maps the vision tower's states to image tokens; inside `vision` for Qwen."""
        from torch import nn

        return nn.ModuleList([self.model.get_submodule(path) for path in self.family.projector])

    @property
    def language(self) -> nn.Module:
        return self.model.get_submodule(self.family.language)

    def identity(self) -> dict[str, Any]:
        """Everything about the backbone that affects a number, as JSON.

        The sha256 of its files identifies the model; its name, its origin and the device do not affect a number
        (`description` has the first two).

        >>> import tempfile
        >>> from editmetrics.testing import tiny_backbone
        >>> backbone = Backbone.load(tiny_backbone("qwen3_vl", tempfile.mkdtemp()), device="cpu", image_tokens=16)
        >>> sorted(backbone.identity())
        ['attention', 'dtype', 'family', 'image_tokens', 'processor', 'sha256', 'transformers']
        """
        import transformers

        return {
            "sha256": self.loaded.origin["sha256"],
            **super().identity(),
            "dtype": str(self.dtype).removeprefix("torch."),
            "attention": self.model.config._attn_implementation,
            "transformers": transformers.__version__,
        }

    def description(self) -> dict[str, Any]:
        """Return `identity()`, and the name and origin of the backbone: "model", and the hub's "revision"."""
        return {"model": self.name, **self.loaded.origin, **self.identity()}

    def exclusive(self) -> AbstractContextManager[None]:
        """The model for this thread alone, inside a `with`; other threads wait.

        All methods that compute take it, and `lora.using` for its whole block. Code that calls `model` or a part of it
        directly must take it too, or another thread's adapter may be active:
        `with backbone.exclusive(): backbone.model(...)`.
        """
        return self.loaded.turns.taken()

    # ------------------------------------------------------------------ from prompts to hidden states

    @in_turn
    def look(self, pictures: Sequence[Picture]) -> list[Features]:
        """The features of each picture, in one pass of vision tower and projector; repeated ones are computed once."""
        distinct = {id(picture): picture for picture in pictures}
        if not distinct:
            return []
        features = dict(zip(distinct, self.family.look(self.model, list(distinct.values())), strict=True))
        return [features[id(picture)] for picture in pictures]

    @in_turn
    def look_at(
        self, prompts: Sequence[Prompt], look: Callable[[Sequence[Picture]], list[Features]] | None = None
    ) -> list[Sequence[Features]]:
        """The features of each prompt's pictures, as `forward` and `read` take them; all in one pass of `look`, if they
        come from elsewhere than the vision tower: a store of them."""
        flat = iter((look or self.look)([picture for prompt in prompts for picture in prompt.pictures]))
        return [[next(flat) for _ in prompt.pictures] for prompt in prompts]

    @in_turn
    def forward(
        self,
        prompts: Sequence[Prompt],
        features: Sequence[Sequence[Features]] | None = None,
        layer: int | None = None,
    ) -> Output:
        """The hidden states of a batch, differentiable.

        `features` are those of each prompt's pictures, from `look`; by default, `look` is part of the graph. `layer`
        None gives the last layer after the final norm, which `logits` reads; 0 to `num_layers` the residual stream
        after that many layers, before any norm (0: the embeddings).
        """
        batch = self.batch(prompts, features)
        if layer is None:
            self.require_all_layers()
            hidden = self.language(**batch.inputs, use_cache=False).last_hidden_state
        else:
            with first_layers(self, layer):
                hidden = self.language(**batch.inputs, use_cache=False).last_hidden_state
        return Output(hidden, batch.lengths, batch.ids)

    @in_turn
    def logits(self, hidden: Tensor) -> Tensor:
        """(N, H) of the last layer, after the norm -> (N, vocabulary), in float32."""
        return self.model.get_output_embeddings()(hidden).float()

    @in_turn
    def batch(self, prompts: Sequence[Prompt], features: Sequence[Sequence[Features]] | None = None) -> Batch:
        """Prompts padded on the right, as the language model takes them.

        Padding is not masked: no token of a causal model attends to it, and attention is faster without a mask.
        """
        import torch
        from torch.nn.utils.rnn import pad_sequence

        if not prompts:
            raise BackboneError("a batch has no prompts; expected at least one")
        pictures = [picture for prompt in prompts for picture in prompt.pictures]
        lengths = torch.tensor([len(prompt) for prompt in prompts])
        ids = pad_sequence([prompt.ids for prompt in prompts], batch_first=True, padding_value=self._padding)
        mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
        positions, following = self.family.positions(self.model, ids, mask, pictures)
        numbers = {"ids": [ids], "mask": [mask], "lengths": [lengths], "following": [following]}
        numbers |= {} if positions is None else {"positions": [positions]}
        copied = {name: tensor[0] for name, tensor in stacked(numbers, self.device).items()}  # before there is a queue
        ids, mask = copied["ids"], copied["mask"]
        elsewhere = [each.to(self.device, self.dtype) for of_prompt in features or () for each in of_prompt]
        shown = self.look(pictures) if features is None else elsewhere
        if [len(each.tokens) for each in shown] != [picture.tokens for picture in pictures]:
            raise BackboneError("the features are not those of the prompts' pictures: their numbers of tokens differ")
        is_image = (ids == self.model.config.image_token_id) & mask.bool()
        embedded = self.model.get_input_embeddings()(ids)
        if shown:
            embedded = embedded.masked_scatter(
                is_image[..., None], torch.cat([each.tokens for each in shown]).to(embedded.dtype)
            )
        inputs = {
            "inputs_embeds": embedded,
            "attention_mask": None,
            "position_ids": copied.get("positions"),
            **self.family.language_inputs(shown, is_image),
        }
        return Batch(inputs, ids, mask, copied["lengths"], copied["following"])

    @property
    def _padding(self) -> int:
        return self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else 0

    def require_all_layers(self) -> None:
        """Raise `BackboneError` if only the first layers were loaded."""
        if self.truncated:
            raise BackboneError(
                f"{self.loaded.name} was loaded with its first {self.num_layers} layers only; this requires all of them"
            )

    # ------------------------------------------------------------------ without gradients

    @in_turn
    def next_logits(self, prompts: Sequence[Prompt], features: Sequence[Sequence[Features]] | None = None) -> Tensor:
        """(B, vocabulary), float32: the logits of the token after each prompt, as `read` gives them.

        For callers that read one token only: no key-value cache is kept.
        """
        import torch

        with torch.inference_mode():
            return self.logits(self.forward(prompts, features).at(-1))

    @in_turn
    def read(self, prompts: Sequence[Prompt], features: Sequence[Sequence[Features]] | None = None) -> PrefixCache:
        """Compute the prompts once and keep their key-value cache, to continue from; see `PrefixCache`."""
        from .separate_rows import read

        return read(self, prompts, features)

    def generate(
        self, prompts: Sequence[Prompt], max_tokens: int = 256, temperature: float = 0.0,
        seed: int | Sequence[int] = 0, features: Sequence[Sequence[Features]] | None = None, **likeliest: Any,
    ) -> list[str]:  # fmt: skip
        """Generate an answer to each prompt, see `prefix_cache.generate`; what prompts share is read once."""
        from .prefix_cache import generate
        from .shared_prefix import read_together

        return generate(read_together(self, prompts, features), max_tokens, temperature, seed, **likeliest)

    def __repr__(self) -> str:
        return f"<backbone {self.loaded.name}, {self.family.name}, {self.device}, {self.dtype}>"
