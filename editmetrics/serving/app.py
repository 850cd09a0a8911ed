"""The HTTP interface: samples in, scores out, and the state of the service.

POST /v1/score     JSON {"samples": [...]}, or an upload (multipart) with the files edited, source, reference, mask
GET  /v1/metrics   dimensions, ranges and identities of the served metrics
GET  /health       the process is alive;  GET /ready  it accepts samples
GET  /metrics      for Prometheus

This module imports FastAPI and uvicorn at its top, and is itself only imported inside functions.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from .. import __version__
from ..files.score_json import score_to_json
from ..files.text import json_ready
from ..metric import Metric
from ..sample import IMAGE_FIELDS, Sample, Score, images_of
from ..scoring.results import Column
from ..wording import plural
from .batcher import Batcher, FullError, ServingOptions
from .wire import RequestError, UnusableError, claimed_pixels, sample_from_json, without_local_paths


def make_app(metrics: Sequence[Metric], options: ServingOptions | None = None) -> FastAPI:
    """Return the application that serves `metrics`."""
    service = _Service(metrics, options or ServingOptions())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        with service.batcher:
            yield

    app = FastAPI(title="editmetrics", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None)
    app.post("/v1/score")(service.score)
    app.get("/v1/metrics")(service.about)
    app.get("/health")(service.health)
    app.get("/ready")(service.ready)
    app.get("/metrics")(service.prometheus)
    return app


class PatientProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """Uvicorn's HTTP protocol, closing a connection whose next request does not begin within `header_timeout` seconds.

    Uvicorn itself only times out connections that are silent after an answer; headers that never end would hold one.
    """

    header_timeout = 20.0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Start the clock for the first request."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Restart or stop the clock, depending on whether the headers are complete."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._forget()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Start the clock while a request is awaited, and stop it when its headers have arrived."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._forget()
        elif self._deadline is None:
            self._deadline = asyncio.get_running_loop().call_later(self.header_timeout, self._close)

    def _forget(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _close(self) -> None:
        self._deadline = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()


class _Answer(JSONResponse):
    """JSON in ASCII, which can carry any text of a request, lone surrogates included."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


@dataclass(frozen=True)
class _Submitted:
    """A sample of a request and the pixels of its images, or the reason why it cannot be used."""

    id: str
    sample: Sample | None = None
    pixels: int = 0
    reason: str | None = None


class _Refused(Exception):
    def __init__(self, code: int, reason: str, headers: dict[str, str] | None = None) -> None:
        self.code, self.reason, self.headers = code, reason, headers


class _Statistics:
    """Counters and histograms for Prometheus."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter("editmetrics_requests", "Requests for scores, by answer", ["code"], registry=registry)
        self.scores = Counter(
            "editmetrics_scores", "Scores, by metric and status", ["metric", "status"], registry=registry
        )
        self.latency = Histogram(
            "editmetrics_request_seconds", "From a request's arrival to its answer", registry=registry
        )
        self.sizes = Histogram(
            "editmetrics_batch_samples", "Samples in a batch", buckets=[1, 2, 4, 8, 16, 32, 64], registry=registry
        )
        self.busy = Counter("editmetrics_busy_seconds", "Seconds spent on batches", registry=registry)

    def count_batch(self, size: int, seconds: float) -> None:
        self.sizes.observe(size)
        self.busy.inc(seconds)


class _Service:
    """The handlers of the application."""

    def __init__(self, metrics: Sequence[Metric], options: ServingOptions) -> None:
        self.options, self.statistics = options, _Statistics()
        self.columns = [Column(metric) for metric in metrics]
        self.batcher = Batcher(metrics, options, self.statistics.count_batch)
        gauge = Gauge("editmetrics_waiting_samples", "Samples that wait", registry=self.statistics.registry)
        gauge.set_function(lambda: self.batcher.waiting)

    async def score(self, request: Request) -> Response:
        started = time.monotonic()
        try:
            submitted = await self._submitted(request)
            scores = await self._scores(submitted)
        except _Refused as refused:
            self.statistics.requests.labels(refused.code).inc()
            return _Answer({"error": refused.reason}, refused.code, refused.headers)
        samples = [
            {
                "id": item.id,
                "scores": {
                    label: without_local_paths(score_to_json(score), self.options.folder)
                    for label, score in by_label.items()
                },
            }
            for item, by_label in zip(submitted, scores, strict=True)
        ]
        for by_label in scores:
            for label, score in by_label.items():
                self.statistics.scores.labels(label, score.status).inc()
        self.statistics.requests.labels(200).inc()
        self.statistics.latency.observe(time.monotonic() - started)
        return _Answer({"identities": {column.label: column.key for column in self.columns}, "samples": samples})

    async def about(self) -> Response:
        if not self.batcher.loaded:  # identities depend on the weights
            return _Answer({"error": "loading"}, 503, {"Retry-After": "1"})
        return _Answer([_about(column) for column in self.columns])

    async def health(self) -> Response:
        return _Answer({"status": "ok", "version": __version__})

    async def ready(self) -> Response:
        waiting = self.batcher.waiting
        status = "loading" if not self.batcher.loaded else "full" if waiting >= self.options.capacity else "ready"
        return _Answer({"status": status, "waiting": waiting}, 200 if status == "ready" else 503)

    async def prometheus(self) -> Response:
        return Response(generate_latest(self.statistics.registry), media_type=CONTENT_TYPE_LATEST)

    async def _submitted(self, request: Request) -> list[_Submitted]:
        timeout = self.options.body_timeout
        try:
            return await asyncio.wait_for(_read_request(request, self.options), timeout)
        except asyncio.TimeoutError:
            raise _Refused(408, f"the request did not arrive within {timeout:.0f} s") from None
        except RequestError as error:
            raise _Refused(422, str(error)) from error

    async def _scores(self, submitted: Sequence[_Submitted]) -> list[dict[str, Score]]:
        """Score the usable samples; the others get the status "failed"."""
        usable = [(item.sample, item.pixels) for item in submitted if item.sample is not None]
        try:
            futures = self.batcher.submit(*map(list, zip(*usable, strict=True))) if usable else []
        except FullError as error:
            raise _Refused(503, str(error), {"Retry-After": f"{error.retry_after:.0f}"}) from error
        scored = iter(await asyncio.gather(*map(asyncio.wrap_future, futures)))
        return [
            next(scored)
            if item.sample is not None
            else {column.label: Score.unscored("failed", item.reason or "") for column in self.columns}
            for item in submitted
        ]


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


async def _read_request(request: Request, options: ServingOptions) -> list[_Submitted]:
    """Read the samples of a request; raises `_Refused` if it is too large, `RequestError` if it is malformed."""
    body = await _body(request, options.max_bytes)
    folder = options.folder
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        objects, folder = [await _form(request, body)], None
    else:
        objects = await asyncio.to_thread(_objects, body)
    if len(objects) > options.capacity:
        raise _Refused(
            413, f"{plural(len(objects), 'sample')} in one request; this server takes {options.capacity} at a time"
        )
    return await asyncio.to_thread(_checked, objects, folder, options.max_pixels)


def _checked(objects: Sequence[Any], folder: Path | None, max_pixels: int) -> list[_Submitted]:
    """Read each sample; raises `_Refused` if their images together have too many pixels."""
    submitted, total = [], 0
    for item in objects:
        sample_id = str(item.get("id") or "") if isinstance(item, dict) else ""
        try:
            sample = sample_from_json(item, folder)
            images = [image for field in IMAGE_FIELDS for image in images_of(getattr(sample, field))]
            pixels = sum(map(claimed_pixels, images))
            if pixels > max_pixels:
                raise UnusableError(f"its images have {pixels} pixels; this server decodes {max_pixels} per request")
        except UnusableError as error:
            submitted.append(_Submitted(sample_id, reason=str(error)))
            continue
        total += pixels
        submitted.append(_Submitted(sample_id, sample, pixels))
        if total > max_pixels:
            raise _Refused(413, f"the images together exceed {max_pixels} pixels; send fewer samples at a time")
    return submitted


async def _body(request: Request, max_bytes: int) -> bytes:
    refused = _Refused(413, f"the request is larger than {plural(max_bytes, 'byte')}; send fewer samples at a time")
    if int(request.headers.get("content-length") or 0) > max_bytes:
        raise refused
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise refused
    return bytes(body)


def _objects(body: bytes) -> list[Any]:
    """Parse the samples of a JSON request, without checking them."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"invalid JSON in the request ({error})") from error
    if not (isinstance(content, dict) and content.keys() == {"samples"} and isinstance(content["samples"], list)):
        raise RequestError('expected {"samples": [...]}')
    samples: list[Any] = content["samples"]
    if not samples:
        raise RequestError("the request contains no samples")
    return samples


async def _form(request: Request, body: bytes) -> dict[str, Any]:
    """Read the fields of one sample from a form: images as files, texts as fields.

    `questions`, `source` and `reference` may be repeated.
    """

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    try:
        async with Request(request.scope, receive).form() as form:
            fields: dict[str, Any] = {}
            for name in form:
                values = [value if isinstance(value, str) else await value.read() for value in form.getlist(name)]
                fields[name] = values if len(values) > 1 or name == "questions" else values[0]
    except (MultiPartException, HTTPException) as error:
        raise RequestError(f"cannot read the form: {getattr(error, 'detail', error)}") from error
    return fields
