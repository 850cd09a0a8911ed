"""Trials to raters, one at a time and each rater's in an order of its own, and votes to an append-only file."""

from __future__ import annotations

import io
import json
import random
import secrets
import threading
import time
import unicodedata
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files.writing import Journal, make_folder
from ..sample import EditMetricsError
from .trials import SCALE, WINNERS, Edit, RatingError, RatingTrial, mode_of

if TYPE_CHECKING:
    from typing_extensions import Self

LONGEST_NAME = 64


class VoteRefusedError(EditMetricsError, ValueError):
    """A vote or a rater that is not accepted; nothing was written."""


@dataclass(frozen=True)
class Showing:
    """A trial as one rater sees it: the edits in the order of the sides, and PNG files by tokens that name nothing."""

    rater: str
    trial: RatingTrial
    position: int
    edits: tuple[Edit, ...]
    pictures: dict[str, bytes]
    token: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    started: float = field(default_factory=time.monotonic)

    def public(self) -> dict[str, Any]:
        """Return what the page is told: no name of a system, an item or a file."""
        addresses = [f"image/{token}" for token in self.pictures]
        edits = len(self.edits)
        return {
            "token": self.token,
            "prompt": self.trial.prompt,
            "edits": addresses[:edits],
            "sources": addresses[edits:],
        }


class RatingSession:
    """All that several raters are asked, and their votes in the journal `path`; use it as a context manager.

    - `seed`: with the rater's name, the seed of the order of trials, and of the sides that edits are shown on.
    - `raters`: the only names that are accepted; any, if empty.
    - `on_problem`: called with the reason when a trial cannot be shown; it is then left out.

    Votes of earlier sessions in `path` count: a rater resumes where the last vote was. A vote is final.

    Raises `RatingError` for a file that holds no votes of this mode, `JournalError` for one in use by another process.
    """

    def __init__(
        self,
        trials: Sequence[RatingTrial],
        path: Path,
        *,
        seed: int = 0,
        raters: Collection[str] = (),
        on_problem: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.trials = {trial.key: trial for trial in trials}
        if not self.trials:
            raise RatingError("nothing can be shown; expected at least one edit whose images can be read")
        if len(self.trials) < len(trials):
            raise RatingError("two trials have one key; expected a key for each")
        self.mode = mode_of(trials)
        self.answers: Collection[str] = WINNERS if self.mode == "pairs" else SCALE
        self.seed = seed
        self.raters = frozenset(raters)
        self.votes = 0
        self._on_problem = on_problem
        self._lock = threading.Lock()
        self._done: dict[str, set[str]] = {}
        self._current: dict[str, Showing] = {}
        self._broken: set[str] = set()
        self._ended = False
        make_folder(path)
        self._journal = Journal(path)
        try:
            self._resume()
        except BaseException:
            self._journal.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:  # a request on its way may still come
            self._ended = True
            self._journal.close()

    def next(self, rater: str) -> Showing | None:
        """Return the trial that a rater is to judge now, the same until there is a vote on it; None at the end."""
        rater = self.accepted(rater)
        while True:
            with self._lock:
                if rater in self._current:
                    return self._current[rater]
                done = self._done.get(rater, set()) | self._broken
                waiting = next((one for one in self.order(rater) if one[1].key not in done), None)
            if waiting is None:
                return None
            showing = self._prepared(rater, *waiting)
            with self._lock:  # another window of this rater may have been quicker
                if showing is not None and showing.trial.key not in self._done.get(rater, set()):
                    return self._current.setdefault(rater, showing)

    def vote(self, rater: str, token: str, answer: str) -> None:
        """Write a rater's answer to the trial that `next` gave. Raises `VoteRefusedError` for any other token."""
        rater = self.accepted(rater)
        with self._lock:
            showing = None if self._ended else self._current.get(rater)
            if showing is None or not secrets.compare_digest(showing.token.encode(), token.encode()):
                raise VoteRefusedError("this trial is not open; it has a vote, or belongs to an earlier session")
            if answer not in self.answers:
                raise VoteRefusedError(f"invalid answer {answer!r}; expected {', '.join(self.answers)}")
            self._journal.append(self._entry(showing, answer))
            self._done.setdefault(rater, set()).add(showing.trial.key)
            del self._current[rater]
            self.votes += 1

    def picture(self, token: str) -> bytes | None:
        """Return the PNG file of an image that is shown to someone now."""
        with self._lock:
            return next((one.pictures[token] for one in self._current.values() if token in one.pictures), None)

    def progress(self, rater: str) -> tuple[int, int]:
        """Return how many trials a rater has judged, and how many there are."""
        rater = self.accepted(rater)
        with self._lock:
            done = self._done.get(rater, set()) & self.trials.keys()
            return len(done), len(self.trials.keys() - (self._broken - done))

    def order(self, rater: str) -> list[tuple[int, RatingTrial, bool]]:
        """Return the position of each trial in a rater's order, and whether its edits change sides."""
        source = random.Random(f"{self.seed} {rater}")  # noqa: S311
        keys = sorted(self.trials)
        source.shuffle(keys)
        return [(number, self.trials[key], source.random() < 0.5) for number, key in enumerate(keys, 1)]

    def accepted(self, rater: str) -> str:
        """Return a rater's name without blanks around it. Raises `VoteRefusedError` for one that is not accepted."""
        name = unicodedata.normalize("NFC", rater).strip()
        if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
            raise VoteRefusedError(f"expected the rater's name, of 1 to {LONGEST_NAME} letters")
        if self.raters and name not in self.raters:
            raise VoteRefusedError(f"unknown rater {name}; enter the name that you were told")
        return name

    def _prepared(self, rater: str, position: int, trial: RatingTrial, turned: bool) -> Showing | None:
        """The trial with its images; None, and the trial left out, where one cannot be read."""
        edits = trial.edits[::-1] if turned else trial.edits
        try:
            images = [png(image) for image in (*(edit.image for edit in edits), *trial.sources)]
        except EditMetricsError as error:
            with self._lock:
                is_new = trial.key not in self._broken
                self._broken.add(trial.key)
            if is_new:
                self._on_problem(f"{trial.key} is not shown: {error}")
            return None
        return Showing(rater, trial, position, edits, {secrets.token_urlsafe(16): image for image in images})

    def _entry(self, showing: Showing, answer: str) -> dict[str, Any]:
        """The line of a vote; `system_a` and `item_a` were shown as A, on the left."""
        trial = showing.trial
        shown: dict[str, Any]
        if self.mode == "pairs":
            first, second = showing.edits
            shown = {
                "rater": showing.rater, "id": trial.key, "winner": WINNERS[answer], "system_a": first.system,
                "system_b": second.system, "item_a": first.item, "item_b": second.item,
            }  # fmt: skip
        else:
            (edit,) = showing.edits
            shown = {"subject": showing.rater, "item": edit.item, "value": int(answer), "system": edit.system}
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        seconds = round(time.monotonic() - showing.started, 1)
        return {
            **shown, "source": trial.source_name, "task": trial.task, "time": now, "seconds": seconds,
            "position": showing.position, "seed": self.seed,
        }  # fmt: skip

    def _resume(self) -> None:
        rater, key, answer = ("rater", "id", "winner") if self.mode == "pairs" else ("subject", "item", "value")
        for number, line in enumerate(self._journal.lines(), 1):
            try:
                entry = json.loads(line)
                name, trial, _ = str(entry[rater]), str(entry[key]), entry[answer]
            except (ValueError, KeyError, TypeError, RecursionError):
                raise RatingError(
                    f"{self._journal.path}, line {number}: expected a vote with {rater}, {key} and {answer}, as --mode "
                    f"{self.mode} writes it; repair the line, or choose another -o"
                ) from None
            self._done.setdefault(name, set()).add(trial)
            self.votes += 1


def png(image: Any) -> bytes:
    """Return the pixels of an image as metrics see them, in sRGB, as a PNG file without any metadata."""
    from PIL import Image

    from ..images import eight_bits, read_image

    file = io.BytesIO()
    Image.fromarray(eight_bits(read_image(image, profile="convert"))).save(file, "PNG", compress_level=1)
    return file.getvalue()
