"""GenAI-Bench: correlations and pairwise accuracy of generated images, overall, for each model and skill."""

from __future__ import annotations

from ...agreement.protocols.rated_images import rated_images

PROTOCOL = rated_images(
    name="genai-bench-1600",
    about="GenAI-Bench: SRCC, KRCC, PLCC and pairwise accuracy of images; per model and skill",
    source="dataset.py of t2v_metrics: PLCC, tau-b, pairwise accuracy with ties; SRCC as in LMM4LMM, Table 5",
    dimensions={"alignment": "text-image alignment"},
    groups={
        "system": "the model that made the image; gives the ranking of models",
        "skills": "the skills that the prompt needs; an image counts for each of them",
    },
    with_ties=True,
)
