"""EvalMuse-40K: correlations of generated images, overall, for each model and for real and synthetic prompts."""

from __future__ import annotations

from ...agreement.protocols.rated_images import rated_images

PROTOCOL = rated_images(
    name="evalmuse-40k",
    about="EvalMuse-40K: SRCC, KRCC, PLCC of images, overall, for each model and type of prompt",
    source="EvalMuse-40K, arXiv 2412.18150: SRCC and PLCC, there of its test part",
    dimensions={"alignment": "text-image alignment"},
    groups={
        "system": "the model that made the image; gives the ranking of models",
        "type": "real or synthetic prompts",
    },
)
