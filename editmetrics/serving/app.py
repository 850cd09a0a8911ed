"""The HTTP interface: samples in, scores out, and what those who run a service want to know.

POST /v1/score     JSON {"samples": [...]}, or an upload (multipart) with the files edited, source, reference, mask
GET  /v1/metrics   what is served: dimensions, ranges, identities
GET  /health       the process is alive;  GET /ready  it takes samples
GET  /metrics      for Prometheus

This module imports FastAPI at its top, and is itself only imported inside functions.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException

from .. import __version__
from ..files.text import json_ready
from ..metric import Metric
from ..sample import IMAGE_FIELDS, Sample, Score
from ..scoring.plan import Column
from .batcher import Batcher, FullError, Scores
from .limits import claimed_pixels
from .wire import RequestError, UnusableError, sample_from, score_said, without_places

BODY_TIMEOUT = 60.0
"""Seconds in which a request's body must have arrived."""

MAX_PIXELS = 64_000_000
"""Pixels that the images of one request may have once they are decoded: a small file may claim a large image."""


class _Answer(JSONResponse):
    """JSON in ASCII, which carries whatever stood in a request, half characters among it."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


@dataclass(frozen=True)
class _Asked:
    """A sample of a request and the pixels of its images, or why it cannot be used."""

    id: str
    sample: Sample | None = None
    pixels: int = 0
    reason: str | None = None


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
    max_pixels: int = MAX_PIXELS,
    body_timeout: float = BODY_TIMEOUT,
    on_failure: Callable[[Exception], None] = lambda error: None,
) -> FastAPI:
    """The application that serves `metrics`.

    - `folder`: images below it may be named by path; None allows no paths.
    - `batch_size`, `wait`, `capacity`, `workers`, `on_failure`: see `Batcher`. One request may have `capacity` samples.
    - `max_bytes`: the largest body of a request. `max_pixels`: the most pixels of all its images once they are decoded.
      `body_timeout`: seconds in which it must have arrived.
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
        metrics, batch_size=batch_size, wait=wait, capacity=capacity, batch_pixels=max_pixels, workers=workers,
        on_batch=on_batch, on_failure=on_failure,
    )  # fmt: skip
    Gauge("editmetrics_waiting_samples", "Samples that wait", registry=registry).set_function(lambda: batcher.waiting)

    columns = [Column(metric) for metric in metrics]
    limits = _Limits(max_bytes, capacity, max_pixels)

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
                asked = await asyncio.wait_for(_asked(request, folder, limits), body_timeout)
            except asyncio.TimeoutError:
                raise _Refused(408, f"the request did not arrive within {body_timeout:.0f} s") from None
            usable = [(one.sample, one.pixels) for one in asked if one.sample is not None]
            try:
                futures = batcher.submit(*map(list, zip(*usable, strict=True))) if usable else []
            except FullError as error:
                raise _Refused(503, str(error), {"Retry-After": f"{error.retry_after:.0f}"}) from error
            found: list[Scores] = await asyncio.gather(*map(asyncio.wrap_future, futures))
        except _Refused as refused:
            requests.labels(refused.code).inc()
            return _Answer({"error": refused.reason}, refused.code, refused.headers)
        scored_in_turn = iter(found)
        said = []
        for one in asked:
            if one.sample is None:
                scores = {column.label: Score.unscored("failed", one.reason or "") for column in columns}
            else:
                scores = next(scored_in_turn)
            for label, score in scores.items():
                scored.labels(label, score.status).inc()
            told = {label: without_places(score_said(score), folder) for label, score in scores.items()}
            said.append({"id": one.id, "scores": told})
        requests.labels(200).inc()
        latency.observe(time.monotonic() - started)
        return _Answer({"identities": {column.label: column.key for column in columns}, "samples": said})

    @app.get("/v1/metrics")
    async def about() -> Response:
        if not batcher.loaded:  # what identifies a number is known when the weights are
            return _Answer({"error": "loading"}, 503, {"Retry-After": "1"})
        return _Answer([_about(column) for column in columns])

    @app.get("/health")
    async def health() -> Response:
        return _Answer({"status": "ok", "version": __version__})

    @app.get("/ready")
    async def ready() -> Response:
        status = "loading" if not batcher.loaded else "full" if batcher.waiting >= capacity else "ready"
        return _Answer({"status": status, "waiting": batcher.waiting}, 200 if status == "ready" else 503)

    @app.get("/metrics")
    async def prometheus() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return app


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


@dataclass(frozen=True)
class _Limits:
    """The most bytes, samples and decoded pixels of a request."""

    bytes: int
    samples: int
    pixels: int


async def _asked(request: Request, folder: Path | None, limits: _Limits) -> list[_Asked]:
    """The samples of a request; `_Refused` for one that is too large or not what it should be."""
    try:
        body = await _body(request, limits.bytes)
        if request.headers.get("content-type", "").startswith("multipart/form-data"):
            said = [await _form(request, body)]
            allowed = None
        else:
            said, allowed = await asyncio.to_thread(_objects, body), folder
        if len(said) > limits.samples:
            raise _Refused(413, f"{len(said)} samples in one request; this server takes {limits.samples} at a time")
        return await asyncio.to_thread(_checked, said, allowed, limits.pixels)
    except RequestError as error:
        raise _Refused(422, str(error)) from error


def _checked(said: Sequence[Any], folder: Path | None, max_pixels: int) -> list[_Asked]:
    """Each sample, or why it cannot be used; `_Refused` when their images have too many pixels all together."""
    asked, total = [], 0
    for one in said:
        name = str(one.get("id") or "") if isinstance(one, dict) else ""
        try:
            sample = sample_from(one, folder)
            images = [getattr(sample, field) for field in IMAGE_FIELDS]
            pixels = sum(claimed_pixels(image) for image in images if image is not None)
            if pixels > max_pixels:
                raise UnusableError(f"its images have {pixels} pixels; this server decodes {max_pixels} a request")
        except UnusableError as error:
            asked.append(_Asked(name, reason=str(error)))
            continue
        total += pixels
        asked.append(_Asked(name, sample, pixels))
        if total > max_pixels:
            raise _Refused(
                413, f"the images have more than {max_pixels} pixels all together; send fewer samples at a time"
            )
    return asked


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


def _objects(body: bytes) -> list[Any]:
    """The samples of a JSON request, whatever they are."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the request is no JSON ({error})") from error
    if not (isinstance(said, dict) and said.keys() == {"samples"} and isinstance(said["samples"], list)):
        raise RequestError('expected {"samples": [...]}')
    if not said["samples"]:
        raise RequestError("there is no sample in the request")
    samples: list[Any] = said["samples"]
    return samples


async def _form(request: Request, body: bytes) -> dict[str, Any]:
    """The fields of one sample from a form: images as files, texts as fields (`questions` as often as there are)."""

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
    return said
