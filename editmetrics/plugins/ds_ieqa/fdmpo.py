"""FDMPO, feedback-driven metric prompt optimisation: the search for a dimension's definition (section 3.2).

A feedback model says how probable it finds the human ratings under a definition (`definition_value`); an optimisation
model reads the history of definitions and values and writes the next definition (`proposal`, `read_proposal`); the
best of all trials wins, where it is better by more than noise (`search`). The trajectory is written down as it grows,
and a search that was stopped resumes.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any, NamedTuple

from ...files.writing import Journal, complete_lines
from ...sample import EditMetricsError, SampleError, UnavailableError
from ...wording import plural
from .tdrl import Vocabulary

if TYPE_CHECKING:
    from torch import Tensor

HISTORY = 20
"""How many trials, the best, the optimisation model is shown."""

LONGEST = 600
"""The most characters that a definition may have: the paper's best ones are concise."""


class SearchError(EditMetricsError):
    """A search cannot be started or resumed, or has nothing to choose from."""


class SearchUnavailableError(SearchError, UnavailableError):
    """The optimisation model cannot be reached; the search resumes when it can."""


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
    return (probability * weights).sum(-1)


class DefinitionFeedback(NamedTuple):
    """How the feedback model reads rated pairs under one definition."""

    values: Sequence[float]
    """V_d of each pair, in [0, 1.11]."""
    agreement: float | None = None
    """Mean of SRCC and PLCC of the untrained model's scores with the ratings; None where undefined."""


@dataclass(frozen=True)
class Trial:
    """One definition that was tried, or the reason that it could not be.

    - `number`: 0 is the start definition. `definition`: for a refused one, the reply as it came.
    - `value`, `error`: its V_d and the standard error of that mean over the pairs, s / sqrt(n); the error is None for a
      single pair. `values`: V_d of each pair. `agreement`: see `DefinitionFeedback`.
    - `gain`, `gain_error`: mean and standard error of the paired differences to the best definition before it.
    - `leads`: whether it took that one's place. `refused`: the reason.
    """

    number: int
    definition: str
    leads: bool
    value: float | None = None
    error: float | None = None
    gain: float | None = None
    gain_error: float | None = None
    agreement: float | None = None
    refused: str | None = None
    values: tuple[float, ...] = ()


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
        """The last trial that took the lead."""
        return [trial for trial in self.trials if trial.leads][-1]

    @property
    def refused(self) -> int:
        """Number of refused proposals."""
        return sum(trial.refused is not None for trial in self.trials)

    @classmethod
    def read(cls, file: str | os.PathLike[str]) -> Trajectory:
        """The trajectory that `search` wrote. Raises `SearchError` for a file that holds none."""
        header, trials = _read(Path(file))
        return cls(str(header.get("dimension")), tuple(trials))


@dataclass(frozen=True)
class SearchPlan:
    """A search from the definition `start` of `dimension`, with so many proposals (`trials`).

    A definition takes the lead when its mean paired difference to the best one so far is more than `margin` of its
    standard errors. With a margin of 0 the highest value wins, as in the paper.
    """

    dimension: str
    start: str
    trials: int
    margin: float = 2.0


def search(
    plan: SearchPlan,
    feedback: Callable[[str], DefinitionFeedback],
    propose: Callable[[str, int], str],
    *,
    file: str | os.PathLike[str],
    identity: dict[str, Any],
    on_trial: Callable[[Trial], None] | None = None,
) -> Trajectory:
    """Try the start definition, then `plan.trials` proposals, and return the trajectory; `.best` is the result.

    `feedback` reads a definition on a fixed set of pairs. `propose` gives the optimisation model's reply to a text; the
    number of the trial, which it also gets, is to seed the reply, so that a text that is asked again may be answered
    otherwise. A proposal that was refused, is empty, holds no usable definition, or cannot be read by the backbone
    counts as a trial, is never mended, and the next trial asks again with another seed.

    Each trial goes to `file` (jsonl) at once. When it exists, the search resumes after its last trial, provided that
    its first line holds the same plan and `identity`: backbone, pairs, optimisation model.

    Raises `SearchError` for a file of another search, and where no proposal of all could be tried;
    `SearchUnavailableError` where the optimisation model cannot be reached.
    """
    path = Path(file)
    header = {"dimension": plan.dimension, "start": plan.start, "margin": plan.margin, **identity}
    done = _done(path, header)
    path.parent.mkdir(parents=True, exist_ok=True)
    with Journal(path, lock=False) as journal:
        if done is None:
            journal.append(header)
            done = []
        while len(done) <= plan.trials:
            trial = _next(plan, done, feedback, propose)
            journal.append(asdict(trial))
            done.append(trial)
            if on_trial is not None:
                on_trial(trial)
    _require_a_proposal(plan, done, path)
    return Trajectory(plan.dimension, tuple(done))


def _next(
    plan: SearchPlan,
    done: Sequence[Trial],
    feedback: Callable[[str], DefinitionFeedback],
    propose: Callable[[str, int], str],
) -> Trial:
    number = len(done)
    if not number:
        try:
            return _judged(0, plan.start, feedback(plan.start), None, plan.margin)
        except SampleError as error:
            raise SearchError(f"the start definition of {plan.dimension} cannot be tried: {error}") from error
    reply = ""
    try:
        reply = _reply(plan, proposal(plan.dimension, done), number, propose)
        definition = read_proposal(reply, [trial.definition for trial in done])
        best = Trajectory(plan.dimension, tuple(done)).best
        return _judged(number, definition, feedback(definition), best, plan.margin)
    except Garbled as garbled:
        return Trial(number, reply, False, refused=str(garbled))
    except SampleError as error:
        return Trial(number, reply, False, refused=f"{error.status}: {error}")


def _reply(plan: SearchPlan, text: str, number: int, propose: Callable[[str, int], str]) -> str:
    """The optimisation model's reply; `SearchUnavailableError` where it cannot be reached."""
    try:
        return propose(text, number)
    except (SampleError, UnavailableError) as error:
        if isinstance(error, SampleError) and error.status != "unavailable":
            raise
        raise SearchUnavailableError(
            f"the optimisation model did not answer trial {number} of {plan.trials} for {plan.dimension} ({error}); "
            "run the same command again when it does: the search resumes with this trial"
        ) from error


def _judged(number: int, definition: str, read: DefinitionFeedback, best: Trial | None, margin: float) -> Trial:
    """The trial of a definition that was read, compared with the best one before it, pair by pair."""
    values = tuple(float(value) for value in read.values)
    if not all(map(math.isfinite, values)):
        raise SampleError("its V_d is not finite (overflow in float16, or damaged weights)")
    value, error = _mean_and_error(values)
    judged = Trial(number, definition, True, value, error, agreement=read.agreement, values=values)
    if best is None:
        return judged
    gain, gain_error = _mean_and_error([new - old for new, old in zip(values, best.values, strict=True)])
    noise = 0.0 if not margin else math.inf if gain_error is None else margin * gain_error
    return replace(judged, gain=gain, gain_error=gain_error, leads=gain > noise)


def _mean_and_error(values: Sequence[float]) -> tuple[float, float | None]:
    """The mean and its standard error, which one value alone does not have."""
    return fmean(values), stdev(values) / len(values) ** 0.5 if len(values) > 1 else None


def _require_a_proposal(plan: SearchPlan, trials: Sequence[Trial], path: Path) -> None:
    """Raise `SearchError` where the optimisation model proposed nothing that could be tried."""
    reasons = Counter(str(trial.refused) for trial in trials if trial.refused is not None)
    if plan.trials and sum(reasons.values()) == plan.trials:
        counted = "; ".join(f"{count}: {reason}" for reason, count in reasons.most_common(3))
        raise SearchError(
            f"no proposal of the optimisation model for {plan.dimension} could be tried "
            f"({plural(plan.trials, 'trial')}; {counted}). Name another one (optimiser), keep the start definitions "
            f"(optimiser=none), or delete {path} to ask again"
        )


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
        return dict(header), [Trial(**{**trial, "values": tuple(trial["values"])}) for trial in trials]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SearchError(
            f"{path} is not a trajectory of definitions ({error}); move it away to start afresh"
        ) from error
