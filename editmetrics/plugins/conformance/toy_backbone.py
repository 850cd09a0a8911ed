"""Stand-in for a large vision-language model: the tiny one that comes with the package."""

from __future__ import annotations

from .toy_weights import PICTURE, stand_in

__all__ = ["OPTIONS", "PICTURE", "stand_in"]

OPTIONS = {"backbone": "toy-internvl"}
