"""HPE-Bench: 1,700 edits of people's poses by 17 models, and real images: authenticity and three ratings.

Not public. Read in our layout: `ratings.csv` (or .jsonl, .parquet) with a row for each edited and each real image.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...sample import Sample
from ..benchmark import Benchmark, RatedAspect, missing_rows
from ..checks import CopyChecks
from ..table_layout import Layout, LayoutColumn, read_layout

INSTRUCTION = ("IP2P", "MagicBrush", "Any2Pix", "ZONE", "HQEdit", "ACE++")
DESCRIPTION = (
    "Text2LIVE", "EDICT", "DDPM", "MasaCtrl", "CDS", "PnP", "InfEdit", "ReNoise", "RFSE", "FlowEdit(SD3)",
    "FlowEdit(FLUX)",
)  # fmt: skip
SYSTEMS = INSTRUCTION + DESCRIPTION
PER_SYSTEM = 100

QUALITY = ("perceptual_quality", "editing_alignment", "attribute_preservation")
RATINGS = {
    "authentic": RatedAspect("1 for a real image, 0 for an edited one", labels=("0", "1"), quality=False),
    "perceptual_quality": RatedAspect("visual fidelity, without artifacts"),
    "editing_alignment": RatedAspect("whether the pose is the requested one"),
    "attribute_preservation": RatedAspect("whether background and identity were left as they were"),
}

LAYOUT = Layout(
    table="ratings",
    images={"edited": "edited", "source": "source"},
    optional=("source",),
    prompt_filled=False,
    columns={
        "system": LayoutColumn(choices=SYSTEMS, filled=False),
        "split": LayoutColumn(choices=("train", "val", "test")),
        "edit_type": LayoutColumn(required=False, filled=False),
    },
    ratings={name: name for name in RATINGS},
)


def _read(folder: Path, checks: CopyChecks) -> list[Sample]:
    samples = read_layout(folder, LAYOUT, RATINGS, checks, _paradigm)
    spoiled = checks.spoiled
    for sample in samples:
        if sample.id in spoiled:
            continue
        real = sample.meta.get("authentic")
        if real is None:
            checks.required(sample.id, sample.id, "authentic", None)
        elif real == "0":
            for name in ("system", *QUALITY):
                checks.required(sample.id, sample.id, name, sample.meta.get(name))
            checks.required(sample.id, sample.id, "source", sample.source)
            checks.required(sample.id, sample.id, "prompt", sample.prompt)
        elif "system" in sample.meta:
            checks.add("value", sample.id, "is real (authentic is 1) and names an editing model", sample.id)
    return samples


def _paradigm(meta: dict[str, object]) -> dict[str, object]:
    system = meta.get("system")
    if system is None:
        return {}
    return {"paradigm": "instruction" if system in INSTRUCTION else "description"}


def _missing(samples: Sequence[Sample]) -> list[str]:
    edited = [sample for sample in samples if sample.meta.get("authentic") != "1"]
    lines = missing_rows(edited, "system", dict.fromkeys(SYSTEMS, PER_SYSTEM), "edits")
    if len(edited) == len(samples):
        lines.append("real images: none, and detection needs them")
    return lines


BENCHMARK = Benchmark(
    name="hpe-bench",
    title="HPE-Bench",
    paper="Sun et al., Fine-Grained Human Pose Editing Assessment via Layer-Selective MLLMs, 2026",
    ratings=RATINGS,
    protocol="hpe-bench",
    read=_read,
    size=len(SYSTEMS) * PER_SYSTEM,
    unit="edits, and real images beside them",
    missing=_missing,
    pairing={
        "authenticity": "authentic",
        "visual_quality": "perceptual_quality",
        "editing_fidelity": "editing_alignment",
        "content_preservation": "attribute_preservation",
        "perception": "perceptual_quality",
        "correspondence": "editing_alignment",
    },
    obtain="it is not published; ask the paper's authors, and convert it to our layout.",
    terms="unknown; ask its authors.",
    public=False,
    split="split",
    evaluated="test",
    shown=("system", "paradigm", "split", "edit_type", "authentic"),
    methods=("HPE-LSA",),
)
