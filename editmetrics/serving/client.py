"""A small client of `editmetrics serve`, for scripts and training loops."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ..sample import EditMetricsError, Sample, Score
from .wire import sample_said, score_from

if TYPE_CHECKING:
    import httpx

SHORTEST, LONGEST = 0.1, 10.0
"""Seconds between two tries while the server is full: as long as it says, within these."""


class ServerError(EditMetricsError):
    """The server cannot be reached, stayed full, or refused a request; the message is its own."""


class Client:
    """Scores of samples by a server; images are sent as they are, never paths.

    - `url`: where it listens. `batch`: samples in a request. `parallel`: requests at a time.
    - `timeout`: seconds until an answer must come. `patience`: seconds to go on trying while the server is full or
      cannot be reached.

    Raises `ServerError`. What cannot be scored has a `Score` with a status and a reason, as everywhere.
    """

    def __init__(
        self, url: str, *, batch: int = 8, parallel: int = 4, timeout: float = 300.0, patience: float = 300.0
    ) -> None:
        self.url, self.batch, self.parallel = url.rstrip("/"), batch, parallel
        self.timeout, self.patience = timeout, patience

    def score(self, samples: Iterable[Sample]) -> list[dict[str, Score]]:
        """For each sample, in its order, its scores by the label of the metric."""
        import httpx

        samples = list(samples)
        parts = [samples[start : start + self.batch] for start in range(0, len(samples), self.batch)]
        with httpx.Client(timeout=self.timeout) as http, ThreadPoolExecutor(self.parallel) as pool:
            found = pool.map(lambda part: self._score(http, part), parts)
            return [scores for part in found for scores in part]

    def metrics(self) -> list[dict[str, Any]]:
        """What is served: label, dimensions, needed fields and identity of each metric."""
        import httpx

        with httpx.Client(timeout=self.timeout) as http:
            said: list[dict[str, Any]] = self._answer(lambda: http.get(f"{self.url}/v1/metrics"))
        return said

    def _score(self, http: httpx.Client, samples: Sequence[Sample]) -> list[dict[str, Score]]:
        body = {"samples": [sample_said(sample) for sample in samples]}
        said = self._answer(lambda: http.post(f"{self.url}/v1/score", json=body))
        return [{label: score_from(one) for label, one in each["scores"].items()} for each in said["samples"]]

    def _answer(self, ask: Any) -> Any:
        """The JSON of an answer; asks again while the server is full, or not there yet."""
        import httpx

        until = time.monotonic() + self.patience
        while True:
            try:
                response = ask()
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                problem, wait = f"{self.url} cannot be reached ({error})", 1.0
            except httpx.HTTPError as error:
                raise ServerError(f"{self.url} did not answer: {type(error).__name__}: {error}") from error
            else:
                if response.status_code == 200:
                    return response.json()
                problem = f"{self.url} answered {response.status_code}: {_reason(response)}"
                if response.status_code != 503:
                    raise ServerError(problem)
                wait = float(response.headers.get("Retry-After", "1"))
            wait = min(max(wait, SHORTEST), LONGEST) * random.uniform(0.5, 1.0)  # noqa: S311 - apart from other clients
            if time.monotonic() + wait > until:
                raise ServerError(f"{problem}; gave up after {self.patience:g} s")
            time.sleep(wait)


def _reason(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return response.text[:200]
