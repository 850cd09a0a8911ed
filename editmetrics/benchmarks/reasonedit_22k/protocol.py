"""ReasonEdit-22K: correlations of edits in three respects, as the authors' program prints them."""

from __future__ import annotations

from ...agreement.correlation import krcc, plcc, srcc
from ...agreement.protocols.rated_images import rated_images

PROTOCOL = rated_images(
    name="reasonedit-22k",
    about="ReasonEdit-22K: PLCC, SRCC and KRCC of edits in three respects",
    source="core/inference.py of github.com/IntMeGroup/ReasonEdit",
    dimensions={
        "visual_quality": "visual quality",
        "editing_alignment": "editing alignment",
        "content_preservation": "content preservation",
    },
    groups={},
    measures=(plcc, srcc, krcc),
)
