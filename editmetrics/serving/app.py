"""The HTTP interface: samples in, scores out, and the state of the service.

POST /v1/score     JSON {"samples": [...]}, the same in a safetensors file, or an upload (multipart) of one sample
POST /score        UniRL's wire;  GET /rewards  the names that it may ask for
POST /pooling      vLLM's wire, also as /v1/pooling;  GET /v1/models  the names that it may ask for
GET  /v1/metrics   dimensions, ranges and identities of the served metrics
GET  /health       the process is alive;  GET /ready  it accepts samples
GET  /metrics      for Prometheus

This module imports FastAPI and uvicorn at its top, and is itself only imported inside functions.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from .. import __version__
from ..files.text import json_ready
from ..metric import Metric
from ..sample import Score
from ..scoring.results import Column
from .access import TokenCheck
from .batcher import Batcher, FullError, Order, ServingOptions
from .connection import GoneError, unless_gone
from .own_page import OnlyOwnPage
from .pooling import POOLING
from .reading import RefusedError, Submitted, read_request
from .statistics import Statistics
from .unirl import UNIRL
from .wire import RequestError, UnscoredError
from .wires import OWN, Answered, Wire

WIRES = {"/v1/score": OWN, "/score": UNIRL, "/pooling": POOLING, "/v1/pooling": POOLING, "/": OWN}
"""The wire of each path. Nothing documented is at "/": there, clients that send pickles learn what to use instead."""

CLIENT_GONE = 499
"""The code under which requests are counted whose client closed the connection."""


def make_app(metrics: Sequence[Metric], options: ServingOptions | None = None) -> FastAPI:
    """Return the application that serves `metrics`."""
    service = _Service(metrics, options or ServingOptions())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with service.batcher:
            yield

    app = FastAPI(title="editmetrics", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    if service.options.token:
        app.add_middleware(TokenCheck, token=service.options.token, open_paths=("/health", "/ready"))
    if service.options.own_page_only:
        app.add_middleware(OnlyOwnPage)
    for path, wire in WIRES.items():
        app.post(path)(service.scoring(wire))
    app.get("/v1/metrics")(service.about)
    app.get("/v1/models")(service.models)
    app.get("/rewards")(service.rewards)
    app.get("/health")(service.health)
    app.get("/ready")(service.ready)
    app.get("/metrics")(service.prometheus)
    return app


class _Answer(JSONResponse):
    """JSON in ASCII, which can carry any text of a request, lone surrogates included."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


class _Service:
    """The handlers of the application."""

    def __init__(self, metrics: Sequence[Metric], options: ServingOptions) -> None:
        self.options, self.statistics = options, Statistics(lambda: self.batcher.waiting)
        self.columns = [Column(metric) for metric in metrics]
        self.labels = [column.label for column in self.columns]
        self.batcher = Batcher(metrics, options, self.statistics.count_batch)

    def scoring(self, wire: Wire) -> Callable[[Request], Awaitable[Response]]:
        """Return the handler of a path that speaks `wire`."""

        async def handler(request: Request) -> Response:
            return await self.score(request, wire)

        return handler

    async def score(self, request: Request, wire: Wire) -> Response:
        started = time.monotonic()
        code, headers = 200, None
        try:
            submitted, timeout = await self._submitted(request, wire)
            answered = await unless_gone(request, self._scores(submitted, timeout))
            content = wire.answer(answered, self.columns, self.options.folder)
        except GoneError:
            code, content = CLIENT_GONE, wire.error(CLIENT_GONE, "the client is gone")
        except RefusedError as refused:
            code, content, headers = refused.code, wire.error(refused.code, refused.reason), refused.headers
        except UnscoredError as error:
            code, content = error.code, wire.error(error.code, str(error))
        self.statistics.requests.labels(code).inc()
        if code == 200:
            self.statistics.latency.observe(time.monotonic() - started)
        return _Answer(content, code, headers)

    async def about(self) -> Response:
        if not self.batcher.loaded:  # identities depend on the weights
            return _Answer({"error": "loading"}, 503, {"Retry-After": "1"})
        return _Answer([_about(column) for column in self.columns])

    async def models(self) -> Response:
        return _Answer({"object": "list", "data": [{"id": label, "object": "model"} for label in self.labels]})

    async def rewards(self) -> Response:
        return _Answer({"rewards": self.labels})

    async def health(self) -> Response:
        ready = {label: [self.batcher.loaded] for label in self.labels}
        return _Answer({"status": "ok", "version": __version__, "rewards": ready})

    async def ready(self) -> Response:
        waiting = self.batcher.waiting
        status = "loading" if not self.batcher.loaded else "full" if waiting >= self.options.capacity else "ready"
        return _Answer({"status": status, "waiting": waiting}, 200 if status == "ready" else 503)

    async def prometheus(self) -> Response:
        return Response(generate_latest(self.statistics.registry), media_type=CONTENT_TYPE_LATEST)

    async def _submitted(self, request: Request, wire: Wire) -> tuple[list[Submitted], float | None]:
        timeout = self.options.body_timeout
        try:
            return await asyncio.wait_for(read_request(request, wire, self.labels, self.options), timeout)
        except asyncio.TimeoutError:
            raise RefusedError(408, f"the request did not arrive within {timeout:.0f} s") from None
        except RequestError as error:
            raise RefusedError(422, str(error)) from error

    async def _scores(self, submitted: Sequence[Submitted], timeout: float | None) -> list[Answered]:
        """Score the usable samples; the others get the status "failed"."""
        expires = None if timeout is None else time.monotonic() + timeout
        orders = {
            index: Order(item.sample, item.pixels, item.labels, expires)
            for index, item in enumerate(submitted)
            if item.sample is not None
        }
        try:
            futures = self.batcher.submit(list(orders.values()))
        except FullError as error:
            raise RefusedError(503, str(error), {"Retry-After": f"{error.retry_after:.0f}"}) from error
        scored = dict(zip(orders, await asyncio.gather(*map(asyncio.wrap_future, futures)), strict=True))
        answered = [
            Answered(item.id, scored[index] if index in scored else self._unusable(item))
            for index, item in enumerate(submitted)
        ]
        for label, score in (pair for item in answered for pair in item.scores.items()):
            self.statistics.scores.labels(label, score.status).inc()
        return answered

    def _unusable(self, item: Submitted) -> dict[str, Score]:
        return dict.fromkeys(item.labels or self.labels, Score.unscored("failed", item.reason))


def _about(column: Column) -> dict[str, Any]:
    dimensions = [
        {
            "name": dimension.name,
            "unit": dimension.unit,
            "low": json_ready(dimension.low),
            "high": json_ready(dimension.high),
            "higher_is_better": dimension.higher_is_better,
        }
        for dimension in column.metric.dimensions
    ]
    required = sorted(column.metric.required())
    return {
        "label": column.label,
        "dimensions": dimensions,
        "needs": required,
        "identity": column.identity,
        "key": column.key,
    }
