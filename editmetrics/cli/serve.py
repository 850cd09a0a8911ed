"""`editmetrics serve`: metrics behind HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..command_line import SectionedCommand, device_option, metrics_option, workers_option
from ..sample import EditMetricsError

if TYPE_CHECKING:
    from ..metric import Metric
    from ..serving.batcher import ServingOptions


@click.command(cls=SectionedCommand)
@metrics_option("Metric to serve. Repeatable.", required=True)
@click.option("--host", default="127.0.0.1", help="Address to listen on.")
@click.option("--port", default=8000, type=click.IntRange(0, 65535), help="Port to listen on; 0 picks a free one.")
@click.option(
    "--token/--no-token",
    default=None,
    help="Require a token of clients: EDITMETRICS_TOKEN, or a new one that is printed. By default where another "
    "machine can reach the server.",
)
@device_option
@click.option("--batch-size", default=16, type=click.IntRange(min=1), help="Maximum number of samples per batch.")
@click.option(
    "--wait",
    default=10.0,
    type=click.FloatRange(min=0),
    help="Milliseconds to wait for a batch to fill up, where samples have been arriving together.",
)
@click.option("--queue", default=256, type=click.IntRange(min=1), help="Maximum queue length, in samples.")
@workers_option
@click.option("--max-mb", default=32, type=click.IntRange(min=1), help="Maximum size of a request, in MB.")
@click.option(
    "--max-megapixels",
    default=64,
    type=click.IntRange(min=1),
    help="Maximum size of all decoded images of a request together.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder that requests may name images in, by relative path.",
)
def serve(
    metrics: tuple[str, ...],
    host: str,
    port: int,
    token: bool | None,
    device: str | None,
    batch_size: int,
    wait: float,
    queue: int,
    workers: int | None,
    max_mb: int,
    max_megapixels: int,
    folder: Path | None,
) -> None:
    """Score over HTTP until interrupted.

    \b
    editmetrics serve -m ds_ieqa -m psnr --port 8000
    curl -F edited=@edit.png -F source=@source.png -F prompt="make it red" localhost:8000/v1/score

    One process scores on one device, in batches that fill while others are scored. When the queue is full, requests
    get 503 with Retry-After. UniRL's and vLLM's requests are answered too. docs/serving.md describes the interfaces and
    a Python client.
    """
    from ..registry import create_metric
    from ..scoring.run import available_processors
    from ..serving.access import is_local

    try:
        from ..serving.app import make_app  # noqa: F401 - whether its packages are there
        from ..serving.batcher import ServingOptions
    except ImportError as error:
        raise EditMetricsError(f"serve requires the package {error.name}: pip install 'editmetrics[serve]'") from error
    chosen = [create_metric(spec, device=device) for spec in metrics]
    options = ServingOptions(
        folder=folder,
        batch_size=batch_size,
        wait=wait / 1000,
        capacity=queue,
        workers=workers or available_processors(),
        max_bytes=max_mb << 20,
        max_pixels=max_megapixels * 1_000_000,
        token=_token(host, token),
        own_page_only=token is None and is_local(host),
    )
    _run(chosen, options, host, port)


def _run(metrics: Sequence[Metric], options: ServingOptions, host: str, port: int) -> None:
    """Serve until interrupted. Raises `EditMetricsError` if the metrics cannot be loaded."""
    import uvicorn

    from ..serving.app import make_app
    from ..serving.connection import PatientProtocol
    from ..serving.listening import listening_socket, url_of
    from ..serving.memory import keep_freed_memory

    failures: list[Exception] = []

    def stop(error: Exception) -> None:
        failures.append(error)
        server.should_exit = True

    keep_freed_memory()
    listening = listening_socket(host, port)
    click.echo(f"serving {', '.join(metric.label for metric in metrics)} on {url_of(listening, host)}", err=True)
    app = make_app(metrics, replace(options, on_failure=stop))
    config = uvicorn.Config(
        app, host, port, http=PatientProtocol, log_level="warning", timeout_graceful_shutdown=30, ws="none"
    )
    server = uvicorn.Server(config)
    server.run(sockets=[listening])
    if failures:
        raise EditMetricsError(f"cannot load the metrics: {failures[0]}") from failures[0]


def _token(host: str, required: bool | None) -> str | None:
    """Return the token that clients must send, and print it if it is a new one; None if they need none."""
    from ..serving.access import TOKEN_VARIABLE, is_local, new_token, token_in_environment

    if is_local(host) if required is None else not required:
        return None
    if token := token_in_environment():
        return token
    token = new_token()
    click.echo(f"clients require the token {TOKEN_VARIABLE}={token}", err=True)
    return token
