"""`StateAssessor`, the read-out "state": a hidden state of the checkpoint goes through its heads."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from statistics import geometric_mean
from typing import TYPE_CHECKING, Any

from ..late_checks import read_results
from ..metric import pick_device
from ..sample import EditMetricsError, Score
from .dimensions import combined
from .local import LocalAssessor
from .schema import HeadRule, StateRule

if TYPE_CHECKING:
    from torch import Tensor

    from ..judge import Question
    from ..mllm.backbone import Prompt


class StateAssessor(LocalAssessor):
    """Base of metrics of the read-out "state", made of a file of conventions.

    The checkpoint is a whole model with heads, which is loaded strictly; its base gives configuration, tokenizer and
    image processor. Both images of a sample are seen once for all questions.

    Options:
        weights: The checkpoint on your disk, a file or a folder; by default downloaded at its first use, unless the
            folder that `backbone` names is one.
    """

    def __init__(self, *, weights: str | None = None, **shared: Any) -> None:
        super().__init__(**shared)
        self.weights = weights
        self._heads: dict[str, Callable[[Tensor], Tensor]] = {}

    # ------------------------------------------------------------------ the contract

    def checkpoints(self) -> tuple[str, ...]:
        return () if self._own_source() else (self.model_rule.weights,)

    def load(self) -> None:
        """Load the checkpoint. Raises `BackboneError` and `HeadError`, naming file and tensor."""
        self.device = pick_device(self.device)
        if self._heads:
            return
        super().load()
        import torch

        from .. import weights
        from ..mllm.loading import torch_dtype
        from ..mllm.whole_models import WholeLayout, backbone_of, load_whole_model

        rule = self._state_rule
        source = self._own_source() or weights.pull(self.model_rule.weights)
        device = torch.device(self.device)
        tokens = (rule.token,) if rule.token else ()
        whole = load_whole_model(
            source,
            WholeLayout(self.model_rule.family, self._head_names(), tokens),
            self.base_model(),
            revision=self.base_revision(),
            device=device,
            dtype=torch_dtype(None if self.dtype == "auto" else self.dtype, device),
            attention=self.attention,
        )
        backbone = backbone_of(whole, self.image_tokens, plain_positions=rule.positions == "plain")
        for head in rule.heads:
            self._heads[head.value] = _head(head, whole.heads, backbone.hidden_size, source).to(device)
        self._backbone = backbone

    def unload(self) -> None:
        super().unload()
        self._heads.clear()

    def score_batch(self, batch: list[dict[str, Prompt]]) -> list[Score]:
        from ..mllm.states import read_state, states_of

        rule, names = self._state_rule, list(batch[0])
        behind = 1 if rule.token else rule.behind
        prompts = [[item[name] for item in batch] for name in names]
        states = dict(zip(names, states_of(self.loaded_backbone(), prompts, behind=behind), strict=True))
        read = {
            head.value: read_state(self._heads[head.value], states[head.question], head.outputs) for head in rule.heads
        }
        columns = {f"mean {name}": one.mean for name, one in read.items()}
        columns |= {f"spread {name}": one.spread for name, one in read.items() if one.spread is not None}
        numbers = dict(zip(columns, (column.tolist() for column in read_results(*columns.values())), strict=True))
        return [
            self._score(
                {name: numbers[f"mean {name}"][row] for name in read},
                {name: numbers[f"spread {name}"][row] for name in read if f"spread {name}" in numbers},
            )
            for row in range(len(batch))
        ]

    # ------------------------------------------------------------------ inside

    def _score(self, values: Mapping[str, float], spreads: Mapping[str, float]) -> Score:
        """Make the score; a mean of several numbers has the geometric mean of their deviations, as reward models do."""
        spread = {}
        for rule in self.conventions.dimensions:
            known = [spreads[name] for name in rule.values if name in spreads]
            if len(known) == len(rule.values) and (rule.how == "value" or rule.how == "mean"):
                spread[rule.name] = geometric_mean(known)
        return Score(combined(self.conventions, values), uncertainty=spread or None)

    def prompt(
        self,
        question: Question,
        seen: dict[tuple[int, int], Any],
        answer: str = "",
        allowed: Collection[str] = (),
    ) -> Prompt:
        from ..mllm.states import cut_at_token

        if not (token := self._state_rule.token):
            return super().prompt(question, seen, answer, allowed)
        prompt = super().prompt(question, seen, answer, allowed=(*allowed, token))
        return cut_at_token(prompt, self.loaded_backbone().token(token), token)

    def base_model(self) -> str:
        """Return the hub id or folder of the model that the checkpoint was trained from.

        By default that is the folder of the checkpoint itself, where it has a configuration of its own.
        """
        from .. import weights

        folder = self._own_source() or weights.folder_of(self.model_rule.weights)
        own = str(folder) if (folder / "config.json").is_file() else ""
        return self.backbone or own or self.model_rule.base

    def _own_source(self) -> Path | None:
        """Return the checkpoint on this machine that the options name; None for the published one."""
        if self.weights:
            return Path(self.weights).expanduser()
        if not self.backbone or not (folder := Path(self.backbone).expanduser()).is_dir():
            return None
        from ..mllm.whole_models import holds_heads

        return folder if holds_heads(folder, self._head_names()) else None

    def _head_names(self) -> tuple[str, ...]:
        """Return what the names of the heads' tensors begin with."""
        return tuple(f"{name}." for head in self._state_rule.heads for name in head.names())

    @property
    def _state_rule(self) -> StateRule:
        if self.conventions.state is None:
            raise EditMetricsError(f"{self.name}: its conventions have no table [state]")
        return self.conventions.state


def _head(rule: HeadRule, tensors: Mapping[str, Tensor], hidden: int, source: Path) -> Any:
    """Make a head, with what changes its state before, of the checkpoint's tensors. Raises `HeadError`."""
    from ..mllm.heads import ConditionedHead, published_head

    def part(layers: Mapping[str, int], inputs: int, activation: str, bias: bool = True) -> Any:
        own = {name: tensor for name, tensor in tensors.items() if name.rpartition(".")[0] in layers}
        return published_head(own, layers, inputs=inputs, origin=source, activation=activation, bias=bias)

    head = part(rule.layers, hidden, rule.activation, rule.bias)
    if (condition := rule.condition) is None:
        return head
    for name in condition.unused:
        part({name: 1}, condition.size, "identity")
    return ConditionedHead(
        guess=part(dict(zip(condition.guess, (condition.size, 1), strict=True)), hidden, "identity"),
        encoder=part(dict.fromkeys(condition.encoder, condition.size), 2, "gelu"),
        modulation=part(dict(zip(condition.modulation, (hidden, 2 * hidden), strict=True)), condition.size, "relu"),
        head=head,
        iteration=condition.iteration,
    )
