"""Write the files of a new plugin: derive its names and fill in a template."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from pathlib import Path
from string import Template

from . import __version__
from .registry import BUILTIN, list_metrics
from .sample import EditMetricsError

TEMPLATES = Path(__file__).parent / "templates"
"""A folder for each kind; `package/` in it becomes the package, and `NAME.template` the file NAME."""

KINDS = {
    "classic": "a formula over the pixels of two images",
    "network": "a network whose weights are downloaded",
    "judge": "a question to a chat model",
    "pair": "a question about two edits of one source",
    "learned": "a head on features, trained on ratings",
}
"""The templates, and the purpose of each."""

RESERVED = {
    "Dimension", "EditMetricsError", "FullReference", "JudgeMetric", "LearnedMetric", "Metric", "NetworkMetric",
    "PairJudgeMetric", "Preference", "Sample", "SampleError", "Score", "Verdict",
}  # fmt: skip
"""Class names that the templates use themselves."""


class NewPluginError(EditMetricsError, ValueError):
    """A plugin cannot be written: its name or folder cannot be used."""


def names_of(name: str) -> dict[str, str]:
    """Derive from `name` the names that fill in the templates.

    Raises `NewPluginError` for an invalid name, and for one that is taken: a module that can be imported, a metric, a
    keyword of Python.

    >>> names = names_of("edge-loss")
    >>> names["distribution"], names["package"], names["metric"], names["class_name"]
    ('edge-loss', 'edge_loss', 'edge_loss', 'EdgeLoss')
    """
    metric = name.replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", metric):
        raise NewPluginError(
            f"invalid plugin name {name!r}; expected lower-case letters and digits, with - or _ between words, such as "
            "edge-loss"
        )
    class_name = "".join(word.capitalize() for word in metric.split("_"))
    if metric in BUILTIN:
        raise NewPluginError(f"{metric} is a built-in metric; choose another name")
    if metric in list_metrics():
        raise NewPluginError(f"an installed package already has a metric {metric}; choose another name")
    if keyword.iskeyword(metric) or class_name in RESERVED:
        raise NewPluginError(f"{metric} is reserved by Python or editmetrics; choose another name")
    if metric in sys.stdlib_module_names or importlib.util.find_spec(metric) is not None:
        raise NewPluginError(f"a module {metric} already exists, and the package would hide it; choose another name")
    return {
        "metric": metric,
        "package": metric,
        "distribution": metric.replace("_", "-"),
        "class_name": class_name,
        "title": metric.replace("_", " ").capitalize(),
        "editmetrics": __version__,
    }


def write_plugin(name: str, kind: str, parent: Path) -> tuple[Path, dict[str, str]]:
    """Write a new plugin of `kind` to a folder of its name under `parent`; returns the folder and its names.

    Raises `NewPluginError` for a name that cannot be used, and for an existing folder that is not empty.
    """
    names = names_of(name)
    folder = parent / names["distribution"]
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise NewPluginError(f"{folder} already exists and is not empty; choose another name or --dir")
    try:
        _write(TEMPLATES / kind, folder, names)
    except OSError as error:
        raise NewPluginError(f"{folder} cannot be written: {error}") from error
    return folder, names


def _write(template: Path, folder: Path, names: dict[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for item in template.iterdir():
        if item.is_dir():
            _write(item, folder / (names["package"] if item.name == "package" else item.name), names)
        elif item.name.endswith(".template"):
            text = Template(item.read_text(encoding="utf-8")).substitute(names)
            (folder / item.name.removesuffix(".template")).write_text(text, encoding="utf-8")
