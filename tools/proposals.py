"""Definitions written by hand for the made world, proposed as a chat model would propose them.

The search of `ds_ieqa` asks a chat model for definitions; none that knows this world can be reached. Some of these
speak in the words of the questions that the backbone was pretrained on, others in everyday words.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.judge.server import Reply, Request, completion, running

WRITTEN = "written by hand"
"""The name of the model that proposes them."""

PROPOSALS = {
    "visual_quality": (
        "Please rate how natural the target image looks where it was edited. Higher score means more natural.",
        "How does the target image look? A plain look has the highest score; speckled, blurred, blocky and striped "
        "have lower ones.",
        "Which square has the target image? No bright and no dark square means a higher score.",
        "Describe the looks of the target image. Higher score means more plain, and no square that is bright or dark.",
        "Please rate how well the edited part of the target image goes with the rest in brightness and sharpness.",
        "Please rate the contrast and the looks of the target image. Higher score means better looks.",
    ),
    "editing_fidelity": (
        "What became of the thing that the prompt names? Higher score means that it became what the prompt wants.",
        "What changed? Higher score means that the changes are those of the prompt.",
        "Is it true that all that the prompt wants was done? Higher score means yes.",
        "Please rate how many parts of the prompt were carried out in the target image.",
        "What came that the prompt names? Higher score means that the right thing came to the right place.",
        "Please rate whether colour, shape and place of the thing in the target image are those of the prompt.",
    ),
    "content_preservation": (
        "What changed? Fewer changes of things that the prompt does not name mean a higher score.",
        "How many places changed? Higher score means fewer places.",
        "Please rate how many of the things that the prompt does not name are the same in the target image.",
        "Is it true that the other things are the same? Higher score means yes.",
        "Describe the target image. Higher score means that it has the same things as the source image.",
        "Please rate what stayed as it was in the target image, apart from the thing that the prompt names.",
    ),
}
"""By dimension, in the order in which they are proposed."""


def proposed(request: Request) -> Reply:
    """The first proposal for the dimension of a request that was not tried yet."""
    asked = request.text
    dimension = next(name for name in PROPOSALS if f"rates edited images by their {name.replace('_', ' ')}." in asked)
    new = (one for one in PROPOSALS[dimension] if f"Definition: {one}\n" not in asked)
    return Reply(completion(f"[[{next(new, '')}]]"))


@contextmanager
def served(port: int = 0) -> Iterator[str]:
    """The address of a server that proposes them; 0 takes any free port."""
    with running(port) as server:
        server.models, server.answer = [WRITTEN], proposed
        yield server.url
