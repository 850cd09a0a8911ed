"""Which framework calls a reward, told by the arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..sample import Sample


def form_of_call(arguments: Sequence[Any], fields: Mapping[str, Any]) -> str:
    """Return the name of the form in which a reward is called: a method of `Reward`.

    Raises `TypeError` for a call that no framework makes.

    >>> form_of_call((), {"completions": [], "prompts": []}), form_of_call(("images", "prompts", {}), {})
    ('trl', 'flow_grpo')
    """
    if "completions" in fields:
        return "trl"
    if fields.keys() & {"solution_image", "solution_str"}:
        return "verl"
    if not arguments and {"image", "prompt"} <= fields.keys():
        return "flow_factory"
    if len(arguments) > 2 or "metadata" in fields:
        return "flow_grpo"
    if len(arguments) == 2:
        return "dance_grpo"
    if len(arguments) == 1 and _are_samples(arguments[0]):
        return "rewards"
    names = ", ".join([f"{len(arguments)} by position"] * bool(arguments) + sorted(fields))
    raise TypeError(
        f"a reward was called with {names or 'nothing'}; expected (images, prompts, metadata) as flow_grpo calls it, "
        "completions= as TRL, image= and prompt= as Flow-Factory, solution_image= as verl, (images, prompts) as "
        "DanceGRPO, or samples"
    )


def _are_samples(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(one, Sample) for one in value)
