"""The model that LMM4LMM published, written from its description: InternVL's chat layout, in plain tensor operations.

InternViT (class token, learned positions, pre-norm blocks with layer scale), pixel shuffle "v2", a two-layer projector,
InternLM2 (RMSNorm, one weight for the queries, keys and values of each group, rotary positions, SwiGLU), LoRA on the
linear layers of both, and the score head with a ReLU after each of its five layers.
"""

from __future__ import annotations

import json
from itertools import pairwise

import torch
from safetensors.torch import save_file
from torch.nn import functional as F

RANK = 4
CONFIG = {
    "architectures": ["InternVLChatModel"],
    "downsample_ratio": 0.5,
    "ps_version": "v2",
    "select_layer": -1,
    "vision_config": {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48, "image_size": 64,
        "patch_size": 8, "qkv_bias": True, "qk_normalization": False, "norm_type": "layer_norm",
        "layer_norm_eps": 1e-6, "hidden_act": "gelu",
    },
    "llm_config": {
        "model_type": "internlm2", "architectures": ["InternLM2ForCausalLM"], "bias": False, "hidden_size": 48,
        "num_hidden_layers": 3, "num_attention_heads": 6, "num_key_value_heads": 2, "intermediate_size": 80,
        "rms_norm_eps": 1e-5, "rope_theta": 1e6, "rope_scaling": {"type": "dynamic", "factor": 2.0},
        "max_position_embeddings": 4096, "hidden_act": "silu", "vocab_size": 0,
    },
}  # fmt: skip
HEAD = (48, 24, 16, 8, 4, 1)


def layout(config: dict, lora: bool = True, rank: int = RANK, head: tuple[int, ...] = HEAD) -> dict[str, tuple]:
    """The training's dump (peft wraps both models): by name a shape, and mean and spread of its random numbers.

    The spread is that of a row, whose numbers have it over the root of their count.
    """
    vision, language = config["vision_config"], config["llm_config"]
    tensors: dict[str, tuple] = {}

    def put(name, *shape, around=0.0, size=0.3):
        tensors[name] = shape, around, size

    def linear(path, out, into, bias, adapted=True):
        base = f"{path}.base_layer" if lora and adapted else path
        put(f"{base}.weight", out, into, size=1.0)
        if bias:
            put(f"{base}.bias", out)
        if lora and adapted:
            put(f"{path}.lora_A.default.weight", rank, into, size=1.0)
            put(f"{path}.lora_B.default.weight", out, rank, size=0.5)

    def norm(path, size, bias):
        put(f"{path}.weight", size, around=1.0)
        if bias:
            put(f"{path}.bias", size)

    tower = "vision_model.base_model.model" if lora else "vision_model"
    h, i = vision["hidden_size"], vision["intermediate_size"]
    put(f"{tower}.embeddings.class_embedding", 1, 1, h)
    put(f"{tower}.embeddings.position_embedding", 1, (vision["image_size"] // vision["patch_size"]) ** 2 + 1, h)
    put(f"{tower}.embeddings.patch_embedding.weight", h, 3, vision["patch_size"], vision["patch_size"])
    put(f"{tower}.embeddings.patch_embedding.bias", h)
    for n in range(vision["num_hidden_layers"]):
        layer = f"{tower}.encoder.layers.{n}"
        linear(f"{layer}.attn.qkv", 3 * h, h, True)
        linear(f"{layer}.attn.proj", h, h, True)
        linear(f"{layer}.mlp.fc1", i, h, True)
        linear(f"{layer}.mlp.fc2", h, i, True)
        norm(f"{layer}.norm1", h, True)
        norm(f"{layer}.norm2", h, True)
        put(f"{layer}.ls1", h, around=0.5)
        put(f"{layer}.ls2", h, around=0.5)
    d, kv = language["hidden_size"], language["num_key_value_heads"]
    norm("mlp1.0", 4 * h, True)
    linear("mlp1.1", d, 4 * h, True, adapted=False)
    linear("mlp1.3", d, d, True, adapted=False)
    llm = "language_model.base_model.model" if lora else "language_model"
    size = d // language["num_attention_heads"]
    put(f"{llm}.model.tok_embeddings.weight", language["vocab_size"], d, size=5.0)
    for n in range(language["num_hidden_layers"]):
        layer = f"{llm}.model.layers.{n}"
        linear(f"{layer}.attention.wqkv", d + 2 * kv * size, d, False)
        linear(f"{layer}.attention.wo", d, d, False)
        for w in ("w1", "w3"):
            linear(f"{layer}.feed_forward.{w}", language["intermediate_size"], d, False)
        linear(f"{layer}.feed_forward.w2", d, language["intermediate_size"], False)
        norm(f"{layer}.attention_norm", d, False)
        norm(f"{layer}.ffn_norm", d, False)
    norm(f"{llm}.model.norm", d, False)
    put(f"{llm}.output.weight", language["vocab_size"], d)
    if lora:
        for n, (into, out) in enumerate(pairwise(head), 1):
            put(f"mlpscore.fc{n}.weight", out, into, size=1.0)
            put(f"mlpscore.fc{n}.bias", out, around=0.5)
        norm("mlpscore.ln1", head[1], True)
    return tensors


def random_model(vocabulary: int, seed: int = 0, lora: bool = True) -> tuple[dict, dict[str, torch.Tensor]]:
    """config.json and random tensors of a tiny model."""
    config = json.loads(json.dumps(CONFIG))
    config["llm_config"]["vocab_size"] = vocabulary
    random = torch.Generator().manual_seed(seed)
    return config, {
        name: around + size * torch.randn(*shape, generator=random) / max(shape[-1], 1) ** 0.5
        for name, (shape, around, size) in layout(config, lora).items()
    }


def write(folder, config, tensors) -> None:
    """As `save_pretrained` leaves it, in two shards, with the adapters once more in a file of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    shards = {name: f"model-0000{1 + index % 2}-of-00002.safetensors" for index, name in enumerate(tensors)}
    for shard in set(shards.values()):
        save_file({name: tensor for name, tensor in tensors.items() if shards[name] == shard}, str(folder / shard))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": shards}))
    if adapters := {name: tensor for name, tensor in tensors.items() if "lora" in name}:
        torch.save(adapters, folder / "lora_weights.pth")


class ChatModel:
    """The forward pass: pixels of tiles and token ids -> hidden states (T, d) after the last norm, and the score."""

    def __init__(self, config, tensors, image_token: int) -> None:
        self.config, self.tensors, self.image_token = config, tensors, image_token
        self.lora = any("lora" in name for name in tensors)

    def _linear(self, path: str, x: torch.Tensor) -> torch.Tensor:
        base = f"{path}.base_layer" if f"{path}.base_layer.weight" in self.tensors else path
        y = F.linear(x, self.tensors[f"{base}.weight"], self.tensors.get(f"{base}.bias"))
        if f"{path}.lora_A.default.weight" in self.tensors:
            down, up = (self.tensors[f"{path}.lora_{matrix}.default.weight"] for matrix in "AB")
            y = y + 2.0 * x @ down.T @ up.T  # alpha / rank = 2
        return y

    def _layer_norm(self, path: str, x: torch.Tensor, eps: float) -> torch.Tensor:
        return F.layer_norm(x, x.shape[-1:], self.tensors[f"{path}.weight"], self.tensors[f"{path}.bias"], eps)

    def _rms_norm(self, path: str, x: torch.Tensor) -> torch.Tensor:
        eps = self.config["llm_config"]["rms_norm_eps"]
        return self.tensors[f"{path}.weight"] * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps)

    def _vision(self, pixels: torch.Tensor) -> torch.Tensor:
        config = self.config["vision_config"]
        heads, eps = config["num_attention_heads"], config["layer_norm_eps"]
        tower = "vision_model.base_model.model" if self.lora else "vision_model"
        embedding = f"{tower}.embeddings"
        x = F.conv2d(
            pixels, self.tensors[f"{embedding}.patch_embedding.weight"],
            self.tensors[f"{embedding}.patch_embedding.bias"], stride=config["patch_size"],
        ).flatten(2).transpose(1, 2)  # fmt: skip
        x = torch.cat([self.tensors[f"{embedding}.class_embedding"].expand(len(x), 1, -1), x], 1)
        x = x + self.tensors[f"{embedding}.position_embedding"]
        for n in range(config["num_hidden_layers"]):
            layer = f"{tower}.encoder.layers.{n}"
            count, length, width = x.shape
            qkv = self._linear(f"{layer}.attn.qkv", self._layer_norm(f"{layer}.norm1", x, eps))
            q, k, v = qkv.reshape(count, length, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
            weights = (q @ k.transpose(-1, -2) / (width // heads) ** 0.5).softmax(-1)
            mixed = (weights @ v).transpose(1, 2).reshape(count, length, width)
            x = x + self.tensors[f"{layer}.ls1"] * self._linear(f"{layer}.attn.proj", mixed)
            inner = F.gelu(self._linear(f"{layer}.mlp.fc1", self._layer_norm(f"{layer}.norm2", x, eps)))
            x = x + self.tensors[f"{layer}.ls2"] * self._linear(f"{layer}.mlp.fc2", inner)
        x = x[:, 1:]
        side = round(x.shape[1] ** 0.5)
        x = x.reshape(len(x), side, side // 2, x.shape[-1] * 2).permute(0, 2, 1, 3)
        x = x.reshape(len(x), side // 2, side // 2, x.shape[-1] * 2).permute(0, 2, 1, 3)
        x = self._layer_norm("mlp1.0", x.reshape(len(x), -1, x.shape[-1]), 1e-5)
        return self._linear("mlp1.3", F.gelu(self._linear("mlp1.1", x)))

    def hidden(self, pixels: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        config = self.config["llm_config"]
        heads, groups = config["num_attention_heads"], config["num_key_value_heads"]
        llm = "language_model.base_model.model" if self.lora else "language_model"
        x = self.tensors[f"{llm}.model.tok_embeddings.weight"][ids].clone()
        x[ids == self.image_token] = self._vision(pixels).flatten(0, 1)
        length, width = x.shape
        size, of_group = width // heads, heads // groups
        frequency = config["rope_theta"] ** (-torch.arange(0, size, 2, dtype=torch.float64) / size)
        angles = torch.arange(length, dtype=torch.float64)[:, None] * frequency
        cos, sin = (f(angles).float().repeat(1, 2) for f in (torch.cos, torch.sin))

        def rotate(t):
            first, second = t.chunk(2, -1)
            return t * cos + torch.cat([-second, first], -1) * sin

        mask = torch.full((length, length), float("-inf")).triu(1)
        for n in range(config["num_hidden_layers"]):
            layer = f"{llm}.model.layers.{n}"
            qkv = self._linear(f"{layer}.attention.wqkv", self._rms_norm(f"{layer}.attention_norm", x))
            qkv = qkv.reshape(length, groups, of_group + 2, size).permute(1, 2, 0, 3)
            mixed = []
            for group in qkv:
                k, v = rotate(group[-2]), group[-1]
                for q in group[:-2]:
                    mixed.append((rotate(q) @ k.T / size**0.5 + mask).softmax(-1) @ v)
            x = x + self._linear(f"{layer}.attention.wo", torch.cat(mixed, -1))
            y = self._rms_norm(f"{layer}.ffn_norm", x)
            gate = F.silu(self._linear(f"{layer}.feed_forward.w1", y))
            x = x + self._linear(f"{layer}.feed_forward.w2", gate * self._linear(f"{layer}.feed_forward.w3", y))
        return self._rms_norm(f"{llm}.model.norm", x)

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        return (
            hidden
            @ self.tensors[("language_model.base_model.model" if self.lora else "language_model") + ".output.weight"].T
        )

    def score(self, hidden: torch.Tensor) -> torch.Tensor:
        x = hidden
        for n in range(1, len(HEAD)):
            x = F.relu(self._linear(f"mlpscore.fc{n}", x))
        return x[..., 0]
