"""The page of a demo, drawn by Gradio: `pip install 'editmetrics[demo]'`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..files.escaping import escape_html
from ..metric import Metric
from ..registry import create_metric
from ..sample import EditMetricsError
from ..serving.own_page import OnlyOwnPage
from .form import FormError, FormLimits, form_fields, message_html, result_html, score_form

KEPT = 1800
"""Seconds between two looks for uploaded files that are as old as that, which are then deleted."""

STYLE = """
#result table, #result tr { border: 0; border-collapse: collapse; width: 100%; }
#result th, #result td { border: 0; border-bottom: 1px solid var(--border-color-primary); padding: 0.4rem 1rem 0.4rem 0;
  text-align: left; vertical-align: top; }
#result td:first-child { min-width: 10rem; overflow-wrap: anywhere; }
#result td:nth-child(2) { white-space: nowrap; font-variant-numeric: tabular-nums; }
#result td:nth-child(3) { overflow-wrap: anywhere; width: 70%; }
"""


def build_page(specs: Sequence[str], *, device: str | None = None, limits: FormLimits | None = None) -> Any:
    """Return the page as Gradio's `Blocks`, with a field for everything that the metrics read; loads no weights.

    Raises `EditMetricsError` if Gradio is not installed, and the errors of creating the metrics.
    """
    try:
        import gradio
    except ImportError as error:
        raise EditMetricsError(
            f"the page requires the package {error.name}: pip install 'editmetrics[demo]'; it pins pillow below 13, so "
            "an environment of its own is best"
        ) from error
    created = [create_metric(spec, device=device) for spec in specs]
    metrics = list({metric.label: metric for metric in created}.values())  # each once
    fields, names = form_fields(metrics), ", ".join(metric.label for metric in metrics)
    with gradio.Blocks(title="editmetrics", analytics_enabled=False, delete_cache=(KEPT, KEPT)) as page:
        gradio.Markdown("# Score an edit")
        gradio.HTML(f"<p>By {escape_html(names)}.</p>")
        with gradio.Row():
            inputs = {field.name: _image(gradio, field) for field in fields if field.is_image}
        inputs |= {field.name: gradio.Textbox(label=_label(field), lines=2) for field in fields if not field.is_image}
        button, result = gradio.Button("Score", variant="primary"), gradio.HTML(elem_id="result")

        def answer(*values: Any) -> str:
            return scored_html(metrics, dict(zip(inputs, values, strict=True)), limits)

        button.click(answer, list(inputs.values()), result, api_name="score")
    return page


def scored_html(metrics: Sequence[Metric], values: dict[str, Any], limits: FormLimits | None = None) -> str:
    """Return the result for what was filled in, or what is wrong with it, as HTML."""
    try:
        return result_html(metrics, score_form(metrics, values, limits))
    except FormError as error:
        return message_html(str(error))


def page_options(limits: FormLimits | None = None) -> dict[str, Any]:
    """Return the keywords of the page's `launch` that keep its limits and its looks."""
    return {
        "max_file_size": (limits or FormLimits()).max_bytes,
        "css": STYLE,
        "footer_links": [],
        "show_error": False,
        "quiet": True,
    }


def local_options(port: int, limits: FormLimits | None = None) -> dict[str, Any]:
    """Return the keywords of the page's `launch` on this machine alone."""
    guard: tuple[Any, ...] = (OnlyOwnPage, (), {})  # as Starlette unpacks a middleware
    return {
        **page_options(limits),
        "server_name": "127.0.0.1",
        "server_port": port,
        "share": False,
        "ssr_mode": False,  # no second server beside this one
        "app_kwargs": {"middleware": [guard]},
    }


def _label(field: Any) -> str:
    return field.label if field.required else f"{field.label} (optional)"


def _image(gradio: Any, field: Any) -> Any:
    """A field for a file, which arrives as it was uploaded: no mode is asked for, so that nothing converts it."""
    return gradio.Image(label=_label(field), type="filepath", image_mode=None, sources=["upload", "clipboard"])
