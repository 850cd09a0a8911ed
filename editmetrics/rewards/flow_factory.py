"""Flow-Factory: reward models that its configuration finds by dotted path.

    rewards:
      - name: edit
        reward_model: editmetrics.rewards.flow_factory.PointwiseReward    # or GroupwiseReward
        metrics: {"edit_score": 0.8, "lpips": 0.2}
        on_failure: neutral

Its loader imports the class and calls it with `config` and `accelerator`; its processor hands over the images of a
batch (pointwise) or of a whole group (groupwise), by the fields' names, and tells the two by their base class
(`src/flow_factory/rewards/`: `abc.py`, `registry.py`, `reward_processor.py`, commit a0b2bc5a). The classes are made of
Flow-Factory's own when they are asked for; without the package installed, asking raises `ImportError`.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from ..wording import expected_one_of
from .reward import Reward, as_reward
from .terms import RewardError

CLASSES = {"PointwiseReward": "PointwiseRewardModel", "GroupwiseReward": "GroupwiseRewardModel"}
"""The classes here, and their bases in `flow_factory.rewards`."""

OPTIONS = ("metrics", "transform", "clip", "normalise", "on_failure", "url", "workers", "tolerance")
"""Keys of a reward's configuration, besides Flow-Factory's own, that are options of `as_reward`."""


def reward_of(config: Any, device: Any) -> Reward:
    """Return the reward that a configuration describes; raises `RewardError` for keys that it does not know."""
    options = dict(config.extra_kwargs)
    for name in options:
        if name not in OPTIONS:
            raise RewardError(f"reward {config.name}: unknown key {name!r}; {expected_one_of(name, OPTIONS)}")
    if "metrics" not in options:
        raise RewardError(f"reward {config.name}: the key metrics is missing; name one, or several with weights")
    if options.get("clip") is not None:
        options["clip"] = tuple(options["clip"])
    metrics = options.pop("metrics")
    return as_reward(metrics, device=None if options.get("url") else device, **options)


@cache
def _model_class(name: str) -> type:
    """The reward model `name`, derived from Flow-Factory's class."""
    framework = import_module("flow_factory.rewards")
    base: Any = getattr(framework, CLASSES[name])

    class Model(base):
        """A reward of editmetrics as a reward model of Flow-Factory."""

        required_fields: tuple[str, ...] = ("prompt", "image")
        use_tensor_inputs = True  # its own way to PIL takes a batch with one negative value for one in [-1, 1]

        def __init__(self, config: Any, accelerator: Any) -> None:
            super().__init__(config, accelerator)
            self.reward = reward_of(config, self.device)
            if "source" in self.reward.needs:
                self.required_fields = ("prompt", "image", "condition_images")

        def __call__(
            self, prompt: Any, image: Any = None, condition_images: Any = None, mask: Any = None, reference: Any = None,
            source_prompt: Any = None, questions: Any = None,
        ) -> Any:  # fmt: skip
            """Return the reward of each sample and the step's statistics.

            The processor hands over those fields that the signature names; with more, it would copy latents, too.
            """
            more = {"mask": mask, "reference": reference, "source_prompt": source_prompt, "questions": questions}
            rewards, stats = self.reward.flow_factory(prompt, image, condition_images, **more)
            return framework.RewardModelOutput(rewards=rewards, extra_info=stats)

    Model.__name__ = Model.__qualname__ = name
    return Model


def __getattr__(name: str) -> Any:
    if name not in CLASSES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _model_class(name)
