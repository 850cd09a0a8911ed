"""A tiny backbone of each family, made once a session."""

from __future__ import annotations

import pytest

from editmetrics.testing import tiny_backbone

FAMILIES = ("internvl", "qwen2_5_vl", "qwen3_vl", "llava_onevision")


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    """pytest runs one process per core; torch's own threads on top of that would wait for each other."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """The folder of a tiny backbone of each family: never write into it."""
    root = tmp_path_factory.mktemp("backbones")
    return {family: tiny_backbone(family, root / family) for family in FAMILIES}


@pytest.fixture(params=FAMILIES)
def family(request):
    """The name of each family in turn."""
    return request.param


@pytest.fixture
def backbone(family, folders):
    """A backbone of each family in turn, on the CPU, in float32."""
    from editmetrics.mllm.backbone import Backbone

    return Backbone.load(folders[family], device="cpu")
