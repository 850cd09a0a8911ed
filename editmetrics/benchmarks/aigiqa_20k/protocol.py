"""AIGIQA-20K: correlations of generated images, overall and for each model; means of models."""

from __future__ import annotations

from ...agreement.protocols.rated_images import rated_images

PROTOCOL = rated_images(
    name="aigiqa-20k",
    about="AIGIQA-20K: SRCC, KRCC, PLCC of images, overall and for each model; means of models",
    source="AIGIQA-20K, arXiv 2404.03407: SRCC, KRCC and PLCC",
    dimensions={"quality": "quality and alignment in one"},
    groups={"system": "the model that made the image; gives the ranking of models"},
)
