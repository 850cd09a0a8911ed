"""Stand-in for ImgEdit_Judge: one type of edits, asked of a judge that answers in the form asked for."""

from __future__ import annotations

from .conventions import setup

__all__ = ["OPTIONS", "setup"]

OPTIONS = {"task": "adjust"}
