"""A backbone by its id: what is asked for and in which order, and what its errors say."""

from __future__ import annotations

from pathlib import Path

import pytest

import editmetrics
from editmetrics.mllm.families import BackboneError, BackboneUnavailableError
from editmetrics.mllm.loading import find_folder

from .server import Repository

TOY = Path(editmetrics.__file__).parent / "testing" / "toy_internvl"


@pytest.fixture
def model(hub):
    """The repository lab/model, with a file that no loader reads."""
    files = {file.name: file.read_bytes() for file in TOY.iterdir() if file.is_file()}
    hub.repositories["lab/model"] = Repository(files | {"README.md": b"#", "extra.bin": b"0"})
    return hub.repositories["lab/model"]


def test_small_files_come_first_and_others_stay_there(hub, model):
    folder, commit = find_folder("lab/model", None)
    assert commit == model.commit
    fetched = [one.path.partition("?")[0].rpartition("/")[2] for one in hub.downloads()]
    assert fetched[-1] == "model.safetensors"
    assert sorted(fetched) == sorted({*model.files} - {"README.md", "extra.bin"})
    assert (folder / "model.safetensors").read_bytes() == model.files["model.safetensors"]


@pytest.mark.parametrize(
    ("fault", "part", "unavailable"),
    [
        ({"gated": True}, "ask for access on", False),
        ({"private": True}, "does not exist, or is private", False),
        ({"revisions": ("trunk",)}, "has no revision main", False),
        (429, "quota for this address or account", True),
        (503, "the hub has a problem now", True),
    ],
)
def test_its_errors_say_what_to_do(hub, model, fault, part, unavailable):
    if isinstance(fault, int):
        hub.status["lab/model"] = (fault, {})
    else:
        for name, value in fault.items():
            setattr(model, name, value)
    with pytest.raises(BackboneError) as caught:
        find_folder("lab/model", None)
    assert isinstance(caught.value, BackboneUnavailableError) == unavailable
    for words in ("lab/model cannot be downloaded", part, "hf download lab/model"):
        assert words in str(caught.value)
