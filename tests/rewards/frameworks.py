"""What frameworks do with a reward, written down from their sources; `docs/rewards.md` names files and commits.

None of them can be installed beside this project's pins, or is on a package index, but TRL, whose own trainer runs in
`test_trl.py`. These are the calls and the formulas, not their code.
"""

import inspect
import sys
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType, SimpleNamespace

import numpy as np


def group_advantages(rewards, groups):
    """flow_grpo, Flow-Factory, verl and DanceGRPO: minus the mean of the group, by its standard deviation."""
    rewards, groups = np.asarray(rewards, np.float64), np.asarray(groups)
    advantages = np.empty_like(rewards)
    for group in np.unique(groups):
        members = rewards[groups == group]
        advantages[groups == group] = (members - members.mean()) / (members.std() + 1e-4)
    return advantages


def flow_grpo_step(multi_score, images, prompts, metadata, ref_images=None):
    """A step of flow_grpo's trainers: rewards in a thread, every value of the dictionary a tensor."""
    import torch

    with ThreadPoolExecutor(1) as executor:
        sources = () if ref_images is None else (ref_images,)
        rewards, _ = executor.submit(multi_score, images, prompts, metadata, *sources, only_strict=True).result()
    tensors = {key: torch.as_tensor(value, device="cpu").float() for key, value in rewards.items()}
    assert {tuple(tensor.shape) for tensor in tensors.values()} == {(len(prompts),)}
    return tensors


def flow_factory(monkeypatch):
    """A stand-in for the package `flow_factory`: base classes, output, and what its processor does with them."""
    rewards = ModuleType("flow_factory.rewards")

    class BaseRewardModel:
        required_fields: tuple = ()
        use_tensor_inputs = False

        def __init__(self, config, accelerator):
            self.config, self.accelerator, self.device = config, accelerator, config.device

    rewards.BaseRewardModel = BaseRewardModel
    rewards.PointwiseRewardModel = type("PointwiseRewardModel", (BaseRewardModel,), {})
    rewards.GroupwiseRewardModel = type("GroupwiseRewardModel", (BaseRewardModel,), {})
    rewards.RewardModelOutput = lambda rewards, extra_info=None: SimpleNamespace(rewards=rewards, extra_info=extra_info)
    monkeypatch.setitem(sys.modules, "flow_factory", ModuleType("flow_factory"))
    monkeypatch.setitem(sys.modules, "flow_factory.rewards", rewards)
    return rewards


def flow_factory_rewards(model, samples):
    """Hand over, of all samples, those fields that the signature names and every sample has; rewards as a tensor."""
    import torch

    assert model.use_tensor_inputs, "its way to PIL takes a whole batch with one negative value for one in [-1, 1]"
    names = set(inspect.signature(model.__call__).parameters)
    fields = {k: [s[k] for s in samples] for k in names & samples[0].keys() if all(s[k] is not None for s in samples)}
    return torch.as_tensor(model(**fields).rewards, device="cpu", dtype=torch.float32)


def verl_omni(compute_score, items, **options):
    """Call `compute_score` for each item from a pool of threads; stack what it returns beside the score, by key."""
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda item: compute_score(data_source="edits", **item, **options), items))
    keys = [key for key in results[0] if key != "score"]
    return [result["score"] for result in results], {key: np.array([r[key] for r in results]) for key in keys}
