"""A client of `editmetrics serve`, for scripts and training loops."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ..files.score_json import score_from_json
from ..sample import EditMetricsError, Sample, Score, UnavailableError
from ..wording import plural
from .access import token_in_environment
from .tensor_wire import CONTENT_TYPE, Packed, in_pieces, packed_or_reason, packed_request

if TYPE_CHECKING:
    import httpx

SHORTEST, LONGEST = 0.1, 10.0
"""Bounds, in seconds, of the server's Retry-After between two attempts."""

BY_SAMPLE = (413, 422, 500)
"""Status codes that may be about one sample of a request: the others are sent again without it."""

LOST_AFTER = 3
"""After how many lost connections a request is sent in halves, and a single sample fails: it may end the server."""

_CONNECTING = threading.Lock()


class ServerError(EditMetricsError):
    """The server answered with an error, or with something other than scores."""


class ServerUnavailableError(ServerError, UnavailableError):
    """The server cannot be reached, did not answer, or stayed full; try the samples again later."""


class _RefusedError(ServerError):
    """A request that the server refused, or that ended its connection again and again."""


class _Patience:
    """How long all requests of a call are tried: until `seconds` have passed since the start, or the latest answer."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.answered()

    def answered(self) -> None:
        self._deadline = time.monotonic() + self.seconds

    def allows(self, wait: float) -> bool:
        """Whether there is time to wait."""
        return time.monotonic() + wait <= self._deadline


class Client:
    """Scores samples on a server; sends images byte for byte, never paths.

    - `url`: address of the server. `batch`: samples per request. `parallel`: requests at a time.
    - `timeout`: seconds to wait for an answer; the server does not score what would come later. `patience`: seconds to
      retry, after the latest answer, while the server is full, restarts or cannot be reached.
    - `metrics`: labels of the metrics to score by; without them, all that are served.
    - `token`: the server's, if it requires one; without it, the environment variable EDITMETRICS_TOKEN.

    Raises `ServerUnavailableError` if no server answers, and `ServerError` for an invalid answer. A sample that cannot
    be sent or scored gets a `Score` with a status and a reason; the others are scored. If the server is gone for good
    in the middle, what it scored is kept, and the other samples are `unavailable`.
    """

    def __init__(
        self,
        url: str,
        *,
        batch: int = 8,
        parallel: int = 4,
        timeout: float = 300.0,
        patience: float = 300.0,
        metrics: Sequence[str] = (),
        token: str | None = None,
    ) -> None:
        self.url, self.batch, self.parallel = url.rstrip("/"), batch, parallel
        self.timeout, self.patience = timeout, patience
        self._labels = list(metrics)
        token = token or token_in_environment()
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self._connections: tuple[int, httpx.Client] | None = None

    def score(self, samples: Iterable[Sample]) -> list[dict[str, Score]]:
        """Return the scores of each sample, in order, by the label of the metric."""
        samples = list(samples)
        parts = [samples[start : start + self.batch] for start in range(0, len(samples), self.batch)]
        patience = _Patience(self.patience)
        with ThreadPoolExecutor(self.parallel) as pool:
            scored = pool.map(lambda part: self._scores_of(part, patience), parts)
            return self._for_each_label([scores for part in scored for scores in part])

    def _for_each_label(self, results: Sequence[dict[str, Score] | Score]) -> list[dict[str, Score]]:
        """Results in which a score in place of a dictionary, the reason why there is none, stands for every metric."""
        answered = [scores for scores in results if isinstance(scores, dict)]
        if len(answered) == len(results):
            return answered
        missing = [score for score in results if isinstance(score, Score) and score.status == "unavailable"]
        if missing and not answered:
            raise ServerUnavailableError(missing[0].reason or "")
        labels = list(answered[0]) if answered else self._labels or [metric["label"] for metric in self.metrics()]
        return [scores if isinstance(scores, dict) else dict.fromkeys(labels, scores) for scores in results]

    def metrics(self) -> list[dict[str, Any]]:
        """Return the label, dimensions, required fields and identity of each served metric."""
        patience = _Patience(self.patience)
        metrics: list[dict[str, Any]] = self._answer(lambda: self._connection().get(f"{self.url}/v1/metrics"), patience)
        return metrics

    def close(self) -> None:
        """Close the connections, which otherwise stay open for the next samples."""
        connections, self._connections = self._connections, None
        if connections is not None and connections[0] == os.getpid():
            connections[1].close()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_connections": None}

    def _connection(self) -> httpx.Client:
        """Return the connections of this process: those of another, before a fork, cannot be shared."""
        import httpx

        with _CONNECTING:
            if self._connections is None or self._connections[0] != os.getpid():
                with_tls = not self.url.startswith("http://")  # reading certificates takes longer than a request
                http = httpx.Client(timeout=self.timeout, headers=self._headers, verify=with_tls)
                self._connections = os.getpid(), http
            return self._connections[1]

    def _scores_of(self, samples: Sequence[Sample], patience: _Patience) -> list[dict[str, Score] | Score]:
        """Return the scores of each sample, or one score that says why it has none."""
        items = [packed_or_reason(sample, str(index)) for index, sample in enumerate(samples)]
        sendable = [item for item in items if not isinstance(item, str)]
        answers = iter(self._ask(sendable, patience) if sendable else [])
        return [Score.unscored("failed", item) if isinstance(item, str) else next(answers) for item in items]

    def _ask(self, samples: Sequence[Packed], patience: _Patience) -> list[dict[str, Score] | Score]:
        """Send samples and return their scores; a refused request is sent again in halves."""
        chosen = {"metrics": self._labels} if self._labels else {}
        body = packed_request(samples, timeout=self.timeout, **chosen)
        headers = {"content-type": CONTENT_TYPE, "content-length": str(sum(map(len, body)))}
        try:
            answer = self._answer(
                lambda: self._connection().post(f"{self.url}/v1/score", content=in_pieces(body), headers=headers),
                patience,
            )
        except _RefusedError as refused:
            if len(samples) == 1:
                return [Score.unscored("failed", str(refused))]
            half = len(samples) // 2
            return [*self._ask(samples[:half], patience), *self._ask(samples[half:], patience)]
        except ServerUnavailableError as error:
            return [Score.unscored("unavailable", str(error))] * len(samples)
        try:
            scores = [
                {label: score_from_json(score) for label, score in item["scores"].items()} for item in answer["samples"]
            ]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ServerError(f"{self.url} answered with invalid scores: {type(error).__name__}: {error}") from error
        if len(scores) != len(samples):
            raise ServerError(f"{self.url} answered {plural(len(scores), 'sample')}; expected {len(samples)}")
        return list(scores)

    def _answer(self, ask: Callable[[], httpx.Response], patience: _Patience) -> Any:
        """Return the JSON of an answer; retries while the server is full or cannot be reached.

        Scoring has no effects, so that a request which a server took to its grave can be sent again.
        """
        import httpx

        lost = 0
        while True:
            try:
                response = ask()
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                problem, wait = f"{self.url} cannot be reached ({error})", 1.0
            except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
                lost += 1
                problem, wait = f"{self.url} did not answer: {type(error).__name__}: {error}", 1.0
                if lost == LOST_AFTER:
                    raise _RefusedError(f"{problem}; {lost} times in a row") from error
            except httpx.HTTPError as error:
                problem = f"{self.url} did not answer: {type(error).__name__}: {error}"
                raise ServerUnavailableError(problem) from error
            else:
                if response.status_code == 200:
                    patience.answered()
                    return _json(response)
                problem = f"{self.url} answered {response.status_code}: {_reason(response)}"
                if response.status_code in BY_SAMPLE:
                    raise _RefusedError(problem)
                if response.status_code != 503:
                    raise ServerError(problem)
                wait = _seconds(response.headers.get("Retry-After"))
            wait = min(max(wait, SHORTEST), LONGEST) * random.uniform(0.5, 1.0)  # noqa: S311 - apart from other clients
            if not patience.allows(wait):
                raise ServerUnavailableError(f"{problem}; gave up after {patience.seconds:g} s")
            time.sleep(wait)


def _reason(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return response.text[:200]


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
