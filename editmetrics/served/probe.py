"""A probe: a fixed question about a fixed picture, and the log-probabilities that a model gave on this machine.

Names and folders say little of which weights a server has loaded, whether its adapter is applied in the vision tower,
or what its chat template writes. What the model is about to say depends on all of them.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..file_hashes import sha256_of_json
from ..files.writing import write_text
from ..judge import Image, JudgeError, Question
from ..options import OptionError
from .questions import ReadStep, TokenQuestion, token_question

if TYPE_CHECKING:
    import numpy as np

    from ..mllm.backbone import Backbone
    from .server import Server

FORMAT = 1
FILE = "editmetrics_probe.json"
QUESTION = "This picture was edited. How natural does it look? Answer with one number from 0 to 9."
ANSWER = "The number is"
READ, LEAST_READ, LEAST_LOGPROB = 12, 3, -7.0
"""How many of the likeliest tokens are compared at most and at least; between these, those of a probability of 0.001.
The log-probabilities of rarer ones differ more between equal models."""

TOLERANCE, EXACT_TOLERANCE = 0.5, 0.03
"""The largest difference of a log-probability that passes, in nats, and the same for float32. In bfloat16, vLLM and
transformers differ by up to 0.30 on equal weights with an image (vllm#47425); in float32, on a CPU and for tiny models,
by 0.000001 (docs/vllm.md)."""


class ProbeError(JudgeError):
    """A file is not a probe."""


@dataclass(frozen=True)
class ServerProbe:
    """The answer of a model to the fixed question.

    - `model`: the sha256 of its files and, where it has one, of its adapter: who made the probe knows which it was.
    - `written`, `length`: the prompt's text and its number of tokens, as in `TokenQuestion`; `limits`: likewise.
    - `tokens`: the likeliest ones, by their numbers; `logprobs`: theirs.
    - `tolerance`: the largest difference of a log-probability that passes, which depends on the model's dtype.
    - `moved`: the largest difference of these log-probabilities without the adapter; None without one.
    - `part`: what the model scores, where an assessor has a model for each dimension. `dtype`: that of its weights.
    - `metric`: the name of the metric whose model it is. `merged`: the checksum of the published adapter that was
      merged into it. Either is "" where it is not known, or there is no adapter.
    """

    model: str
    written: str
    length: int
    limits: dict[str, Any]
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    tolerance: float = TOLERANCE
    moved: float | None = None
    part: str = ""
    dtype: str = ""
    metric: str = ""
    merged: str = ""
    format: int = FORMAT

    @cached_property
    def digest(self) -> str:
        """The sha256 of all that it says, which stands in the identity of numbers."""
        return sha256_of_json(asdict(self))

    def question(self) -> TokenQuestion:
        """Return the question that is asked of a server."""
        plain = Question.of(QUESTION, [probe_picture()])
        step = ReadStep(self.tokens, tuple(f"token {token}" for token in self.tokens))
        return TokenQuestion(
            plain.messages, answer=ANSWER, steps=(step,), written=self.written, length=self.length, limits=self.limits
        )

    def is_of_same_model(self, other: ServerProbe) -> bool:
        """Whether both were made of the same weights for one metric, with the same dtype and sizes of images."""
        alike = ("model", "part", "dtype", "limits", "metric", "merged")
        return all(getattr(self, name) == getattr(other, name) for name in alike)

    def require_made_for(self, metric: str, adapter: str | None, file: str | None) -> None:
        """Raise `OptionError` where it was made for another metric, or with another adapter; None for an unknown one.

        `file` is what the error calls it.
        """
        if self.metric and self.metric != metric:
            raise OptionError(
                f"{metric}: the probe {file} was made for {self.metric}; 'editmetrics export {metric}' makes its own"
            )
        if adapter is not None and adapter != self.merged and self.metric:
            raise OptionError(
                f"{metric}: the probe {file} was made of a model with another adapter than the one that "
                f"{metric} names; 'editmetrics export {metric}' makes its own"
            )

    @property
    def tells_adapter(self) -> bool:
        """Whether a server that leaves the adapter out fails, with room to spare."""
        return self.moved is None or self.moved > 2 * self.tolerance

    def check(self, server: Server) -> None:
        """Ask the server, and raise `JudgeUnavailableError` where it is another model, or reads another prompt."""
        (answer,) = server.answer([self.question()], threading.Event())
        if not answer.ok:
            raise server.unavailable(f"the probe of its model was not answered: {answer.reason}")
        served = [answer.logprobs[0][str(token)] for token in self.tokens]
        differences = [abs(one - other) for one, other in zip(served, self.logprobs, strict=True)]
        if not max(differences) <= self.tolerance:
            raise server.unavailable(
                f"it serves another model than the checkpoint: a log-probability of the probe differs by "
                f"{max(differences):.2f}, and {self.tolerance:g} passes. Serve the folder that 'editmetrics export' "
                "wrote with the probe, with the same --dtype"
            )


def probe_picture() -> np.ndarray:
    """Return the fixed picture (96, 128, 3), uint8: two gradients, a disc and a bar, the same on every machine."""
    import numpy as np

    y, x = np.mgrid[0:96, 0:128]
    picture = np.stack([2 * x, 255 - 2 * y, (x * 3 + y * 5) % 256], -1)
    picture[(x - 40) ** 2 + (y - 48) ** 2 < 24**2] = (230, 40, 30)
    picture[(abs(x - 100) < 10) & (abs(y - 48) < 36)] = (20, 60, 220)
    return picture.astype(np.uint8)


def make_probe(
    backbone: Backbone, model: str, adapter: str | None = None, part: str = "", *, metric: str = "", merged: str = ""
) -> ServerProbe:
    """Ask a model on this machine, with an adapter that is on it or without; `model` is its checksum.

    `metric` and `merged` are the probe's fields of these names.

    Raises `ProbeError` for a model whose log-probabilities are no numbers.
    """
    import torch

    from ..mllm.lora import using

    question = token_question(backbone, Question.of(QUESTION, [Image(probe_picture())]), (), ANSWER)
    picture = backbone.see(probe_picture())
    prompt = backbone.prompt([("user", [backbone.IMAGE, QUESTION])], [picture], ANSWER)

    def logprobs(name: str | None) -> torch.Tensor:
        with torch.inference_mode(), using(backbone, name):
            return backbone.next_logits([prompt])[0].double().log_softmax(-1).cpu()

    values, tokens = logprobs(adapter).topk(READ)
    count = max(LEAST_READ, int((values >= LEAST_LOGPROB).sum()))
    values, tokens = values[:count], tokens[:count]
    if not bool(values.isfinite().all()):
        raise ProbeError(f"{backbone.name} gives no probabilities in {backbone.dtype}; take another dtype")
    tolerance = EXACT_TOLERANCE if backbone.dtype == torch.float32 else TOLERANCE
    moved = None if adapter is None else float((logprobs(None)[tokens] - values).abs().max())
    return ServerProbe(
        model, question.written, question.length, dict(question.limits), tuple(tokens.tolist()),
        tuple(round(value, 6) for value in values.tolist()), tolerance, moved, part,
        str(backbone.dtype).removeprefix("torch."), metric, merged,
    )  # fmt: skip


def write_probe(probe: ServerProbe, file: Path) -> None:
    """Write a probe, whole or not at all."""
    write_text(file, json.dumps(asdict(probe), indent=1) + "\n")


def read_probe(source: str | Path) -> ServerProbe:
    """Read the probe of a file, or of a folder that `editmetrics export` wrote. Raises `ProbeError`."""
    file = Path(source).expanduser()
    file = file / FILE if file.is_dir() else file
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise ValueError(f"its format is {data['format']}; this version reads {FORMAT}")
        numbers = _numbers(data["tokens"], int), _numbers(data["logprobs"], float)
        if not len(numbers[0]) == len(numbers[1]) > 0:
            raise ValueError("expected as many tokens as log-probabilities, one at least")
        if not 0 < data["tolerance"] < math.inf:
            raise ValueError(f"its tolerance is {data['tolerance']}; expected a number above 0")
        return ServerProbe(**{**data, "tokens": numbers[0], "logprobs": numbers[1]})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ProbeError(
            f"{file} is not a probe ({error}); expected {FILE}, as 'editmetrics export' writes it beside a model"
        ) from error


def _numbers(values: Sequence[Any], kind: type) -> tuple[Any, ...]:
    if not isinstance(values, list) or not all(isinstance(v, (int, float)) and math.isfinite(v) for v in values):
        raise ValueError("expected lists of finite numbers")
    return tuple(kind(value) for value in values)
