"""AGIQA-1K: correlations of generated images, overall, for each model, style and place."""

from __future__ import annotations

from ...agreement.protocols.rated_images import rated_images

PROTOCOL = rated_images(
    name="agiqa-1k",
    about="AGIQA-1K: SRCC, KRCC, PLCC of images, overall, for each model, style and place",
    source="AGIQA-1K, arXiv 2303.12618: SRCC, KRCC and PLCC as there, without its folds, which are not published",
    dimensions={"quality": "quality"},
    groups={
        "system": "the model that made the image",
        "style": "anime or realistic",
        "place": "city or wild",
    },
)
