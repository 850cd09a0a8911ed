"""FDMPO, feedback-driven metric prompt optimisation: the search for a dimension's definition (section 3.2).

A feedback model says how probable it finds the human ratings under a definition (`definition_value`); an optimisation
model reads the history of definitions and values and writes the next definition (`proposal`, `read_proposal`); the
best of all trials wins (`search`). The whole trajectory is written down as it grows, and a search that was stopped goes
on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...files.writing import Journal, complete_lines
from ...sample import EditMetricsError
from .tdrl import Vocabulary

if TYPE_CHECKING:
    from torch import Tensor

HISTORY = 20
"""How many trials, the best, the optimisation model is shown."""

LONGEST = 600
"""The most characters that a definition may have: the paper's best ones are concise."""


class SearchError(EditMetricsError):
    """A search cannot be started or resumed."""


def definition_value(logits: Tensor, truth: Tensor, digits: Sequence[int], *, vocabulary: Vocabulary = "all") -> Tensor:
    """V_d of equation 2, per pair, in [0, 1.11]: how probable a definition makes the human rating's digits.

    V_d = sum_{t=0..2} 10^-t P(d_t = g_t | g_<t)

    `logits` (N, 3, vocabulary) that predict the integer, tenths and hundredths digit, each with the true digits before
    it in the text; `truth` (N, 3), the true digits, 0 to 9; `digits`, the ids of "0" to "9". P is over the whole
    vocabulary, or over the ten digits with `vocabulary="digits"`. The value of a definition is the mean over pairs.

    The text of the paper calls this a joint probability; its equation, which is followed here, is a weighted sum.

    >>> import torch
    >>> even = torch.zeros(1, 3, 20)  # every token as likely as the others: P = 1/20
    >>> definition_value(even, torch.tensor([[4, 3, 8]]), range(10))
    tensor([0.0555])
    """
    import torch

    ids = torch.as_tensor(list(digits), device=logits.device)
    scores = logits.float()[..., ids]
    everything = scores if vocabulary == "digits" else logits.float()
    right = scores.gather(-1, truth.to(logits.device)[..., None])[..., 0]
    probability = (right - everything.logsumexp(-1)).exp()
    weights = 10.0 ** -torch.arange(truth.shape[1], device=logits.device)
    value: Tensor = probability @ weights
    return value


@dataclass(frozen=True)
class Trial:
    """One definition that was tried: its V_d, or why it was refused before it could be."""

    number: int
    definition: str
    value: float | None
    refused: str | None = None


class Garbled(ValueError):
    """The optimisation model's reply holds no definition that can be tried."""


def proposal(dimension: str, history: Sequence[Trial]) -> str:
    """Request to the optimisation model: the trials so far, the best last, and one new definition in brackets."""
    tried = sorted((trial for trial in history if trial.value is not None), key=lambda trial: trial.value or 0.0)
    shown = "\n\n".join(f"Definition: {trial.definition}\nValue: {trial.value:.6f}" for trial in tried[-HISTORY:])
    name = dimension.replace("_", " ")
    return (
        f"A vision-language model rates edited images by their {name}. It sees the source image, the edited image and "
        "the editing instruction, and then a definition of what to rate. People rated the same images; their criteria "
        "are unknown to us. The value of a definition says how probable the model found the people's ratings when it "
        "was given this definition: higher is better.\n\n"
        f"Definitions tried so far, from the worst to the best:\n\n{shown}\n\n"
        "Compare them: what do the better ones say that the worse ones do not, and what do the worse ones add that "
        "does harm? Then write one new definition that differs from all of the above and should have a higher value. "
        f"It speaks to the model, asks it to rate the target image, is at most {LONGEST} characters long, and says "
        "nothing of the scale or of the form of the answer. Put it in double square brackets, like this: "
        "[[Please rate ...]]"
    )


def read_proposal(reply: str, tried: Sequence[str]) -> str:
    """The definition in the reply. Raises `Garbled`, and says why, for a reply without one that can be tried.

    >>> read_proposal("I would try [[Rate how sharp it is.]]", [])
    'Rate how sharp it is.'
    """
    pieces = reply.split("[[")
    if len(pieces) != 2 or pieces[1].count("]]") != 1:
        raise Garbled("the reply does not hold one definition in double square brackets")
    definition = " ".join(pieces[1].split("]]")[0].split())
    if not definition:
        raise Garbled("the definition is empty")
    if len(definition) > LONGEST:
        raise Garbled(f"the definition has {len(definition)} characters; at most {LONGEST} are allowed")
    if "<|" in definition or "X.XX" in definition:
        raise Garbled("the definition speaks of control tokens or of the form of the answer")
    if definition.casefold() in {known.casefold() for known in tried}:
        raise Garbled("the definition was tried before")
    return definition


@dataclass(frozen=True)
class Trajectory:
    """All trials of a search, in order."""

    dimension: str
    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial:
        """The trial with the highest value; of equal ones the first."""
        return max((trial for trial in self.trials if trial.value is not None), key=lambda trial: trial.value or 0.0)

    @property
    def refused(self) -> int:
        """Number of refused proposals."""
        return sum(trial.refused is not None for trial in self.trials)

    @classmethod
    def read(cls, file: str | os.PathLike[str]) -> Trajectory:
        """The trajectory that `search` wrote. Raises `SearchError` for a file that holds none."""
        header, trials = _read(Path(file))
        return cls(str(header.get("dimension")), tuple(trials))


def search(
    dimension: str,
    start: str,
    value: Callable[[str], float],
    propose: Callable[[str, int], str],
    *,
    trials: int,
    file: str | os.PathLike[str],
    identity: dict[str, Any],
    on_trial: Callable[[Trial], None] | None = None,
) -> Trajectory:
    """Try the definition `start`, then `trials` proposals, and return the trajectory; `.best` is what was looked for.

    `value` gives the mean V_d of a definition over a fixed set of pairs, `propose` the optimisation model's reply to a
    text, given the number of the trial, so that a text that is asked again may be answered otherwise. A reply that
    holds no usable definition is refused, counted as a trial, and never mended.

    Each trial goes to `file` (jsonl) at once. When it exists, the search resumes after its last trial, provided that
    its first line holds the same `identity`: backbone, pairs, optimisation model. Raises `SearchError` when it holds
    another.
    """
    path = Path(file)
    header = {"dimension": dimension, "start": start, **identity}
    done = _done(path, header)
    path.parent.mkdir(parents=True, exist_ok=True)
    with Journal(path, lock=False) as journal:
        if done is None:
            journal.append(header)
            done = []
        while len(done) <= trials:
            trial = _next(dimension, start, done, value, propose)
            journal.append(asdict(trial))
            done.append(trial)
            if on_trial is not None:
                on_trial(trial)
    return Trajectory(dimension, tuple(done))


def _next(
    dimension: str, start: str, done: list[Trial], value: Callable[[str], float], propose: Callable[[str, int], str]
) -> Trial:
    if not done:
        return Trial(0, start, value(start))
    reply = propose(proposal(dimension, done), len(done))
    try:
        definition = read_proposal(reply, [trial.definition for trial in done])
    except Garbled as garbled:
        return Trial(len(done), reply, None, str(garbled))
    return Trial(len(done), definition, value(definition))


def _done(path: Path, header: dict[str, Any]) -> list[Trial] | None:
    """The trials of an earlier search of the same kind; None if there was none."""
    if not any(complete_lines(path)):
        return None
    saved, trials = _read(path)
    if saved != json.loads(json.dumps(header)):
        changed = sorted(key for key in {*saved, *header} if saved.get(key) != header.get(key))
        raise SearchError(
            f"{path} belongs to another search ({', '.join(changed)} differ); give another output folder, or move it "
            "away"
        )
    return trials


def _read(path: Path) -> tuple[dict[str, Any], list[Trial]]:
    """The first line and the trials of a trajectory file."""
    try:
        header, *trials = [json.loads(line) for line in complete_lines(path)]
        return dict(header), [Trial(**trial) for trial in trials]
    except (OSError, ValueError, TypeError) as error:
        raise SearchError(
            f"{path} is not a trajectory of definitions ({error}); move it away to start afresh"
        ) from error
