"""AIGCIQA2023: correlations of generated images in three respects, per model and style; means of models."""

from __future__ import annotations

from ...agreement.protocols.rated_images import rated_images

PROTOCOL = rated_images(
    name="aigciqa2023",
    about="AIGCIQA2023: SRCC, KRCC, PLCC of images, overall, for each model and style; means of models",
    source="AIGCIQA2023, arXiv 2307.00211; SRCC and PLCC overall as in LMM4LMM, Table 5",
    dimensions={
        "quality": "perceptual quality",
        "authenticity": "how real it looks",
        "correspondence": "text-image correspondence",
    },
    groups={"system": "the model that made the image, by its place in the order", "style": "the style of the prompt"},
)
