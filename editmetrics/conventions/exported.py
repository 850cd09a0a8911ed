"""A published checkpoint that was loaded, as a model that a server is to have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..file_hashes import sha256_of_json

if TYPE_CHECKING:
    from ..mllm.backbone import Backbone
    from ..served.export import LocalModel
    from .schema import Conventions


def served_model(
    conventions: Conventions, name: str, backbone: Backbone, adapter: str | None, checksums: Mapping[str, Any]
) -> LocalModel:
    """Return the model with the adapter of these checksums, and the number of images that its questions show."""
    from ..served.export import LocalModel

    made_of = sha256_of_json({"backbone": backbone.identity()["sha256"], "adapter": dict(checksums)})
    images = max(len(question.images) for question in conventions.questions)
    return LocalModel(name, backbone, adapter, made_of, images)
