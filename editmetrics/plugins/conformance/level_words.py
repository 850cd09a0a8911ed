"""Stand-in for the checkpoints that are read by level words: a tiny random mPLUG-Owl2 that is about to say one."""

from __future__ import annotations

import tempfile
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path
from unittest import mock

from ...testing import tiny_backbone

PICTURE = (64, 72)

QUESTIONS = "USER: How would you rate the quality of this image? ASSISTANT: The aesthetics of the image is"
HUB = ("q-future/one-align", "zhiyuanyou/DeQA-Score-Mix3")


def stand_in() -> AbstractContextManager[object]:
    """Let the hub have the tiny model in the place of each published one."""
    from ...mllm import loading

    download = loading._from_hub

    def from_hub(model: str, revision: str | None, files: tuple[str, ...]) -> Path:
        return Path(_folder().name) if model in HUB else download(model, revision, files)

    return mock.patch.object(loading, "_from_hub", from_hub)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    folder = tempfile.TemporaryDirectory(prefix="editmetrics-level-words-")
    tiny_backbone("mplug_owl2", folder.name, layers=1, corpus=QUESTIONS)
    return folder
