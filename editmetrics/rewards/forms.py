"""The forms in which frameworks call a reward."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..sample import Sample
from .batch import RewardBatch, batch_of, fields_of_rows
from .calls import form_of_call

if TYPE_CHECKING:
    import torch

    from .failures import OnFailure
    from .reward import Render
    from .step import Step


class Forms(ABC):
    """The forms of `Reward`: each makes a batch of arguments, and of rewards what its framework expects."""

    columns: Mapping[str, str]
    render: Render | None
    tolerance: float

    @abstractmethod
    def handed_over(self, batch: RewardBatch, default: OnFailure) -> tuple[list[float | None], Step]:
        """The rewards of a batch as a trainer gets them, and its step."""

    @abstractmethod
    def rewards(self, samples: Sequence[Sample]) -> list[float | None]:
        """Return the reward of each sample."""

    def __call__(self, *arguments: Any, **fields: Any) -> Any:
        """Compute rewards in the form of the framework that calls, which the arguments tell."""
        return getattr(self, form_of_call(arguments, fields))(*arguments, **fields)

    def flow_grpo(
        self, images: Any, prompts: Sequence[str], metadata: Any = None, ref_images: Any = None, **_: Any
    ) -> tuple[list[float], dict[str, float]]:
        """The form of flow_grpo: images (N, 3, H, W) in [0, 1] or (N, H, W, 3) uint8 -> one number each, statistics.

        `ref_images` are the sources; fields of a sample are also taken from `metadata`, one dictionary for each image.
        flow_grpo leaves out no sample, and NaN would spread: `framework` means `neutral`.
        """
        rewards, step = self.flow_grpo_step(images, prompts, metadata, ref_images)
        return rewards, step.stats

    def flow_grpo_step(
        self, images: Any, prompts: Sequence[str], metadata: Any = None, ref_images: Any = None
    ) -> tuple[list[float], Step]:
        """`flow_grpo`, with the whole step."""
        rows = metadata if isinstance(metadata, (list, tuple)) else []
        fields: dict[str, Any] = fields_of_rows(rows, self.columns) | {"edited": images, "prompt": list(prompts)}
        if ref_images is not None:
            fields["source"] = ref_images
        rewards, step = self.handed_over(batch_of(fields, self.tolerance, name="flow_grpo"), "neutral")
        return _numbers(rewards), step

    def trl(self, completions: Sequence[Any], prompts: Sequence[Any] | None = None, **columns: Any) -> Any:
        """The form of TRL: completions, prompts and columns of the data set -> a number each, None without a reward.

        TRL leaves out None: `framework` means `none`. See `rewards.trl` for where the images come from.
        """
        from .trl import batch_of_completions, report

        rewards, step = self.handed_over(batch_of_completions(self, completions, prompts, columns), "none")
        report(columns, step.stats)
        return rewards

    def flow_factory(
        self, prompt: Sequence[str], image: Any = None, condition_images: Any = None, **fields: Any
    ) -> tuple[list[float], dict[str, float]]:
        """The form of Flow-Factory's reward models: prompts, images and condition images -> a number each, statistics.

        Condition images are the sources; `fields` are those of a sample. Flow-Factory leaves out no sample, and NaN
        would spread: `framework` means `neutral`.
        """
        values: dict[str, Any] = {**fields, "edited": image, "prompt": list(prompt)}
        if condition_images is not None:
            values["source"] = [list(images) for images in condition_images]
        rewards, step = self.handed_over(batch_of(values, self.tolerance, name="Flow-Factory"), "neutral")
        return _numbers(rewards), step.stats

    def verl(self, **arguments: Any) -> dict[str, Any]:
        """The form of verl and verl-omni: one sample -> its `score`, whether it `failed`, and the metrics' numbers.

        Neither leaves out a sample: `framework` means `neutral`, the mean reward of its group so far.
        """
        from .solutions import answer, batch_of_solution

        (reward,), step = self.handed_over(batch_of_solution(self, arguments), "neutral")
        return answer(reward, step)

    def dance_grpo(self, images: Any, prompts: Sequence[str], sources: Any = None) -> torch.Tensor:
        """The form of DanceGRPO's reward models: images or their paths, and prompts -> a tensor (N,) of float32.

        DanceGRPO leaves out no sample, and NaN would spread: `framework` means `neutral`.
        """
        import torch

        fields = {"edited": images, "prompt": list(prompts), "source": sources}
        rewards, _ = self.handed_over(batch_of(fields, self.tolerance, name="DanceGRPO"), "neutral")
        return torch.tensor(_numbers(rewards), dtype=torch.float32)

    reward = dance_grpo
    """Under the name by which DanceGRPO calls `HPSv3RewardInferencer`, in whose place it can stand."""


def _numbers(rewards: Sequence[float | None]) -> list[float]:
    """Rewards for a framework that knows no None: NaN then, which `on_failure="none"` asked for."""
    return [math.nan if reward is None else reward for reward in rewards]
