"""AGIQA-3K: correlations of generated images in perception and alignment; ranking of text-to-image models."""

from __future__ import annotations

from collections.abc import Iterator

from ...agreement.correlation import krcc, plcc, srcc
from ...agreement.protocols.figures import system_lines
from ...agreement.protocols.protocol import Joined, Protocol
from ...agreement.result import Line


def _figures(joined: Joined) -> Iterator[Line]:
    systems = joined.groups("system") if joined.has("system") else {}
    for dimension in PROTOCOL.dimensions:
        if not joined.has_dimension(dimension):
            continue
        yield from joined.correlations(dimension, (srcc, krcc, plcc))
        for system, rows in systems.items():
            yield from joined.correlations(dimension, (srcc, krcc, plcc), rows, f"system={system}")
        if systems:
            yield from system_lines(joined, dimension)


PROTOCOL = Protocol(
    name="agiqa-3k",
    about="AGIQA-3K: SRCC, KRCC, PLCC of images, overall and for each model; SRCC and RMSE of models",
    source="AGIQA-3K, arXiv 2306.04717; SRCC and PLCC overall as in LMM4LMM, Table 5",
    dimensions={
        "perception": "perceptual quality",
        "alignment": "text-image alignment",
    },
    columns={"system": "the model that made the image; gives the figures of each model and their ranking"},
    required=frozenset(),
    figures=_figures,
)
