"""The pages that are made from the code when the site is built: one for each metric, and their list.

A hook of mkdocs (mkdocs.yml names it). What it says of a metric is what the metric's class declares, so it cannot be
out of date. Where docs/metrics/NAME.md exists, the page is that text with what the class declares put after its first
paragraph and at its end. Metrics whose weights are here are run on the example photographs, and the page shows what
they said.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from markup import prose

from editmetrics import Sample, create_metric
from editmetrics.bases.assessor import AssessorMetric
from editmetrics.bases.judge import JudgeMetric
from editmetrics.describe import metric as described
from editmetrics.listing import in_words
from editmetrics.registry import BUILTIN, metric_class
from editmetrics.weights import registered

DOCS = Path(__file__).parent
EXAMPLES = ("cat", "coffee", "stars")
PROMPT = "make the square red"


def on_config(config: Any) -> Any:
    """Name the metrics' pages in the navigation, so that the list there is the registry's."""
    (section,) = (part["Metrics"] for part in config.nav if "Metrics" in part)
    section += [{kind: [{name: f"metrics/{name}.md"} for name in names]} for kind, names in grouped().items()]
    config.extra["metrics"] = len(BUILTIN)
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the made pages to the site's files."""
    from mkdocs.structure.files import File

    pages = {f"metrics/{name}.md": metric_page(name) for name in sorted(BUILTIN)}
    pages |= {"metrics/index.md": list_of_metrics()}
    for path, text in pages.items():
        written = files.get_file_from_path(path)
        if written is not None:
            files.remove(written)
        files.append(File.generated(config, path, content=text))
    return files


KINDS = {
    "Pixels and structure": "Compare the edit with its source, or with a reference. Nothing is downloaded.",
    "Deep features": "Compare two images by the features of a network, whose weights are downloaded at first use.",
    "Image and text": "Does the image show what the prompt says?",
    "Judges": "Ask a chat model, over an endpoint or on this machine.",
    "Assessors": "Vision-language models that were trained to predict human ratings.",
}
"""The groups of metrics, in the order of the sidebar, each with its line."""


def grouped() -> dict[str, list[str]]:
    """The built-in metrics by kind."""
    groups: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for name in sorted(BUILTIN):
        groups[kind_of(name)].append(name)
    return groups


def kind_of(name: str) -> str:
    """The kind of a metric, by what its class declares."""
    facts = described(name)
    if issubclass(metric_class(name), JudgeMetric):
        return "Judges"
    if len(facts["dimensions"]) > 1:
        return "Assessors"
    if "prompt" in facts["needs"]:
        return "Image and text"
    return "Deep features" if facts["weights"] else "Pixels and structure"


def list_of_metrics() -> str:
    """All built-in metrics by kind, each with a link to its page."""
    lines = [
        "# Metrics\n",
        "Name them in `editmetrics score -m NAME` or `create_metric(NAME)`. Options are part of the name: "
        "`psnr:region=outside`. An arrow shows which direction is better.\n",
    ]
    for kind, names in grouped().items():
        lines += [f"## {kind}\n", f"{KINDS[kind]}\n", "| metric | needs | what it is |", "|---|---|---|"]
        for name in names:
            facts = described(name)
            arrow = "↑" if facts["dimensions"][0]["higher_is_better"] else "↓"
            needs, summary = ", ".join(facts["needs"]), prose(facts["summary"])
            lines.append(f"| [`{name}`]({name}.md) {arrow} | {needs} | {summary} |")
        lines.append("")
    return "\n".join(lines)


def metric_page(name: str) -> str:
    """The page of one metric."""
    said = described(name)
    facts, details = at_a_glance(said), f"{options(said)}\n\n{example(name, said)}"
    written = DOCS / "metrics" / f"{name}.md"
    if written.exists():
        title, first, rest = written.read_text(encoding="utf-8").split("\n\n", 2)
        return f"{title}\n\n{first}\n\n{facts}\n\n{rest}\n\n{details}\n"
    return f"# {name}\n\n{prose(said['summary'])}\n\n{documentation(said)}\n\n{facts}\n\n{details}\n"


def documentation(said: dict[str, Any]) -> str:
    """The class's own text, without its first line, its options and its examples, which stand elsewhere."""
    text = said["documentation"].partition("\n\n")[2]
    text = re.sub(r"(?ms)^Options:\n(    .*\n?|\n)*", "", text)
    paragraphs = [part for part in text.split("\n\n") if not part.startswith(">>>")]
    code = [part for part in text.split("\n\n") if part.startswith(">>>")]
    return "\n\n".join([*map(prose, paragraphs), *(f"```python\n{part}\n```" for part in code)])


def at_a_glance(said: dict[str, Any]) -> str:
    lines = ["## At a glance\n", "| | |", "|---|---|", f"| inputs | {', '.join(said['needs'])} |"]
    if said["uses"]:
        lines.append(f"| honours, when an option asks | {', '.join(said['uses'])} |")
    for one in said["dimensions"]:
        ends = ["-∞" if one["low"] is None else f"{one['low']:g}", "∞" if one["high"] is None else f"{one['high']:g}"]
        better = "higher" if one["higher_is_better"] else "lower"
        meaning = f"; {one['description']}" if one["description"] else ""
        unit = f" {one['unit']}" if one["unit"] else ""
        lines.append(f"| `{one['name']}` | {ends[0]} to {ends[1]}{unit}, {better} is better{meaning} |")
    lines.append(f"| paper | {prose(said['paper'])} |")
    lines.append(f"| licence | {prose(said['licence'])} |")
    lines.append(f"| weights | {weights(said)} |")
    if recipes := presets(said["name"]):
        lines.append(
            f"| recipes of `fit` | {', '.join(f'`{name}`' for name in recipes)} ([training](../training.md)) |"
        )
    lines.append(f"| version of its numbers | {said['version']} |")
    return "\n".join(lines)


def weights(said: dict[str, Any]) -> str:
    parts = []
    if said["downloads"]:
        sizes = ((one["name"], one["megabytes"]) for one in said["downloads"])
        names = ", ".join(f"`{name}` ({'size unknown' if size is None else in_words(size)})" for name, size in sizes)
        parts.append(f"{names}, downloaded at first use ([weights](../weights.md))")
    if said["judge"]:
        parts.append(f"none; a judge is asked, by default `{said['judge']}` ([judges](../judge.md))")
    if said["learned"]:
        parts.append("those that `fit` writes ([training](../training.md)); `weights=toy` is for trying out")
    return "; ".join(parts) or "none"


def presets(name: str) -> tuple[str, ...]:
    """The named recipes of a metric's `fit`; none where it is not trained."""
    cls = metric_class(name)
    return tuple(cls.presets()) if issubclass(cls, AssessorMetric) else ()


def options(said: dict[str, Any]) -> str:
    if not said["options"]:
        return ""
    lines = ["## Options\n", "| option | values | default | meaning |", "|---|---|---|---|"]
    for one in said["options"]:
        default = "" if one["default"] is None else f"`{one['default']}`"
        values = one["type"].replace("|", "\\|")
        lines.append(f"| `{one['name']}` | {values} | {default} | {prose(one['description'])} |")
    return "\n".join(lines)


def example(name: str, said: dict[str, Any]) -> str:
    """The metric on three of the example pairs, with the pictures; or how to run it where its weights are not here."""
    spec = f"{name}:weights=toy" if f"{name}.toy" in registered() else name
    needed = set(said["needs"])
    command = f"editmetrics score docs/examples/{'source docs/examples/' if 'source' in needed else ''}edited"
    if "prompt" in needed or said["learned"]:
        command += " --prompts docs/examples/prompts.csv"
    lines = ["## Example\n", f"    {command} -m {spec}\n"]
    found = scores(spec)
    if found is None:
        return "\n".join([*lines, "It needs weights or a model that is not on the machine that built this page."])
    for example_name, score in found.items():
        values = ", ".join(f"{dimension} {value:.4g}" for dimension, value in score.items())
        pictures = "".join(
            f'<figure><img src="../../examples/{kind}/{example_name}.jpg" alt="{kind}: {example_name}" loading="lazy">'
            f"<figcaption>{kind}</figcaption></figure>"
            for kind in (("source", "edited") if "source" in needed or said["learned"] else ("edited",))
        )
        lines.append(f'<div class="pair">{pictures}</div>\n\n`{example_name}`: {values}\n')
    if spec.endswith("toy"):
        lines.append(
            "These are scores of the toy weights, which were trained on synthetic edits: they show the form of an "
            "answer, not the quality of these edits."
        )
    return "\n".join(lines)


def scores(spec: str) -> dict[str, dict[str, float]] | None:
    """The scores of the example pairs, or None where the metric cannot run here without a download."""
    metric = create_metric(spec, device="cpu")
    asks = {"backbone", "endpoint", "model"} & {option.name for option in metric.option_list()}
    if not spec.endswith("toy") and (metric.checkpoints() or asks):
        return None
    found = {}
    for name in EXAMPLES:
        files = {kind: DOCS / "examples" / kind / f"{name}.jpg" for kind in ("source", "edited")}
        found[name] = dict(metric(Sample(name, edited=files["edited"], source=files["source"], prompt=PROMPT)))
    return found
