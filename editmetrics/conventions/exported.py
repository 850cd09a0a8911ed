"""A published checkpoint that was loaded, as a model that a server is to have."""

from __future__ import annotations

import re
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
    return LocalModel(name, backbone, adapter, made_of, images, merged=sha256_of_json(checksums) if checksums else "")


def merged_adapter(weights: str) -> str | None:
    """Return `LocalModel.merged` of a published adapter, or of none, as far as this machine knows it; else None."""
    from ..mllm.lora import LoraError
    from .adapted import adapter_checksums

    if not weights:
        return ""
    try:
        checksums = adapter_checksums(weights)
    except LoraError:  # a folder that is on the server's machine alone
        return None
    known = all(re.fullmatch("[0-9a-f]{64}", checksum) for checksum in checksums.values())
    return sha256_of_json(checksums) if known else None
