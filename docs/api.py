"""The reference of the Python interface, made from docstrings when the site is built: a hook of mkdocs.

`PAGES` names what is public and where it stands. tests/docs/test_site.py holds it to what the packages export.
"""

from __future__ import annotations

import importlib
import inspect
from typing import Any, NamedTuple

from markup import documented, signature


class Page(NamedTuple):
    """One page of the reference: its title, its first line, and the public names of each module on it."""

    title: str
    line: str
    modules: dict[str, tuple[str, ...]]


def exported(module: str) -> tuple[str, ...]:
    """The names that a package exports."""
    return tuple(importlib.import_module(module).__all__)


PAGES = {
    "score": Page(
        "Scoring",
        "Metrics by name, samples, and a table of scores. [In Python](../python.md) shows how they fit together.",
        {
            "editmetrics": (
                "create_metric", "score", "Collection", "evaluate", "combine", "list_metrics", "metric_class", "Sample",
                "Score", "Dimension", "EditMetricsError", "SampleError",
            ),
            "editmetrics.scoring.means": ("Means", "Mean"),
            "editmetrics.batches": ("samples_of_batch", "BatchError"),
            "editmetrics.scoring": ("Results", "RunOptions", "Interrupted", "PlanError", "EngineError"),
            "editmetrics.evaluation": ("AgreementOptions", "evaluate_protocol"),
            "editmetrics.combining": ("CombineOptions", "Combined", "Combination"),
            "editmetrics.data": (),
        },
    ),
    "bases": Page(
        "Base classes",
        "A metric derives from one of these. [A plugin from nothing](../plugins.md) leads from there to a package.",
        {
            "editmetrics": ("Metric", "LearnedMetric"),
            "editmetrics.bases.full_reference": ("FullReference",),
            "editmetrics.bases.network": ("NetworkMetric",),
            "editmetrics.bases.judge": ("JudgeMetric",),
            "editmetrics.bases.pair": ("PairMetric", "Preference"),
            "editmetrics.bases.pair_judge": ("PairJudgeMetric",),
            "editmetrics.bases.backbone_metric": ("BackboneMetric",),
            "editmetrics.bases.assessor": ("AssessorMetric",),
            "editmetrics.bases.trained": ("TrainedMetric",),
            "editmetrics.bases.pixels": (
                "check_pair", "luma", "convert_channels", "region_mean", "within_region",
            ),
        },
    ),
    "testing": Page(
        "Conformance kit",
        "Checks that a metric keeps the contract. [Conformance](../conformance.md) explains each check.",
        {"editmetrics.testing": ()},
    ),
    "agreement": Page(
        "Agreement measures",
        "Formulas on arrays. [Agreement with people](../agreement.md) says which one to use.",
        {"editmetrics.agreement": ()},
    ),
    "pairs": Page(
        "Pairs and ratings",
        "Battles of two edits, and ratings of systems from them. [Two edits side by side](../arena.md) explains them.",
        {"editmetrics.pairs": ()},
    ),
    "judge": Page(
        "Judges and images",
        "Ask chat models, and read images and masks as the metrics do.",
        {"editmetrics.judge": (), "editmetrics.images": ("read_image", "read_mask", "to_tensor", "ImageError")},
    ),
    "rewards": Page(
        "Rewards",
        "Metrics as training frameworks call a reward. [Rewards for training](../rewards.md) says what each does.",
        {"editmetrics.rewards": ()},
    ),
    "runs": Page(
        "Reports, runs, trackers, client",
        "Read a past run, compare two, write a report, log to a tracker, and score over HTTP.",
        {
            "editmetrics.report.write": ("write_report", "ReportOptions"),
            "editmetrics.runs.read_scores": ("read_scores",),
            "editmetrics.runs.comparison": ("compare",),
            "editmetrics.tracking": (),
            "editmetrics.serving": (),
        },
    ),
}  # fmt: skip
"""The pages by name; an empty tuple of names stands for all that the package exports."""


def on_config(config: Any) -> Any:
    """Name the pages in the navigation."""
    (section,) = (part["Python reference"] for part in config.nav if "Python reference" in part)
    section += [{page.title: f"api/{name}.md"} for name, page in PAGES.items()]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the pages to the site's files."""
    from mkdocs.structure.files import File

    for name in PAGES:
        files.append(File.generated(config, f"api/{name}.md", content=page(name)))
    return files


def page(name: str) -> str:
    """The text of one page."""
    title, line, modules = PAGES[name]
    lines = [f"# {title}\n", f"{line}\n"]
    for module, names in modules.items():
        public = importlib.import_module(module)
        for each in names or exported(module):
            value = getattr(public, each)
            if not inspect.ismodule(value):
                lines += entry(module, each, value)
    return "\n".join(lines)


def entry(module: str, name: str, value: Any) -> list[str]:
    """One public name: how to import it, its signature, its docstring, and what a class has of its own."""
    callable_ = inspect.isclass(value) or inspect.isroutine(value)
    shape = f"\n\n{signature(name, value)}" if callable_ else ""
    lines = [f"## `{name}` {{#{module}.{name}}}\n", f"```python\nfrom {module} import {name}{shape}\n```\n"]
    lines.append(f"{documented(value.__doc__ or '')}\n" if callable_ else f"A {type(value).__name__}.\n")
    if inspect.isclass(value):
        for own, member in vars(value).items():
            lines += method(f"{module}.{name}", own, member)
    return lines


def method(owner: str, name: str, member: Any) -> list[str]:
    """A public method or property with a docstring of its own."""
    plain = getattr(member, "__func__", None) or getattr(member, "fget", None) or getattr(member, "func", member)
    text = getattr(plain, "__doc__", None)
    if name.startswith("_") or not text or not inspect.isfunction(plain):
        return []
    lines = [f"### `{name}` {{#{owner}.{name}}}\n"]
    if not isinstance(member, property) and plain is not getattr(member, "func", None):
        lines.append(f"```python\n{signature(name, plain)}\n```\n")
    return [*lines, documented(text), ""]
