"""The toy backbone with random layers on top, whose output buries what the layers below have found."""

from __future__ import annotations

from pathlib import Path

import torch

from editmetrics.mllm.into_memory import no_progress_bars
from editmetrics.mllm.loading import find_folder

STATE = 1.0
"""The root mean square of the toy's residual stream after its last layer, about."""


def deeper(folder: Path, layers: int, *, louder: float = 4.0, seed: int = 0) -> Path:
    """Write the toy backbone with `layers` more layers into `folder`, and return it.

    Each adds to the residual stream something random, a function of the state that is `louder` times as large as it. As
    in a language model whose last layers turn to the next word, what was readable further down is covered up there.
    """
    from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

    toy, _ = find_folder("toy-internvl", None)
    with no_progress_bars(), torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        config = AutoConfig.from_pretrained(toy)
        text = config.get_text_config()
        of_toy = text.num_hidden_layers
        text.num_hidden_layers = of_toy + layers
        if getattr(text, "layer_types", None):
            text.layer_types = [text.layer_types[0]] * text.num_hidden_layers
        model = AutoModelForImageTextToText.from_pretrained(toy, config=config, dtype=torch.float32)
        size = STATE
        for layer in list(model.model.language_model.layers)[of_toy:]:
            size *= louder
            for name, parameter in layer.named_parameters():
                if parameter.ndim == 2:  # what comes out is as large as what goes in, or `size` where it is added
                    added = size if name.endswith(("o_proj.weight", "down_proj.weight")) else 1.0
                    parameter.data.normal_(0, added / parameter.shape[1] ** 0.5)
                else:
                    parameter.data.fill_(0.0 if name.endswith("bias") else 1.0)
        model.save_pretrained(folder)
        AutoProcessor.from_pretrained(toy).save_pretrained(folder)
    return folder
