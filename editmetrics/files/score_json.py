"""Scores as JSON, and back, exactly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..sample import Score
from .text import json_ready


def score_to_json(score: Score) -> dict[str, Any]:
    """Return the JSON object of a score; infinities, which JSON cannot represent, become "inf" and "-inf"."""
    optional = {
        "reason": score.reason,
        "explanation": score.explanation,
        "uncertainty": json_ready(dict(score.uncertainty or {})),
        "details": score.details,
    }
    return {"status": score.status, "values": json_ready(dict(score))} | {
        name: value for name, value in optional.items() if value
    }


def score_from_json(fields: Mapping[str, Any]) -> Score:
    """Return the score that `score_to_json` wrote."""
    uncertainty = fields.get("uncertainty")
    return Score(
        {name: float(value) for name, value in fields["values"].items()},
        fields["status"],
        fields.get("reason"),
        fields.get("explanation"),
        uncertainty and {name: float(value) for name, value in uncertainty.items()},
        fields.get("details"),
    )
