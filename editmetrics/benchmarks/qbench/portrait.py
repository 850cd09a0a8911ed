"""Q-Bench-Portrait as its paper describes it: the names of its groups, and how many questions each has.

Source: Wu, Li et al., Q-Bench-Portrait: Benchmarking Multimodal Large Language Models on Portrait Image Quality
Perception, 2026. The paper prints shares, not numbers of questions; the numbers here are the only ones with which every
share of its Tables 3 to 6 is a whole number of (half) points.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from .questions import Item

SOURCES = {
    "NIs": "natural images",
    "SDIs": "synthetic distortion images",
    "AGIs": "AI-generated images",
    "AIs": "artistic images",
    "CGIs": "computer graphics images",
}
DIMENSIONS = {"Tech": "Technical distortions", "AIGC": "AIGC-specific distortions", "Aes": "Aesthetics"}
SUBDIMENSIONS = {
    "Tech": ("Noise", "Blur", "Exposure", "Color", "Artifacts"),
    "AIGC": ("Anatomy", "Texture", "Semantics"),
    "Aes": ("Emotion", "Composition", "Lighting", "Style"),
}
SCOPES = ("Global", "Local")

SOURCE_DIMENSIONS = {
    ("NIs", "Tech"): 1083,
    ("NIs", "Aes"): 393,
    ("SDIs", "Tech"): 114,
    ("SDIs", "Aes"): 107,
    ("AGIs", "Tech"): 25,
    ("AGIs", "AIGC"): 353,
    ("AGIs", "Aes"): 18,
    ("AIs", "Aes"): 489,
    ("CGIs", "Tech"): 156,
    ("CGIs", "Aes"): 27,
}
"""The questions of each source and dimension; other pairs have none."""

TYPE_SCOPES = {
    ("SC", "Global"): 441,
    ("SC", "Local"): 407,
    ("MC", "Global"): 431,
    ("MC", "Local"): 399,
    ("TF", "Global"): 247,
    ("TF", "Local"): 298,
    ("OE", "Global"): 244,
    ("OE", "Local"): 298,
}
"""The questions of each type and scope."""

SUBDIMENSION_COUNTS = {
    "Noise": 118,
    "Blur": 805,
    "Exposure": 176,
    "Color": 82,
    "Artifacts": 197,
    "Anatomy": 118,
    "Texture": 204,
    "Semantics": 31,
    "Emotion": 311,
    "Composition": 407,
    "Lighting": 163,
    "Style": 153,
}
"""The questions of each sub-dimension."""

TOTAL = sum(TYPE_SCOPES.values())
"""2,765 questions, each on an image of its own."""


def incompleteness(items: Iterable[Item]) -> list[str]:
    """List where a copy has fewer or more questions than the paper; empty if it is complete."""
    items = list(items)
    scopes: Counter[tuple[str, str]] = Counter((item.type, item.groups.get("scope", "")) for item in items)
    dimensions = Counter((item.groups.get("source", ""), item.groups.get("dimension", "")) for item in items)
    subdimensions = Counter(item.groups.get("subdimension", "") for item in items)
    images = len({item.image_sha256 for item in items})
    counts = [("questions", len(items), TOTAL), ("distinct images", images, TOTAL)]
    counts += [
        (f"{', '.join(cell)} questions", counted[cell], expected.get(cell, 0))
        for counted, expected in ((scopes, TYPE_SCOPES), (dimensions, SOURCE_DIMENSIONS))
        for cell in [*expected, *(cell for cell in counted if cell not in expected)]
    ]
    counts += [
        (f"{name or 'no sub-dimension'} questions", subdimensions[name], SUBDIMENSION_COUNTS.get(name, 0))
        for name in [*SUBDIMENSION_COUNTS, *(name for name in subdimensions if name not in SUBDIMENSION_COUNTS)]
    ]
    return [
        f"{count:,} {name}, where a complete copy has {expected:,}"
        for name, count, expected in counts
        if count != expected
    ]
