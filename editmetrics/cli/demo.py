"""`editmetrics demo`: a page on this machine that scores two images."""

from __future__ import annotations

import os
import tempfile

import click

from ..command_line import SectionedCommand, completed_by, device_option


@click.command(cls=SectionedCommand)
@click.argument("metrics", nargs=-1, required=True, metavar="METRIC...", shell_complete=completed_by("metric_names"))
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="Port to listen on; 0 picks a free one.")
@device_option
@click.option("--max-mb", default=32, type=click.IntRange(min=1), help="Maximum size of an image file, in MB.")
@click.option(
    "--max-megapixels", default=64, type=click.IntRange(min=1), help="Maximum size of all decoded images together."
)
def demo(metrics: tuple[str, ...], port: int, device: str | None, max_mb: int, max_megapixels: int) -> None:
    """Serve a page on this machine that scores an edit by METRICs, until interrupted.

    \b
    editmetrics demo psnr ssim
    editmetrics demo ds_ieqa:weights=runs/mine --port 8001

    The page has a field for everything that the metrics read, and shows every score with its explanation, or the reason
    why it is missing. Only this machine can open it; 'editmetrics push' makes a Space of it. Requires the extra 'demo'.

    Exit codes: 0 interrupted by Ctrl-C; 2 usage error, or Gradio is not installed.
    """
    from ..demo.form import FormLimits
    from ..demo.page import build_page, local_options
    from ..serving.listening import listening_socket

    limits = FormLimits(max_mb << 20, max_megapixels * 1_000_000)
    with listening_socket("127.0.0.1", port) as listening:
        number = listening.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="editmetrics-demo-") as uploads:  # of this user alone, and gone at the end
        os.environ["GRADIO_TEMP_DIR"] = uploads
        page = build_page(metrics, device=device, limits=limits)
        page.launch(**local_options(number, limits), prevent_thread_lock=True)
        click.echo(f"open http://127.0.0.1:{number}  (Ctrl-C stops)", err=True)
        try:
            page.block_thread()
        finally:
            page.close(verbose=False)
