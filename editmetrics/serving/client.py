"""A client of `editmetrics serve`, for scripts and training loops."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ..files.score_json import score_from_json
from ..sample import EditMetricsError, Sample, Score, UnavailableError
from ..wording import plural
from .wire import sample_to_json

if TYPE_CHECKING:
    import httpx

SHORTEST, LONGEST = 0.1, 10.0
"""Bounds, in seconds, of the server's Retry-After between two attempts."""

BY_SAMPLE = (413, 422)
"""Status codes that may be about one sample of a request: the others are sent again without it."""


class ServerError(EditMetricsError):
    """The server answered with an error, or with something other than scores."""


class ServerUnavailableError(ServerError, UnavailableError):
    """The server cannot be reached, did not answer, or stayed full; try the samples again later."""


class _RefusedError(ServerError):
    """A request that the server refused."""


class Client:
    """Scores samples on a server; sends images byte for byte, never paths.

    - `url`: address of the server. `batch`: samples per request. `parallel`: requests at a time.
    - `timeout`: seconds to wait for an answer. `patience`: seconds to retry while the server is full or cannot be
      reached.

    Raises `ServerUnavailableError` if no server answers, and `ServerError` for an invalid answer. A sample that cannot
    be sent or scored gets a `Score` with a status and a reason; the others are scored.
    """

    def __init__(
        self, url: str, *, batch: int = 8, parallel: int = 4, timeout: float = 300.0, patience: float = 300.0
    ) -> None:
        self.url, self.batch, self.parallel = url.rstrip("/"), batch, parallel
        self.timeout, self.patience = timeout, patience

    def score(self, samples: Iterable[Sample]) -> list[dict[str, Score]]:
        """Return the scores of each sample, in order, by the label of the metric."""
        import httpx

        samples = list(samples)
        starts = range(0, len(samples), self.batch)
        with httpx.Client(timeout=self.timeout) as http, ThreadPoolExecutor(self.parallel) as pool:
            parts = pool.map(lambda start: self._scores_of(http, samples[start : start + self.batch]), starts)
            results = [scores for part in parts for scores in part]
        labels: list[str] = []
        if any(isinstance(scores, str) for scores in results):
            answered = next((scores for scores in results if not isinstance(scores, str)), None)
            labels = list(answered) if answered else [metric["label"] for metric in self.metrics()]
        return [
            {label: Score.unscored("failed", scores) for label in labels} if isinstance(scores, str) else scores
            for scores in results
        ]

    def metrics(self) -> list[dict[str, Any]]:
        """Return the label, dimensions, required fields and identity of each served metric."""
        import httpx

        with httpx.Client(timeout=self.timeout) as http:
            metrics: list[dict[str, Any]] = self._answer(lambda: http.get(f"{self.url}/v1/metrics"))
        return metrics

    def _scores_of(self, http: httpx.Client, samples: Sequence[Sample]) -> list[dict[str, Score] | str]:
        """Return the scores of each sample, or the reason why it could not be sent."""
        items = [_json_or_reason(sample) for sample in samples]
        sendable = [item for item in items if not isinstance(item, str)]
        answers = iter(self._ask(http, sendable) if sendable else [])
        return [item if isinstance(item, str) else next(answers) for item in items]

    def _ask(self, http: httpx.Client, samples: Sequence[dict[str, Any]]) -> list[dict[str, Score] | str]:
        """Send samples and return their scores; a refused request is sent again in halves."""
        body = json.dumps({"samples": samples}).encode("ascii")
        headers = {"content-type": "application/json"}
        try:
            answer = self._answer(lambda: http.post(f"{self.url}/v1/score", content=body, headers=headers))
        except _RefusedError as refused:
            if len(samples) == 1:
                return [str(refused)]
            half = len(samples) // 2
            return [*self._ask(http, samples[:half]), *self._ask(http, samples[half:])]
        try:
            scores = [
                {label: score_from_json(score) for label, score in item["scores"].items()} for item in answer["samples"]
            ]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ServerError(f"{self.url} answered with invalid scores: {type(error).__name__}: {error}") from error
        if len(scores) != len(samples):
            raise ServerError(f"{self.url} answered {plural(len(scores), 'sample')}; expected {len(samples)}")
        return list(scores)

    def _answer(self, ask: Any) -> Any:
        """Return the JSON of an answer; retries while the server is full or cannot be reached."""
        import httpx

        deadline = time.monotonic() + self.patience
        while True:
            try:
                response = ask()
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                problem, wait = f"{self.url} cannot be reached ({error})", 1.0
            except httpx.HTTPError as error:
                problem = f"{self.url} did not answer: {type(error).__name__}: {error}"
                raise ServerUnavailableError(problem) from error
            else:
                if response.status_code == 200:
                    return _json(response)
                problem = f"{self.url} answered {response.status_code}: {_reason(response)}"
                if response.status_code in BY_SAMPLE:
                    raise _RefusedError(problem)
                if response.status_code != 503:
                    raise ServerError(problem)
                wait = _seconds(response.headers.get("Retry-After"))
            wait = min(max(wait, SHORTEST), LONGEST) * random.uniform(0.5, 1.0)  # noqa: S311 - apart from other clients
            if time.monotonic() + wait > deadline:
                raise ServerUnavailableError(f"{problem}; gave up after {self.patience:g} s")
            time.sleep(wait)


def _reason(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return response.text[:200]


def _json_or_reason(sample: Sample) -> dict[str, Any] | str:
    """Return the JSON object of a sample, or the reason why it cannot be sent."""
    try:
        return sample_to_json(sample)
    except EditMetricsError as error:
        return str(error)
    except Exception as error:  # an image object of the caller may raise anything
        return f"the sample cannot be sent: {type(error).__name__}: {error}"


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError as error:
        raise ServerError(f"{response.url} answered with invalid JSON: {response.text[:200]!r}") from error


def _seconds(text: str | None) -> float:
    """Return the seconds of a Retry-After header; 1 if it is missing, or a date."""
    try:
        seconds = float(text or 1)
    except ValueError:
        return 1.0
    return seconds if seconds >= 0 else 1.0
