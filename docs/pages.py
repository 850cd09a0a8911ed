"""The pages that are made from the code when the site is built: one for each metric, and their list.

A hook of mkdocs (mkdocs.yml names it). What it says of a metric is what the metric's class declares, so it cannot be
out of date. Where docs/metrics/NAME.md exists, the page has that text: its first paragraph, what the class declares,
what stands before its first heading, an example, the options, and then the rest. Metrics that need no
download are run on example photographs, and the page shows their scores.
"""

from __future__ import annotations

import csv
import itertools
import re
from pathlib import Path
from typing import Any

from markup import documented, prose

from editmetrics import Sample, create_metric
from editmetrics.bases.judge import JudgeMetric
from editmetrics.bases.trained import TrainedMetric
from editmetrics.describe import metric as described
from editmetrics.listing import in_words
from editmetrics.registry import BUILTIN, metric_class
from editmetrics.weights import registered

DOCS = Path(__file__).parent
NAMES = ("cat", "coffee", "stars")


def on_config(config: Any) -> Any:
    """Name the metrics' pages in the navigation, so that the list there is the registry's."""
    (section,) = (part["Metrics"] for part in config.nav if "Metrics" in part)
    section += [{kind: [{name: f"metrics/{name}.md"} for name in names]} for kind, names in grouped().items()]
    config.extra["metrics"] = len(BUILTIN)
    return config


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Name the file of a block of code, where tests/test_guide.py is told to write it, as the block's title."""
    markdown = re.sub(r"(?m)^```(\w+) (?:file|append)=(\S+)$", r'```\1 title="\2"', markdown)
    return re.sub(r"(?m)^```(\w+) fails$", r"```\1", markdown)


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
    "Sets of images": "Compare all images of a system with a reference set; nothing is paired.",
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
    if facts["of_sets"]:
        return "Sets of images"
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
    """The page of one metric: what it measures, its facts, an example, its options, and then the details."""
    facts = described(name)
    written = DOCS / "metrics" / f"{name}.md"
    if written.exists():
        title, first, rest = written.read_text(encoding="utf-8").split("\n\n", 2)
        start, heading, details = rest.partition("\n## ")
    else:
        title, first, start, heading = f"# {name}", prose(facts["summary"]), "", "\n## "
        details = f"How it works\n\n{documentation(facts)}"
    parts = [title, first, at_a_glance(facts), start, example(name, facts), options(facts), f"{heading}{details}"]
    return "\n\n".join(filter(None, parts)) + "\n"


def documentation(facts: dict[str, Any]) -> str:
    """The class's own text, without its first line, its options and its examples, which stand elsewhere."""
    text = facts["documentation"].partition("\n\n")[2]
    return documented(re.sub(r"(?ms)^Options:\n(    .*\n?|\n)*", "", text))


def at_a_glance(facts: dict[str, Any]) -> str:
    lines = ["## At a glance\n", "| | |", "|---|---|", f"| inputs | {', '.join(facts['needs'])} |"]
    if facts["uses"]:
        lines.append(f"| honours, when an option asks | {', '.join(facts['uses'])} |")
    for one in facts["dimensions"]:
        ends = ["-∞" if one["low"] is None else f"{one['low']:g}", "∞" if one["high"] is None else f"{one['high']:g}"]
        better = "higher" if one["higher_is_better"] else "lower"
        meaning = f"; {one['description']}" if one["description"] else ""
        unit = f" {one['unit']}" if one["unit"] else ""
        lines.append(f"| `{one['name']}` | {ends[0]} to {ends[1]}{unit}, {better} is better{meaning} |")
    lines.append(f"| paper | {prose(facts['paper'])} |")
    lines.append(f"| licence | {prose(facts['licence'])} |")
    lines.append(f"| weights | {weights(facts)} |")
    if recipes := presets(facts["name"]):
        lines.append(
            f"| presets of `fit` | {', '.join(f'`{name}`' for name in recipes)} ([training](../training.md)) |"
        )
    lines.append(f"| version of its numbers | {facts['version']} |")
    return "\n".join(lines)


def weights(facts: dict[str, Any]) -> str:
    parts = []
    if facts["downloads"]:
        sizes = ((one["name"], one["megabytes"]) for one in facts["downloads"])
        names = ", ".join(f"`{name}` ({'size unknown' if size is None else in_words(size)})" for name, size in sizes)
        parts.append(f"{names}, downloaded at first use ([weights](../weights.md))")
    if facts["judge"]:
        parts.append(f"none; a judge is asked, by default `{facts['judge']}` ([judges](../judge.md))")
    if facts["learned"]:
        parts.append("those that `fit` writes ([training](../training.md)); `weights=toy` is for trying out")
    return "; ".join(parts) or "none"


def presets(name: str) -> tuple[str, ...]:
    """The named recipes of a metric's `fit`; none where it is not trained."""
    cls = metric_class(name)
    return tuple(cls.presets()) if issubclass(cls, TrainedMetric) else ()


def options(facts: dict[str, Any]) -> str:
    if not facts["options"]:
        return ""
    lines = ["## Options\n", "| option | values | default | meaning |", "|---|---|---|---|"]
    for one in facts["options"]:
        default = "" if one["default"] is None else f"`{one['default']}`"
        values = one["type"].replace("|", "\\|")
        lines.append(f"| `{one['name']}` | {values} | {default} | {prose(one['description'])} |")
    return "\n".join(lines)


def example(name: str, facts: dict[str, Any]) -> str:
    """A command, and what it says of three examples; or why that is not shown."""
    toy = f"{name}.toy" in registered()
    spec = f"{name}:weights=toy" if toy else name
    lines = ["## Example\n", f"```sh\n{command(facts, toy)} \\\n    -m {spec}\n```\n"]
    if not toy and (facts["downloads"] or facts["judge"]):
        return "\n".join([*lines, "Not run for this page: it needs what the table above names under weights."])
    samples = toy_examples() if toy else examples()
    scores = create_metric(spec, device="cpu").score(samples)
    if not any(score.ok for score in scores):
        return "\n".join([*lines, f"The examples have no score: {prose(str(scores[0].reason))}."])
    lines.append('<div class="gallery">')
    for sample, score in zip(samples, scores, strict=True):
        kinds = ("source", "edited") if "source" in facts["needs"] else ("edited",)
        images = "".join(f'<img src="{address(getattr(sample, kind))}" alt="{kind}" loading="lazy">' for kind in kinds)
        values = "".join(f"<dt>{dimension}</dt><dd>{value:.4g}</dd>" for dimension, value in score.items())
        values = values or f"<dt>{score.status}</dt><dd></dd>"
        lines.append(f"<figure><div>{images}</div><figcaption>{sample.id}</figcaption><dl>{values}</dl></figure>")
    lines.append("</div>\n")
    if toy:
        lines.append(
            "These are scores of the toy weights, which were trained on edits like these: they show the form of an "
            "answer, and mean nothing for other edits."
        )
    return "\n".join(lines)


def command(facts: dict[str, Any], toy: bool) -> str:
    """The command that scores the examples, but for the name of the metric."""
    if toy:
        return "editmetrics score docs/examples/squares/test.csv"
    if facts["of_sets"]:
        return "editmetrics score real/ generated/"
    if "source" not in facts["needs"]:
        return "editmetrics score docs/examples/edited --prompts docs/examples/prompts.csv"
    prompts = " \\\n    --prompts docs/examples/prompts.csv" if "prompt" in facts["needs"] else ""
    return f"editmetrics score docs/examples/source docs/examples/edited{prompts}"


def examples() -> list[Sample]:
    """Three of the example pairs."""
    folder = DOCS / "examples"
    return [Sample(name, edited=folder / f"edited/{name}.jpg", source=folder / f"source/{name}.jpg") for name in NAMES]


def toy_examples() -> list[Sample]:
    """Three of the edits that the toy weights know how to judge."""
    folder = DOCS / "examples" / "squares"
    with (folder / "test.csv").open(encoding="utf-8") as file:
        rows = list(itertools.islice(csv.DictReader(file), 3))
    return [
        Sample(row["id"], edited=folder / row["edited"], source=folder / row["source"], prompt=row["prompt"])
        for row in rows
    ]


def address(path: Path) -> str:
    """The address of an example's picture, from the page of a metric."""
    return f"../../{path.relative_to(DOCS).as_posix()}"
