"""verl and verl-omni: `compute_score` of one sample, found by path.

    reward.custom_reward_function.path=pkg://editmetrics.rewards.verl
    reward.custom_reward_function.name=compute_score
    +reward.custom_reward_function.reward_kwargs.metrics=edit_score

verl-omni calls `compute_score(data_source=, solution_image=, ground_truth=, extra_info=)` for one image, uint8
(3, H, W), from a pool of threads (`verl_omni/reward_loop/reward_manager/visual.py`, commit a1139baf). Neither it nor
verl (commit b178a3cd) leaves out a sample: an exception stops the step or, in `MultiVisualRewardManager`, counts as 0;
NaN spreads over its group and then over the loss.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ..wording import expected_one_of
from .reward import Reward, as_reward
from .terms import RewardError

OF_THE_TRAINER = ("data_source", "reward_router_address", "reward_model_tokenizer", "model_name")
"""What the reward managers hand over and a metric has no use for."""

OPTIONS = ("metrics", "transform", "clip", "on_failure", "url", "device", "workers", "columns", "tolerance")
"""Options of `as_reward` that a configuration file can hold."""


def compute_score(
    data_source: Any = None,
    solution_image: Any = None,
    ground_truth: Any = None,
    extra_info: Any = None,
    **options: Any,
) -> dict[str, Any]:
    """Return the reward of one image: its `score`, whether it `failed`, and each metric's number.

    `options` are those of `as_reward`, from the configuration: `metrics`, `transform`, `on_failure`, `url` and so on.
    The reward that they make is kept, with its metrics loaded, for all calls of the process.
    """
    settings = {name: value for name, value in options.items() if name not in OF_THE_TRAINER}
    for name in settings:
        if name not in OPTIONS:
            raise RewardError(f"unknown option {name!r} of the reward; {expected_one_of(name, OPTIONS)}")
    if "metrics" not in settings:
        raise RewardError("the reward has no metrics: +reward.custom_reward_function.reward_kwargs.metrics=NAME")
    reward = _reward_of(json.dumps(settings, sort_keys=True, default=_plain))
    return reward.verl(
        data_source=data_source, solution_image=solution_image, ground_truth=ground_truth, extra_info=extra_info
    )


@lru_cache(maxsize=8)
def _reward_of(settings: str) -> Reward:
    options = json.loads(settings)
    if options.get("clip") is not None:
        options["clip"] = tuple(options["clip"])
    return as_reward(options.pop("metrics"), **options)


def _plain(value: Any) -> Any:
    """Lists and mappings of OmegaConf as JSON has them."""
    return dict(value) if isinstance(value, Mapping) else list(value)
