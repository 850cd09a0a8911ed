"""verl and verl-omni hand over one sample at a time: as a batch of one, and the reward as they stack it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..images.read import is_tensor
from ..images.stand_ins import Unreadable, file_or_pixels
from .batch import RewardBatch, batch_of, fields_of_rows
from .terms import RewardError

if TYPE_CHECKING:
    from .forms import Forms
    from .step import Step


def batch_of_solution(reward: Forms, arguments: Mapping[str, Any]) -> RewardBatch:
    """Return the one sample of a call.

    `solution_image` is the edited image, or `render(solution_str, extra_info)` where the reward has `render`. The
    prompt is `extra_info["prompt"]`, else `ground_truth` if that is text; other fields of a sample are in `extra_info`.
    Its group is `extra_info["index"]`, which verl's data sets have, else prompt and source.
    """
    extra = dict(arguments.get("extra_info") or {})
    fields = fields_of_rows([extra], reward.columns)
    truth = arguments.get("ground_truth")
    if not isinstance(fields.get("prompt", [None])[0], str):
        fields["prompt"] = [truth if isinstance(truth, str) else None]
    image = arguments.get("solution_image")
    if image is not None:
        fields["edited"] = [_one_image(image)]
    elif reward.render is not None:
        try:
            fields["edited"] = [reward.render(arguments.get("solution_str") or "", extra)]
        except Exception as error:
            fields["edited"] = [Unreadable(f"the answer cannot be rendered: {type(error).__name__}: {error}")]
    else:
        raise RewardError("verl handed over text and no image: give as_reward a function render=")
    for field in ("source", "reference", "mask"):
        if field in fields:
            fields[field] = [file_or_pixels(image) for image in fields[field]]
    groups = [str(extra["index"])] if extra.get("index") is not None else None
    return batch_of(fields, reward.tolerance, groups, name="verl")


def _one_image(image: Any) -> Any:
    """The image of a solution, without the axis of a video of one frame."""
    if getattr(image, "ndim", 0) == 4 and len(image) == 1:
        image = image[0]
    if is_tensor(image) and image.ndim == 3 and image.shape[0] not in (1, 3) and image.shape[2] in (1, 3):
        return image.permute(2, 0, 1)
    return image


def answer(reward: float | None, step: Step) -> dict[str, Any]:
    """Return the reward of one sample with the same keys for every one, as verl stacks them."""
    terms = {name: math.nan if values[0] is None else values[0] for name, values in step.terms.items()}
    return {"score": math.nan if reward is None else reward, "failed": int(step.values[0] is None), **terms}
