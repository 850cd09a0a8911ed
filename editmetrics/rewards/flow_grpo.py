"""flow_grpo: a stand-in for its `multi_score`, so that its configuration names metrics of editmetrics.

    import flow_grpo.rewards
    from editmetrics.rewards import flow_grpo as editmetrics_rewards

    flow_grpo.rewards.multi_score = editmetrics_rewards.multi_score    # before the script's main
    config.reward_fn = {"edit_score": 0.8, "lpips": 0.2}

Its trainers call `multi_score(device, config.reward_fn)` once, and the result as `fn(images, prompts, metadata,
only_strict=True)`, those of edits as `fn(images, prompts, metadata, ref_images, only_strict=True)`
(`flow_grpo/rewards.py`, `scripts/train_sd3.py`, commit ac4c86e8; `scripts/train_qwenimage_edit_plus.py`, commit
9dcdc35b). They train on `avg`, whose mean and standard deviation one NaN would spoil for all samples of a prompt, or of
the batch (`stat_tracking.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .reward import Reward, as_reward

MultiScore = Callable[..., tuple[dict[str, list[float]], dict[str, float]]]


def multi_score(device: Any, score_dict: Mapping[str, float] | Reward, **options: Any) -> MultiScore:
    """Return the function that flow_grpo's trainers call, for metrics and weights or for a `Reward`.

    `options` are those of `as_reward`. The function returns a list for each metric, with NaN where it has no number,
    and `avg`, the weighted sum, which is trained on and has a number for every sample; then the step's statistics.

    >>> import numpy as np
    >>> score = multi_score("cpu", {"mae": 1.0})
    >>> images = np.zeros((1, 8, 8, 3), np.uint8)
    >>> score(images, ["a dog"], [{}], images + 255, only_strict=True)[0]
    {'mae': [1.0], 'avg': [-1.0]}
    """
    reward = score_dict if isinstance(score_dict, Reward) else as_reward(score_dict, device=device, **options)

    def score(
        images: Any, prompts: Sequence[str], metadata: Any = None, ref_images: Any = None, only_strict: bool = True
    ) -> tuple[dict[str, list[float]], dict[str, float]]:
        rewards, step = reward.flow_grpo_step(images, prompts, metadata, ref_images)
        details = {
            name: [math.nan if value is None else value for value in values] for name, values in step.terms.items()
        }
        return {**details, "avg": rewards}, step.stats

    return score
