"""The contract of experiment trackers: `Tracker`."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping


class Tracker(ABC):
    """A run in an experiment tracker, which takes flat dictionaries of floats by step. A context manager.

    A tracker of your own writes `record` and `close`:

    >>> class Printed(Tracker):
    ...     def record(self, values, step):
    ...         print(step, values)
    ...     def close(self):
    ...         pass
    >>> with Printed() as tracker:
    ...     tracker.log({"psnr": 28.5, "ssim": float("nan")})
    ...     tracker.progress(1, 500, 0.7, {"rank": 0.2}, None)
    1 {'psnr': 28.5}
    1 {'fit/loss': 0.7, 'fit/rank': 0.2}
    """

    def __init__(self) -> None:
        self._logged = 0
        self._before = 0  # steps of the trainings before the one under way
        self._step = 0
        self._validation: float | None = None

    @abstractmethod
    def record(self, values: Mapping[str, float], step: int) -> None:
        """Keep finite numbers by their names."""

    @abstractmethod
    def close(self) -> None:
        """Write what is left, and end the run."""

    def log(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Keep the finite numbers of `values`; without `step`, under the next number, from 1.

        NaN and infinities are left out: trackers draw them as gaps at best, and as zeros at worst.
        """
        self._logged = self._logged + 1 if step is None else step
        finite = {name: float(value) for name, value in values.items() if math.isfinite(value)}
        if finite:
            self.record(finite, self._logged)

    def progress(
        self, step: int, total: int, loss: float, parts: Mapping[str, float], validation: float | None
    ) -> None:
        """Keep the loss of a training step, its parts and a new validation: give this to `fit(progress=...)`.

        A metric may train in several stages, whose steps begin anew; they are counted on.
        """
        if step < self._step:
            self._before += self._step
            self._validation = None
        self._step = step
        values = {"fit/loss": loss, **{f"fit/{name}": value for name, value in parts.items()}}
        if validation is not None and validation != self._validation:
            values["fit/validation"] = self._validation = validation
        self.log(values, self._before + step)

    def __enter__(self) -> Tracker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
