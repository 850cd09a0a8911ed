"""The HTTP interface: samples in, scores out, and what those who run a service want to know.

POST /v1/score     JSON {"samples": [...]}, or an upload (multipart) with the files edited, source, reference, mask
GET  /v1/metrics   what is served: dimensions, ranges, identities
GET  /health       the process is alive;  GET /ready  it takes samples
GET  /metrics      for Prometheus

This module imports FastAPI at its top, and is itself only imported inside functions.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException

from .. import __version__
from ..metric import Metric
from ..sample import Sample
from ..scoring.plan import Column
from ..scoring.record import number
from .batcher import Batcher, FullError, Scores
from .wire import RequestError, sample_from, score_said

BODY_TIMEOUT = 60.0
"""Seconds in which a request's body must have arrived."""


class _Refused(Exception):
    def __init__(self, code: int, reason: str, headers: dict[str, str] | None = None) -> None:
        self.code, self.reason, self.headers = code, reason, headers


def make_app(
    metrics: Sequence[Metric],
    *,
    folder: Path | None = None,
    batch_size: int = 16,
    wait: float = 0.01,
    capacity: int = 256,
    workers: int = 1,
    max_bytes: int = 32 << 20,
    body_timeout: float = BODY_TIMEOUT,
    on_failure: Callable[[Exception], None] = lambda error: None,
) -> FastAPI:
    """The application that serves `metrics`.

    - `folder`: images below it may be named by path; None allows no paths.
    - `batch_size`, `wait`, `capacity`, `workers`, `on_failure`: see `Batcher`. `max_bytes`: the largest body of a
      request. `body_timeout`: seconds in which it must have arrived.
    """
    registry = CollectorRegistry()
    requests = Counter("editmetrics_requests", "Requests for scores, by answer", ["code"], registry=registry)
    scored = Counter("editmetrics_scores", "Scores, by metric and status", ["metric", "status"], registry=registry)
    latency = Histogram("editmetrics_request_seconds", "From a request's arrival to its answer", registry=registry)
    sizes = Histogram(
        "editmetrics_batch_samples", "Samples in a batch", buckets=[1, 2, 4, 8, 16, 32, 64], registry=registry
    )
    busy = Counter("editmetrics_busy_seconds", "Seconds spent on batches", registry=registry)

    def on_batch(size: int, seconds: float) -> None:
        sizes.observe(size)
        busy.inc(seconds)

    batcher = Batcher(
        metrics, batch_size=batch_size, wait=wait, capacity=capacity, workers=workers, on_batch=on_batch,
        on_failure=on_failure,
    )  # fmt: skip
    Gauge("editmetrics_waiting_samples", "Samples that wait", registry=registry).set_function(lambda: batcher.waiting)

    columns = [Column(metric) for metric in metrics]

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with batcher:
            yield

    app = FastAPI(title="editmetrics", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)

    @app.post("/v1/score")
    async def score(request: Request) -> Response:
        started = time.monotonic()
        try:
            try:
                samples = await asyncio.wait_for(_samples(request, folder, max_bytes), body_timeout)
            except asyncio.TimeoutError:
                raise _Refused(408, f"the request did not arrive within {body_timeout:.0f} s") from None
            try:
                futures = batcher.submit(samples)
            except FullError as error:
                raise _Refused(503, str(error), {"Retry-After": f"{error.retry_after:.0f}"}) from error
            found: list[Scores] = await asyncio.gather(*map(asyncio.wrap_future, futures))
        except _Refused as refused:
            requests.labels(refused.code).inc()
            return JSONResponse({"error": refused.reason}, refused.code, refused.headers)
        for scores in found:
            for label, one in scores.items():
                scored.labels(label, one.status).inc()
        requests.labels(200).inc()
        latency.observe(time.monotonic() - started)
        said = [
            {"id": sample.id, "scores": {label: score_said(one) for label, one in scores.items()}}
            for sample, scores in zip(samples, found, strict=True)
        ]
        return JSONResponse({"identities": {column.label: column.key for column in columns}, "samples": said})

    @app.get("/v1/metrics")
    async def about() -> Response:
        if not batcher.loaded:  # what identifies a number is known when the weights are
            return JSONResponse({"error": "loading"}, 503, {"Retry-After": "1"})
        return JSONResponse([_about(column) for column in columns])

    @app.get("/health")
    async def health() -> Response:
        return JSONResponse({"status": "ok", "version": __version__})

    @app.get("/ready")
    async def ready() -> Response:
        status = "loading" if not batcher.loaded else "full" if batcher.waiting >= capacity else "ready"
        return JSONResponse({"status": status, "waiting": batcher.waiting}, 200 if status == "ready" else 503)

    @app.get("/metrics")
    async def prometheus() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return app


def _about(column: Column) -> dict[str, Any]:
    dimensions = [
        {
            "name": dimension.name,
            "unit": dimension.unit,
            "low": number(dimension.low),
            "high": number(dimension.high),
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


async def _samples(request: Request, folder: Path | None, max_bytes: int) -> list[Sample]:
    """The samples of a request; `_Refused` for one that is too large or not what it should be."""
    try:
        body = await _body(request, max_bytes)
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            return [await _uploaded(request, body)]
        return await asyncio.to_thread(_from_json, body, folder)
    except RequestError as error:
        raise _Refused(422, str(error)) from error


async def _body(request: Request, max_bytes: int) -> bytes:
    refused = _Refused(413, f"the request is larger than {max_bytes} bytes; send fewer samples at a time")
    if int(request.headers.get("content-length") or 0) > max_bytes:
        raise refused
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise refused
    return bytes(body)


def _from_json(body: bytes, folder: Path | None) -> list[Sample]:
    import json

    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the request is no JSON ({error})") from error
    if not (isinstance(said, dict) and said.keys() == {"samples"} and isinstance(said["samples"], list)):
        raise RequestError('expected {"samples": [...]}')
    if not said["samples"]:
        raise RequestError("there is no sample in the request")
    return [sample_from(one, folder) for one in said["samples"]]


async def _uploaded(request: Request, body: bytes) -> Sample:
    """One sample from a form: images as files, texts as fields (`questions` as often as there are)."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    try:
        async with Request(request.scope, receive).form() as form:
            said: dict[str, Any] = {
                name: value if isinstance(value, str) else await value.read() for name, value in form.items()
            }
            if "questions" in form:
                said["questions"] = form.getlist("questions")
    except (MultiPartException, HTTPException) as error:
        raise RequestError(f"the form cannot be read: {getattr(error, 'detail', error)}") from error
    return sample_from(said, None)
