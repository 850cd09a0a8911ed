"""TRL: completions, prompts and columns of a data set as samples.

`GRPOTrainer(reward_funcs=[reward])` calls `reward(prompts=, completions=, completion_ids=, trainer_state=, log_extra=,
log_metric=, **columns)` and takes a list of numbers and None (TRL 1.16, `trainer/grpo_trainer.py`, as of commit
f2cd5771). A None becomes NaN, is left out of its group's mean and standard deviation, and its advantage is 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..images.stand_ins import Unreadable, file_or_pixels
from .batch import RewardBatch, batch_of, fields_of_rows
from .terms import RewardError

if TYPE_CHECKING:
    from .forms import Forms

OF_THE_TRAINER = ("completion_ids", "trainer_state", "log_extra", "log_metric", "environments")
"""What TRL hands over beside the columns of the data set."""


def batch_of_completions(
    reward: Forms, completions: Sequence[Any], prompts: Sequence[Any] | None, columns: Mapping[str, Any]
) -> RewardBatch:
    """Return the samples of a call by TRL.

    The edited image is what `render(text, row)` makes of the completion's text, where the reward has it; else the last
    image in the completion's messages, else the column that `columns` names for `edited`. The prompt is that
    column, else the text of the last message of `prompts`. Other fields of a sample are columns of their name.
    """
    count = len(completions)
    kept = {name: value for name, value in columns.items() if name not in OF_THE_TRAINER}
    rows = [
        {name: value[index] for name, value in kept.items() if isinstance(value, (list, tuple)) and len(value) == count}
        for index in range(count)
    ]
    texts = [_text(prompt) for prompt in prompts] if prompts is not None else [None] * count
    for row, text in zip(rows, texts, strict=True):
        row.setdefault("prompt", text)
    fields: dict[str, Any] = fields_of_rows(rows, reward.columns)
    if reward.render is not None:
        fields["edited"] = [_rendered(reward.render, one, row) for one, row in zip(completions, rows, strict=True)]
    elif any(_images(completion) for completion in completions):
        fields["edited"] = [
            images[-1] if (images := _images(completion)) else Unreadable("the completion has no image")
            for completion in completions
        ]
    if "edited" not in fields:
        raise RewardError(
            "TRL handed over text and no images: give as_reward a function render=, which makes the edited image of a "
            "completion, or columns={'edited': NAME}"
        )
    for field in ("source", "reference", "mask"):
        if field in fields:
            fields[field] = [file_or_pixels(image) for image in fields[field]]
    return batch_of(fields, reward.tolerance, name="TRL")


def report(columns: Mapping[str, Any], stats: Mapping[str, float]) -> None:
    """Hand the statistics of a step to the trainer's own log, where it takes them."""
    log_metric = columns.get("log_metric")
    if log_metric is not None:
        for name, value in stats.items():
            log_metric(name, value)


def _rendered(render: Any, completion: Any, row: Mapping[str, Any]) -> Any:
    """The image of a completion; what cannot be rendered costs its own sample."""
    try:
        return render(_text(completion) or "", row)
    except Exception as error:
        return Unreadable(f"the completion cannot be rendered: {type(error).__name__}: {error}")


def _parts(message: Any) -> list[Any]:
    """The parts of a chat message: its text, or its list of texts and images."""
    content = message.get("content") if isinstance(message, Mapping) else message
    return list(content) if isinstance(content, (list, tuple)) else [content]


def _text(chat: Any) -> str | None:
    """The text of a completion or prompt; of a chat, that of its last message."""
    if isinstance(chat, str):
        return chat or None
    if not isinstance(chat, Sequence) or not chat:
        return None
    parts = _parts(chat[-1])
    texts = [part["text"] if isinstance(part, Mapping) else part for part in parts if _is_text(part)]
    return "\n".join(texts) or None


def _is_text(part: Any) -> bool:
    return isinstance(part, str) or (isinstance(part, Mapping) and isinstance(part.get("text"), str))


def _images(chat: Any) -> list[Any]:
    """The images in the messages of a completion, in order."""
    if isinstance(chat, str) or not isinstance(chat, Sequence):
        return []
    return [
        part["image"]
        for message in chat
        for part in _parts(message)
        if isinstance(part, Mapping) and part.get("image") is not None
    ]
