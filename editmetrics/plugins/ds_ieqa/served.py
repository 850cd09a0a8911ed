"""DS-IEQA's model on a server: the same prompts, and the same digits, read from its log-probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ...options import OptionError
from ...served.questions import ReadStep, Seen, TokenQuestion, require_served, token_question
from ...served.reading import ReadPositions
from .digit_scale import DigitScale
from .prompts import answer_start, chat

if TYPE_CHECKING:
    import numpy as np

    from ...judge import Answer
    from ...mllm.prompt_writer import PromptWriter
    from ...mllm.readouts import NumberReadout
    from ...served.export import LocalModel
    from .metric import DSIEQA

DECIMALS = 2


@dataclass
class ServedDigits:
    """As `DigitAssessor`, without its weights. `models`: by dimension, the name of the served model that scores it."""

    backbone: PromptWriter
    definitions: Mapping[str, str]
    scale: DigitScale
    reads: Mapping[str, str]
    models: Mapping[str, str]

    @cached_property
    def steps(self) -> tuple[ReadStep, ...]:
        """The positions of X.XX; `BackboneError` for a tokenizer that groups digits."""
        digit = ReadStep(tuple(self.backbone.digit_ids()), tuple("0123456789"))
        point = ReadStep((self.backbone.token("."),), (".",))
        return (digit, point, *[digit] * DECIMALS)

    def prepare(self, source: np.ndarray, edited: np.ndarray, instruction: str) -> dict[str, TokenQuestion]:
        """The question for each dimension, all with the same two pictures."""
        from ...judge import Image, Message, Question

        images = [Image(source), Image(edited)]
        seen: Seen = {}
        questions = {}
        for dimension, definition in self.definitions.items():
            shown = iter(images)
            turns = chat(None, instruction, dimension, definition, self.scale)
            messages = tuple(
                Message("user", tuple(next(shown) if part is None else part for part in parts)) for _, parts in turns
            )
            questions[dimension] = token_question(
                self.backbone, Question(messages), self.steps, answer_start(dimension), seen, self.models[dimension]
            )
        return questions

    def numbers(self, answers: Mapping[str, Answer]) -> dict[str, NumberReadout]:
        """The number of each dimension of one sample."""
        from ...mllm.readouts import read_number

        return {
            dimension: read_number(ReadPositions(self.steps, answer.logprobs), range(10), 10, DECIMALS)
            for dimension, answer in answers.items()
        }


def served_assessor(metric: DSIEQA) -> ServedDigits:
    """Check the metric's servers, and return the assessor that asks them.

    Raises `JudgeUnavailableError` for a server that cannot be asked, and `OptionError`.
    """
    require_one_checkpoint(metric)
    metric.require_endpoint()
    checkpoint = metric.checkpoint
    if checkpoint is None:
        metric.require_zero_shot()
    writer = metric.trained_writer(checkpoint)
    require_served(writer)
    names = list(metric.definitions_of(checkpoint))
    apart = checkpoint is not None and set(names) <= set(checkpoint.adapters)
    models = {name: name if apart and len(names) > 1 else "" for name in names}
    if apart and len(names) > 1 and not any(";" in (value or "") for value in (metric.endpoint, metric.model)):
        raise OptionError(
            f"{metric.name}: these weights have an adapter for each of {', '.join(names)}, and each is a model of its "
            'own on a server: name them with model="A;B;C", or their servers with endpoint="A;B;C", in this order'
        )
    metric.use_server(list(dict.fromkeys(models.values())), None if checkpoint is None else checkpoint.digest)
    return ServedDigits(writer, metric.definitions_of(checkpoint), metric.scale, metric.reads_of(checkpoint), models)


def models_to_serve(metric: DSIEQA) -> list[LocalModel]:
    """The metric's models on this machine: the backbone with each of the checkpoint's adapters."""
    from ...served.export import LocalModel

    require_one_checkpoint(metric)
    metric.require_local()
    metric.load()
    (assessor,) = metric.assessors
    made_of = metric.checkpoint.digest if metric.checkpoint else assessor.backbone.identity()["sha256"]
    if not assessor.adapters:
        return [LocalModel(metric.name, assessor.backbone, None, made_of, images=2)]
    shared = len(set(assessor.adapters.values())) == 1
    parts = {adapter: "" if shared else name for name, adapter in assessor.adapters.items()}
    return [
        LocalModel(f"{metric.name}-{part}" if part else metric.name, assessor.backbone, adapter, made_of, 2, part)
        for adapter, part in parts.items()
    ]


def require_one_checkpoint(metric: DSIEQA) -> None:
    """Raise `OptionError` for weights that are averaged."""
    if metric.members:
        raise OptionError(f"{metric.name}: a server has the models of one checkpoint; give one in weights")
