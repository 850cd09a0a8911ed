"""EPAIQA-15K: SRCC and PLCC for each type of edit and overall."""

from __future__ import annotations

from collections.abc import Iterator

from ...agreement.correlation import plcc, srcc
from ...agreement.protocols.protocol import Joined, Protocol
from ...agreement.result import Line

FULLY_COMPLETED = 3.0


def _figures(joined: Joined) -> Iterator[Line]:
    types = joined.groups("edit_type")
    for dimension in PROTOCOL.dimensions:
        if not joined.has_dimension(dimension):
            continue
        within = None
        if dimension == "overall_quality" and joined.has("prompt_completion"):
            within = joined.numbers("prompt_completion") == FULLY_COMPLETED
        for name, rows in types.items():
            rows = rows if within is None else rows & within
            yield from joined.correlations(dimension, (srcc, plcc), rows, f"edit_type={name}")
        yield from joined.correlations(dimension, (srcc, plcc), within)


PROTOCOL = Protocol(
    name="epaiqa",
    about="EPAIQA-15K: SRCC and PLCC for each type of edit and overall",
    source="EPAIQA, section 5.1, Tables 1, 2 and 3",
    dimensions={
        "harmony": "global harmony of the edited region with the rest",
        "local_naturalness": "naturalness of the edited region by itself",
        "overall_quality": "overall editing quality",
    },
    columns={
        "edit_type": "style change, object enhancement, object operation or semantic change (the paper's types 1 to 4)",
        "prompt_completion": "1, 2 or 3; where it is there, overall quality is compared on 3 alone, as in 5.1",
    },
    required=frozenset({"edit_type"}),
    figures=_figures,
)
