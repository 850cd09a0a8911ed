"""A page that scores an edit, as a Space of the hub: `editmetrics demo` on the hub's machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from .. import __version__
from ..checkpoints import is_registered
from ..registry import create_metric, parse_spec, split_alias
from .plan import PublishingError, UploadFile

GRADIO = "6.31.0"
"""The version of Gradio that the page was tried with."""

APP = '''"""A page that scores an edit with editmetrics. Made by `editmetrics push`."""

from editmetrics.demo.page import build_page, page_options

METRICS = {metrics}

page = build_page(METRICS)

if __name__ == "__main__":
    page.launch(**page_options())
'''

README = """---
title: {title}
sdk: gradio
sdk_version: {gradio}
python_version: "3.11"
app_file: app.py
tags:
- editmetrics
{models}---

Scores an edited image by {metrics}, with [editmetrics]({home}).
What cannot be scored is shown with its reason, and has no number. Images that are uploaded here are processed on the
machine of this Space.

The same page on your machine:

    pip install 'editmetrics[demo]'
    editmetrics demo {arguments}
"""

HOME = "https://pypi.org/project/editmetrics"


def space_files(metrics: Sequence[str], repository: str) -> tuple[list[UploadFile], list[str]]:
    """Return the files of a Space that scores by `metrics`, and notes.

    Raises `PublishingError` for a metric whose options name something on this machine, and the errors of creating one.
    """
    for spec in metrics:
        create_metric(spec, device="cpu")
        if local := _local_values(spec):
            raise PublishingError(
                f"{spec}: {local[0]} is on this machine, where a Space cannot read it; push it first ('editmetrics "
                f"push {local[0]} --repo OWNER/NAME'), and name it as hub:OWNER/NAME"
            )
    models = [value.partition("@")[0][4:] for spec in metrics for value in _values(spec) if value.startswith("hub:")]
    card = README.format(
        title=json.dumps(repository.partition("/")[2]),
        gradio=GRADIO,
        models="".join(["models:\n", *(f"- {model}\n" for model in dict.fromkeys(models))]) if models else "",
        metrics=", ".join(f"`{spec}`" for spec in metrics),
        home=HOME,
        arguments=" ".join(json.dumps(spec) if " " in spec else spec for spec in metrics),
    )
    texts = {
        "README.md": card,
        "app.py": APP.format(metrics=json.dumps(list(metrics), ensure_ascii=False)),
        "requirements.txt": f"editmetrics[demo]=={__version__}\n",
    }
    notes = [
        f"the Space installs editmetrics {__version__} from PyPI, and downloads weights by itself",
        "images that people upload there are processed by the hub; running it may require a subscription of the hub",
    ]
    return [UploadFile(name, text.encode()) for name, text in texts.items()], notes


def _local_values(spec: str) -> list[str]:
    """The values of a spec's options that name a file or folder of this machine."""
    name = parse_spec(split_alias(spec)[1])[0]
    return [
        value
        for value in _values(spec)
        if (value.startswith(("/", "~", ".")) or Path(value).exists()) and not is_registered(f"{name}.{value}")
    ]


def _values(spec: str) -> list[str]:
    options = parse_spec(split_alias(spec)[1])[1]
    return [value for text in options.values() for value in text.split(";")]
