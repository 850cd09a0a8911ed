"""Runs, checkpoints and demos on the Hugging Face hub: a plan of every file that would leave, and its upload."""

from __future__ import annotations

from .plan import PublishingError, UploadFile, UploadPlan
from .plans import plan_push
from .upload import is_private, upload

__all__ = ["PublishingError", "UploadFile", "UploadPlan", "is_private", "plan_push", "upload"]
