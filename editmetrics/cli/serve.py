"""`editmetrics serve`: metrics behind HTTP."""

from __future__ import annotations

from pathlib import Path

import click

from ..sample import EditMetricsError


@click.command()
@click.option(
    "-m", "--metric", "metrics", multiple=True, required=True, metavar="NAME[:opt=value,...]", help="A metric."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen; there is no password.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
@click.option("--device", help="cpu, cuda, cuda:1, ... Default: the first GPU, else the CPU.")
@click.option("--batch-size", default=16, show_default=True, type=click.IntRange(min=1), help="Samples in a batch.")
@click.option(
    "--wait", default=10.0, show_default=True, type=click.FloatRange(min=0), help="Milliseconds a batch waits."
)
@click.option("--queue", default=256, show_default=True, type=click.IntRange(min=1), help="Samples that may wait.")
@click.option("--workers", type=click.IntRange(min=1), help="Decoding threads. Default: one for each processor.")
@click.option("--max-mb", default=32, show_default=True, type=click.IntRange(min=1), help="The largest request.")
@click.option(
    "--max-megapixels",
    default=64,
    show_default=True,
    type=click.IntRange(min=1),
    help="The most pixels of a request's images, all together, once they are decoded.",
)
@click.option(
    "--folder", type=click.Path(path_type=Path, exists=True, file_okay=False), help="Images by path, below it."
)
def serve(metrics: tuple[str, ...], host: str, port: int, device: str | None, **options: object) -> None:
    """Score over HTTP until it is stopped.

    \b
    editmetrics serve -m ds_ieqa -m psnr --port 8000
    curl -F edited=@edit.png -F source=@source.png -F prompt="make it red" localhost:8000/v1/score

    One process scores on one device, in batches that fill while others are scored. When too much waits it answers 503
    with Retry-After. docs/serving.md has the interface and a Python client.
    """
    from ..registry import create_metric
    from ..scoring.run import available_processors

    try:
        import uvicorn

        from ..serving.app import make_app
        from ..serving.limits import patient_protocol
    except ImportError as error:
        raise EditMetricsError(f"serving needs the package {error.name}: pip install 'editmetrics[serve]'") from error
    chosen = [create_metric(spec, device=device) for spec in metrics]
    failures: list[Exception] = []

    def stop(error: Exception) -> None:
        failures.append(error)
        server.should_exit = True

    app = make_app(
        chosen,
        on_failure=stop,
        folder=options["folder"],  # type: ignore[arg-type]
        batch_size=options["batch_size"],  # type: ignore[arg-type]
        wait=options["wait"] / 1000,  # type: ignore[operator]
        capacity=options["queue"],  # type: ignore[arg-type]
        workers=options["workers"] or available_processors(),  # type: ignore[arg-type]
        max_bytes=options["max_mb"] << 20,  # type: ignore[operator]
        max_pixels=options["max_megapixels"] * 1_000_000,  # type: ignore[operator]
    )
    click.echo(f"serving {', '.join(metric.label for metric in chosen)} on http://{host}:{port}", err=True)
    server = uvicorn.Server(
        uvicorn.Config(
            app, host, port, http=patient_protocol(), log_level="warning", timeout_graceful_shutdown=30, ws="none"
        )
    )
    server.run()
    if failures:
        raise EditMetricsError(f"the metrics cannot be loaded: {failures[0]}") from failures[0]
