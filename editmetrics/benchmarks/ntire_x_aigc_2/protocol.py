"""NTIRE 2026 X-AIGC quality assessment challenge, track 2 (image editing): the final score, as DS-IEQA states it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...agreement.correlation import plcc, srcc
from ...agreement.measure import AgreementError, UndefinedError
from ...agreement.protocols.figures import average
from ...agreement.protocols.protocol import Joined, Protocol
from ...agreement.result import ALL, Line

SUBSETS = {"in": 0.7, "out": 0.3}
"""The values of the column `split`, and what each subset counts for."""

FINAL = "final score"


def final_score(in_distribution: Sequence[float], out_of_distribution: Sequence[float]) -> float:
    """0.7 S_in + 0.3 S_out, S being the mean over the dimensions of (SRCC + PLCC) / 2 in a subset.

    Takes (SRCC + PLCC) / 2 of each dimension. Source: DS-IEQA (arXiv 2604.12175), equations 6 and 7.

    >>> round(final_score([0.7692, 0.7771, 0.7894], [0.7174, 0.7513, 0.7448]), 3)  # its Table 1, last row
    0.766
    """
    subsets = zip(SUBSETS.values(), (in_distribution, out_of_distribution), strict=True)
    return sum(weight * sum(values) / len(values) for weight, values in subsets)


def _figures(joined: Joined) -> Iterator[Line]:
    subsets = joined.groups("split")
    if set(subsets) != set(SUBSETS):
        raise AgreementError(f"the column 'split' holds {', '.join(subsets) or 'nothing'}; expected 'in' and 'out'")
    means: dict[str, list[Line]] = {}
    for subset in SUBSETS:
        group = f"split={subset}"
        for dimension in PROTOCOL.dimensions:
            both = joined.correlations(dimension, (srcc, plcc), subsets[subset], group)
            yield from both
            means.setdefault(subset, []).append(average(joined, both, group, "(srcc + plcc) / 2"))
        yield from means[subset]
        yield average(joined, means[subset], group, f"S_{subset}", rating="all")
    every = [line for lines in means.values() for line in lines]

    def final() -> float:
        for line in every:
            if line.value is None:
                raise UndefinedError(f"{line.rating}, {line.group}: {line.note}")
        return final_score(*([line.value for line in lines if line.value is not None] for lines in means.values()))

    rated, left_out = sum(line.n for line in every), sum(line.excluded for line in every)
    yield joined.line("all", ALL, FINAL, final, rated, left_out)


PROTOCOL = Protocol(
    name="ntire-x-aigc-2",
    about="NTIRE 2026 X-AIGC track 2: 0.7 S_in + 0.3 S_out over three dimensions",
    source="DS-IEQA, arXiv 2604.12175, section 4.1, equations 6 and 7",
    dimensions={
        "visual_quality": "visual quality",
        "editing_fidelity": "editing fidelity",
        "content_preservation": "content preservation",
    },
    columns={"split": "'in' for editing models seen in training, 'out' for the others"},
    required=frozenset({"split"}),
    figures=_figures,
    all_dimensions=True,
)
