"""AGIQA-3K: correlations of generated images in perception and alignment; ranking of text-to-image models."""

from __future__ import annotations

from ...agreement.protocols.rated_images import rated_images

PROTOCOL = rated_images(
    name="agiqa-3k",
    about="AGIQA-3K: SRCC, KRCC, PLCC of images, overall and for each model; SRCC and RMSE of models",
    source="AGIQA-3K, arXiv 2306.04717; SRCC and PLCC overall as in LMM4LMM, Table 5",
    dimensions={
        "perception": "perceptual quality",
        "alignment": "text-image alignment",
    },
    groups={"system": "the model that made the image; gives the figures of each model and their ranking"},
)
