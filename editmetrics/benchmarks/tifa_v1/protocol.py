"""TIFA v1.0: correlations of generated images with human judgements, overall, for each model and origin."""

from __future__ import annotations

from ...agreement.protocols.rated_images import rated_images

PROTOCOL = rated_images(
    name="tifa-v1",
    about="TIFA v1.0: SRCC, KRCC, PLCC of images, overall, for each model and origin of prompts",
    source="compute_correlation.ipynb of the repository, which prints PLCC as Spearman's; SRCC as in LMM4LMM, Table 5",
    dimensions={"faithfulness": "text-image faithfulness"},
    groups={
        "system": "the model that made the image; gives the ranking of models",
        "origin": "where the prompt is from: coco, partiprompt, paintskill or drawbench",
    },
)
