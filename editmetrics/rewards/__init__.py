"""Metrics as rewards of training loops: `as_reward` gives one object for every framework; see `docs/rewards.md`.

reward = as_reward({"edit_score": 0.8, "lpips": 0.2}, normalise="group")
rewards, stats = reward(images, prompts, metadata)                # flow_grpo
trainer = GRPOTrainer(reward_funcs=reward, ...)                   # TRL
"""

from .failures import NoRewardError
from .reward import Reward, as_reward
from .step import Step
from .terms import RewardError, Term

__all__ = ["NoRewardError", "Reward", "RewardError", "Step", "Term", "as_reward"]
