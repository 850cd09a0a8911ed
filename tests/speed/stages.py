"""The stages of the four trainings as they are made by each metric's `fit`, and the plain way of each.

Ours: the metric's own learner and lessons, with what `fit` keeps of images. Plain: one forward pass of transformers'
model over token ids, pixels and labels, on which peft has put LoRA of the same rank on the same layers; its images go
through the vision tower in every step, and logits are of all positions. Where a stage's loss is not next-token
cross-entropy, the plain way computes the same loss from the model's logits or last hidden state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from editmetrics.images import eight_bits, read_image
from editmetrics.mllm.backbone import Backbone, Prompt
from editmetrics.mllm.features import FeatureStore
from editmetrics.mllm.heads import RegressionHead
from editmetrics.mllm.lessons import Lesson
from editmetrics.mllm.lora import add_lora, trainable
from editmetrics.mllm.projector import projector_tensors, using_projector
from editmetrics.mllm.targets import Example
from editmetrics.plugins.ds_ieqa import assessor as ds_assessor
from editmetrics.plugins.ds_ieqa import learner as ds_learner
from editmetrics.plugins.ds_ieqa import method as ds_method
from editmetrics.plugins.ds_ieqa.digit_scale import DigitScale
from editmetrics.plugins.ds_ieqa.prompts import START_DEFINITIONS
from editmetrics.plugins.ds_ieqa.tdrl import tdrl
from editmetrics.plugins.epaiqa import assessor as epaiqa_assessor
from editmetrics.plugins.epaiqa import learner as epaiqa_learner
from editmetrics.plugins.epaiqa import lessons as epaiqa_lessons
from editmetrics.plugins.epaiqa import method as epaiqa_method
from editmetrics.plugins.epaiqa.box import Box
from editmetrics.plugins.hpe_lsa import assessor as hpe_assessor
from editmetrics.plugins.hpe_lsa import contrastive
from editmetrics.plugins.hpe_lsa import method as hpe_method
from editmetrics.plugins.lmm4lmm import assessor as lmm_assessor
from editmetrics.plugins.lmm4lmm import learner as lmm_learner
from editmetrics.plugins.lmm4lmm import method as lmm_method
from editmetrics.plugins.lmm4lmm.prompts import question, sentence
from editmetrics.sample import Sample

ADAPTER = "speed"


@dataclass
class Stage:
    """One stage of a training on a backbone, ours and plain.

    - `module`, `lessons`, `collate`, `length`: what our `train` takes.
    - `prompts`: of each lesson, those that the plain way reads. `loss`: the plain loss of a model's output of a
      micro-batch, of its prompts and of its lessons; None for the model's own, cross-entropy of the labels.
    - `parts`, `rank`, `alpha`, `dropout`: of LoRA, and `trained`, the names of other parameters that are trained;
      `head`, a head beside the model. `hidden`: the plain loss reads the last hidden state, and no logits.
    """

    module: nn.Module
    lessons: Sequence[Any]
    collate: Callable[[list[Any]], Mapping[str, Any]]
    length: Callable[[Any], int] | None
    prompts: Callable[[Any], list[Prompt]]
    loss: Callable[[Any, list[Prompt], list[Any]], Tensor] | None = None
    parts: Sequence[str] = ()
    lora: Mapping[str, Any] | None = None
    trained: str | None = None
    head: nn.Module | None = None
    hidden: bool = False


def edits(count: int, side: int) -> list[Sample]:
    """Random pictures of `side` pixels, and instructions and explanations of varied length."""
    random = np.random.default_rng(0)
    words = np.array(
        ["the", "sky", "is", "red", "and", "its", "edge", "looks", "natural", "where", "the", "hill", "begins", "but",
         "grain", "differs"]
    )  # fmt: skip

    def picture() -> np.ndarray:
        return random.integers(0, 256, (side, side, 3), dtype=np.uint8)

    def text(low: int, high: int) -> str:
        return " ".join(random.choice(words, random.integers(low, high + 1)))

    return [
        Sample(f"{row}", edited=picture(), source=picture(), prompt=text(3, 12),
               meta={"rating": float(random.uniform(1, 5)), "explanation": text(10, 120)})
        for row in range(count)
    ]  # fmt: skip


# ---------------------------------------------------------------------- ours


@contextmanager
def ds_ieqa(backbone: Backbone, samples: Sequence[Sample], folder: Path, dropout: float | None) -> Iterator[Stage]:
    """TDRL: LoRA on the language model, features of the frozen vision tower kept on disk."""
    method = _with(ds_method.DSIEQAMethod(), dropout)
    store = FeatureStore(folder / "features", backbone)
    dimension = "visual_quality"
    definitions = {dimension: START_DEFINITIONS[dimension]}
    assessor = ds_assessor.DigitAssessor(backbone, definitions, DigitScale(1, 5), {dimension: ADAPTER}, store.get)
    lora = _add(backbone, method, tuple(method.parts))
    learner = ds_learner.DigitLearner(assessor, method, store)
    plain = ds_assessor.DigitAssessor(backbone, definitions, DigitScale(1, 5))
    pairs, seen = ds_learner.Pairs(assessor, store), ds_learner.Pairs(plain, None)
    examples = [Example(sample, {dimension: sample.meta["rating"]}) for sample in samples]
    lessons = [learner.lesson(pairs, example, dimension) for example in examples]
    pixels = {one.id: one.prompt for one in (learner.lesson(seen, example, dimension) for example in examples)}

    def loss(output: Any, prompts: list[Prompt], _: list[Any]) -> Tensor:
        logits = torch.stack(
            [row[p.answer_start - 1 : len(p) - 1] for row, p in zip(output.logits, prompts, strict=True)]
        )
        answers = torch.stack([p.ids[p.answer_start :] for p in prompts]).to(logits.device)
        return tdrl(logits, answers, assessor.digits).loss

    yield Stage(
        learner, lessons, ds_learner.collate, _tokens, lambda one: [pixels[one.id]], loss, tuple(method.parts), lora
    )


@contextmanager
def hpe_lsa(backbone: Backbone, samples: Sequence[Sample], folder: Path, dropout: float | None) -> Iterator[Stage]:
    """Contrastive tuning: LoRA on vision tower and language model, three images an example."""
    method = _with(hpe_method.HPELSAMethod(), dropout)
    assessor = hpe_assessor.LayerAssessor(backbone, ADAPTER, None, method.pooling)
    lora = _add(backbone, method, tuple(method.parts))
    module = contrastive.Contrast(assessor, method)
    lessons = [
        contrastive.Triplet(one.id, *map(assessor.single, (one.source, other.source, one.edited)))
        for one, other in zip(samples, [*samples[1:], samples[0]], strict=True)
    ]

    def loss(output: Any, prompts: list[Prompt], _: list[Any]) -> Tensor:
        states = _last_states(output, prompts).float()
        return contrastive.contrastive_loss(*states.chunk(3), method.temperature).mean()

    yield Stage(
        module, lessons, contrastive.collate, contrastive.longest, lambda one: list(one[1:]), loss,
        tuple(method.parts), lora, hidden=True,
    )  # fmt: skip


@contextmanager
def lmm4lmm_levels(
    backbone: Backbone, samples: Sequence[Sample], folder: Path, dropout: float | None
) -> Iterator[Stage]:
    """LMM4LMM's first stage: the projector alone learns to say levels."""
    assessor = lmm_assessor.TaskAssessor(backbone, len(_pixels(samples[0])), ("perception",))
    lessons = [
        Lesson(
            s.id,
            assessor.taught(
                assessor.see(_pixels(s)), question("perception", s.prompt), sentence("perception", 1 + row % 5)
            ),
        )
        for row, s in enumerate(samples)
    ]
    with using_projector(backbone, projector_tensors(backbone), trained=True):
        module = lmm_learner.LanguageLearner(assessor)
        yield Stage(module, lessons, lmm_learner.collate, _tokens, _prompt, trained="projector")


@contextmanager
def lmm4lmm_ratings(
    backbone: Backbone, samples: Sequence[Sample], folder: Path, dropout: float | None
) -> Iterator[Stage]:
    """LMM4LMM's second stage: LoRA on vision tower and language model, and a head, learn ratings."""
    method = _with(lmm_method.LMM4LMMMethod(), dropout)
    assessor = lmm_assessor.TaskAssessor(backbone, len(_pixels(samples[0])), ("perception",))
    lora = _add(backbone, method, ("vision", "language"))
    trainable(backbone, ADAPTER)
    head, plain = (
        RegressionHead(backbone.hidden_size, hidden=method.hidden, activation="relu").to(backbone.device)
        for _ in range(2)
    )
    lessons = [
        Lesson(s.id, assessor.scored(assessor.see(_pixels(s)), "perception", s.prompt), s.meta["rating"] - 3.0)
        for s in samples
    ]

    def loss(output: Any, prompts: list[Prompt], lessons: list[Any]) -> Tensor:
        rated = plain(_last_states(output, prompts))[:, 0]
        return nn.functional.l1_loss(rated, rated.new_tensor([lesson.rating for lesson in lessons]))

    yield Stage(
        lmm_learner.RatingLearner(assessor, head, method.rating_loss), lessons, lmm_learner.collate, _tokens, _prompt,
        loss, ("vision", "language"), lora, head=plain, hidden=True,
    )  # fmt: skip


def epaiqa(stage: epaiqa_method.Stage) -> Callable[..., Any]:
    """A stage of EPAIQA, with the adapters of its preset `lora`."""

    @contextmanager
    def made(backbone: Backbone, samples: Sequence[Sample], folder: Path, dropout: float | None) -> Iterator[Stage]:
        method = _with(epaiqa_method.PRESETS["lora"][0], dropout)
        assessor = epaiqa_assessor.ExplainingAssessor(backbone, ADAPTER, method.max_tokens)
        lora = _add(backbone, method, ("vision", "language"))
        box = Box(0.5, 0.5, 0.8, 0.8)
        tasks = {
            "grounding": lambda s, row: ("grounding", s, box),
            "quantitative": lambda s, row: (("harmony", "local_naturalness")[row % 2], s, box, "good"),
            "explained": lambda s, row: ("explained", s, None, "", s.meta["explanation"]),
        }
        lessons = [epaiqa_lessons.StageTask(*tasks[stage](s, row)).lesson(assessor) for row, s in enumerate(samples)]
        learner = epaiqa_learner.StageLearner(assessor, stage)
        yield Stage(
            learner, lessons, epaiqa_learner.collate, _tokens, _prompt, None,
            ("vision",) if stage == "grounding" else ("vision", "language"), lora,
        )  # fmt: skip

    return made


STAGES: dict[str, tuple[str, Callable[..., Any]]] = {
    "ds_ieqa": ("qwen3-vl", ds_ieqa),
    "hpe_lsa": ("internvl", hpe_lsa),
    "lmm4lmm 1": ("internvl", lmm4lmm_levels),
    "lmm4lmm 2": ("internvl", lmm4lmm_ratings),
    "epaiqa 1": ("llava", epaiqa("grounding")),
    "epaiqa 2": ("llava", epaiqa("quantitative")),
    "epaiqa 3": ("llava", epaiqa("explained")),
}
"""By name: the family of its backbone, and what makes it of a backbone and samples."""


def _with(method: Any, dropout: float | None) -> Any:
    return method if dropout is None else replace(method, dropout=dropout)


def _add(backbone: Backbone, method: Any, parts: tuple[str, ...]) -> dict[str, Any]:
    add_lora(backbone, ADAPTER, parts=parts, rank=method.rank, alpha=method.alpha, dropout=method.dropout)
    return {"r": method.rank, "lora_alpha": method.alpha, "lora_dropout": method.dropout}


def _tokens(lesson: Any) -> int:
    return len(lesson.prompt)


def _prompt(lesson: Any) -> list[Prompt]:
    return [lesson.prompt]


def _last_states(output: Any, prompts: Sequence[Prompt]) -> Tensor:
    """(B, H): the state at each prompt's last token."""
    return torch.stack([row[len(prompt) - 1] for row, prompt in zip(output.last_hidden_state, prompts, strict=True)])


def _pixels(sample: Sample) -> np.ndarray:
    return eight_bits(read_image(sample.edited))


# ---------------------------------------------------------------------- plain


def native_inputs(backbone: Backbone, prompts: Sequence[Prompt]) -> dict[str, Tensor]:
    """Prompts as transformers' own model takes them: ids, mask, labels of the answers, and pixels."""
    length = max(len(prompt) for prompt in prompts)
    ids = pad_sequence([prompt.ids for prompt in prompts], batch_first=True, padding_value=backbone._padding)
    lengths = torch.tensor([len(prompt) for prompt in prompts])[:, None]
    starts = torch.tensor([prompt.answer_start for prompt in prompts])[:, None]
    places = torch.arange(length)
    labels = torch.where((places >= starts) & (places < lengths), ids, -100)
    inputs = {"input_ids": ids, "attention_mask": (places < lengths).long(), "labels": labels}
    return inputs | native_pictures(backbone, prompts, ids)


def native_pictures(backbone: Backbone, prompts: Sequence[Prompt], ids: Tensor) -> dict[str, Tensor]:
    """What transformers' own model takes of the prompts' pictures, beside the padded `ids`."""
    pictures = [picture.pixels for prompt in prompts for picture in prompt.pictures]
    if backbone.family.name == "llava_onevision":
        return {
            "pixel_values": pad_sequence([each["pixel_values"] for each in pictures], batch_first=True),
            "image_sizes": torch.stack([torch.as_tensor(each["image_sizes"]) for each in pictures]),
            "batch_num_images": torch.tensor([len(prompt.pictures) for prompt in prompts]),
        }
    inputs = {"pixel_values": torch.cat([each["pixel_values"] for each in pictures])}
    if backbone.family.name.startswith("qwen"):
        inputs["image_grid_thw"] = torch.cat([each["image_grid_thw"] for each in pictures])
        inputs["mm_token_type_ids"] = (ids == backbone.model.config.image_token_id).int()
    return inputs


def plain_model(backbone: Backbone, stage: Stage) -> nn.Module:
    """The model with peft's LoRA, as a plain script has it; what is trained has gradients."""
    from peft import LoraConfig, get_peft_model

    model: Any = backbone.model
    if stage.lora is not None:
        pattern = "|".join(f"({backbone.family.lora_targets[part]})" for part in sorted(stage.parts))
        model = get_peft_model(model, LoraConfig(**stage.lora, target_modules=pattern))  # type: ignore[arg-type]
    if stage.trained == "projector":
        for parameter in backbone.projector.parameters():
            parameter.data = parameter.data.float()
            parameter.requires_grad_(True)
        for part in backbone.projector.children():  # as a plain script does where a part has another dtype
            part.register_forward_pre_hook(lambda _, given: tuple(each.float() for each in given))
    return model


@dataclass
class Asked:
    """What a loss needs beside tensors; the Trainer takes tuples apart, and leaves this alone."""

    prompts: list[Prompt]
    lessons: list[Any]


class Plain(nn.Module):
    """A model and the loss of a stage, as a plain Trainer's `compute_loss` has them."""

    def __init__(self, model: nn.Module, stage: Stage) -> None:
        super().__init__()
        self.model, self.head, self.stage = model, stage.head, stage

    def forward(self, inputs: dict[str, Tensor], asked: Asked) -> Tensor:
        if self.stage.loss is None:
            return self.model(**inputs).loss
        inner: Any = self.model
        inner = inner.get_base_model() if hasattr(inner, "get_base_model") else inner
        model = inner.model if self.stage.hidden else self.model  # without the output head where no logits are read
        output = model(**{name: value for name, value in inputs.items() if name != "labels"})
        return self.stage.loss(output, asked.prompts, asked.lessons)
