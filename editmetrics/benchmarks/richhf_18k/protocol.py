"""RichHF-18K: correlations of generated images with scores in four respects."""

from __future__ import annotations

from ...agreement.protocols.rated_images import rated_images

PROTOCOL = rated_images(
    name="richhf-18k",
    about="RichHF-18K: SRCC, KRCC, PLCC of images in four respects",
    source="RichHF, arXiv 2312.10240: PLCC and SRCC; SRCC and PLCC as in LMM4LMM, Table 5",
    dimensions={
        "plausibility": "plausibility",
        "alignment": "text-image alignment",
        "aesthetics": "aesthetics",
        "overall": "overall quality",
    },
    groups={},
)
