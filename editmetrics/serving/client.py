"""A small client of `editmetrics serve`, for scripts and training loops."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ..sample import EditMetricsError, Sample, Score, UnavailableError
from .wire import sample_said, score_from

if TYPE_CHECKING:
    import httpx

SHORTEST, LONGEST = 0.1, 10.0
"""Seconds between two tries while the server is full: as long as it says, within these."""


BY_SAMPLE = (413, 422)
"""Answers that may be about one sample of a request: its others are sent again without it."""


class ServerError(EditMetricsError):
    """The server answered what no score can be made of; the message is its own."""


class ServerUnavailableError(ServerError, UnavailableError):
    """The server cannot be reached, did not answer, or stayed full; nothing is said of the samples."""


class _RefusedError(ServerError):
    """A request that the server would not take."""


class Client:
    """Scores of samples by a server; images are sent as they are, never paths.

    - `url`: where it listens. `batch`: samples in a request. `parallel`: requests at a time.
    - `timeout`: seconds until an answer must come. `patience`: seconds to go on trying while the server is full or
      cannot be reached.

    Raises `ServerUnavailableError` where no server answers, and `ServerError` for an answer that makes no sense. What
    cannot be sent or scored has a `Score` with a status and a reason, as everywhere, and costs no other sample.
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
        starts = range(0, len(samples), self.batch)
        with httpx.Client(timeout=self.timeout) as http, ThreadPoolExecutor(self.parallel) as pool:
            parts = pool.map(lambda start: self._scores_of(http, samples[start : start + self.batch]), starts)
            found = [scores for part in parts for scores in part]
        unsent = [scores for scores in found if isinstance(scores, str)]
        labels: list[str] = []
        if unsent:
            answered = next((scores for scores in found if not isinstance(scores, str)), None)
            labels = list(answered) if answered else [metric["label"] for metric in self.metrics()]
        return [
            {label: Score.unscored("failed", scores) for label in labels} if isinstance(scores, str) else scores
            for scores in found
        ]

    def metrics(self) -> list[dict[str, Any]]:
        """What is served: label, dimensions, needed fields and identity of each metric."""
        import httpx

        with httpx.Client(timeout=self.timeout) as http:
            said: list[dict[str, Any]] = self._answer(lambda: http.get(f"{self.url}/v1/metrics"))
        return said

    def _scores_of(self, http: httpx.Client, samples: Sequence[Sample]) -> list[dict[str, Score] | str]:
        """For each sample its scores, or why it could not be sent."""
        said = [_said_or_why_not(sample) for sample in samples]
        sendable = [one for one in said if not isinstance(one, str)]
        answers = iter(self._ask(http, sendable) if sendable else [])
        return [one if isinstance(one, str) else next(answers) for one in said]

    def _ask(self, http: httpx.Client, samples: Sequence[dict[str, Any]]) -> list[dict[str, Score] | str]:
        """The scores of samples that are ready to be sent; a request that is refused is sent again in halves."""
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
            scores = [{label: score_from(one) for label, one in each["scores"].items()} for each in answer["samples"]]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ServerError(f"{self.url} answered what is no score: {type(error).__name__}: {error}") from error
        if len(scores) != len(samples):
            raise ServerError(f"{self.url} answered {len(scores)} samples where {len(samples)} were sent")
        return list(scores)

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
            if time.monotonic() + wait > until:
                raise ServerUnavailableError(f"{problem}; gave up after {self.patience:g} s")
            time.sleep(wait)


def _reason(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return response.text[:200]


def _said_or_why_not(sample: Sample) -> dict[str, Any] | str:
    """The JSON object of a sample, or why it cannot be sent."""
    try:
        return sample_said(sample)
    except EditMetricsError as error:
        return str(error)
    except Exception as error:  # whatever an image object or a text of a caller's does
        return f"the sample cannot be sent: {type(error).__name__}: {error}"


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError as error:
        raise ServerError(f"{response.url} answered what is no JSON: {response.text[:200]!r}") from error


def _seconds(text: str | None) -> float:
    """The seconds of a Retry-After; one where it says none, or a date."""
    try:
        seconds = float(text or 1)
    except ValueError:
        return 1.0
    return seconds if seconds >= 0 else 1.0
