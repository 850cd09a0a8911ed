"""Full-reference metrics against pyiqa, where it is installed; its licence keeps it out of the tests' dependencies."""

from __future__ import annotations

import pytest
import torch

from editmetrics import create_metric, weights
from editmetrics.plugins.dists import BACKBONE, CHANNELS, WEIGHTS
from tests.plugins.photographs import pairs, tensors
from tests.random_checkpoints import write_random_checkpoint

pyiqa = pytest.importorskip("pyiqa", exc_type=ImportError)

OURS = {
    "psnr": "psnr:eps=1e-8",
    "ssim": "ssim:channels=y8",
    "ms_ssim": "ms_ssim:channels=y8",
    "fsim": "fsim:chromatic=true,convention=piq",
    "gmsd": "gmsd:channels=y8",
}


@pytest.mark.parametrize(
    ("name", "edit"),
    # Elsewhere conventions differ, as docs/conventions.md says: negative structure in ssim, borders at odd sizes.
    [*((name, "noise") for name in OURS), ("psnr", "shift"), ("fsim", "shift"), ("gmsd", "shift"), ("ssim", "jpeg")],
)
def test_equals_pyiqa(name, edit):
    source, edited = tensors(edit)
    expected = float(pyiqa.create_metric(name, device="cpu")(edited, source))
    # pyiqa rounds halves of luma otherwise, and sets what little structure is negative to 0
    assert float(create_metric(OURS[name], device="cpu")(*pairs()[edit])) == pytest.approx(expected, abs=4e-4, rel=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_dists_equals_pyiqa(tmp_path, monkeypatch):
    from pyiqa.archs.dists_arch import DISTS

    folder = tmp_path / "hub" / "checkpoints"
    write_random_checkpoint(BACKBONE, folder)
    rng = torch.Generator().manual_seed(1)
    channels = {name: torch.rand(1, sum(CHANNELS), 1, 1, generator=rng) for name in ("alpha", "beta")}
    torch.save(channels, folder / "weights.pt")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    theirs = DISTS(pretrained=False)
    theirs.alpha.data, theirs.beta.data = channels["alpha"], channels["beta"]
    with torch.no_grad():
        expected = float(theirs(*reversed(tensors("shift"))))
    with weights.substitute(BACKBONE, folder), weights.substitute(WEIGHTS, folder):
        found = float(create_metric("dists:scale=none", device="cpu")(*pairs()["shift"]))
    assert found == pytest.approx(expected, rel=1e-4)
