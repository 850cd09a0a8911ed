"""The page's Lightning module, driven as Lightning's trainer drives it: two validation epochs, each begun afresh."""

import sys
from types import ModuleType

import pytest

from editmetrics import score
from editmetrics.sample import Sample

from .test_examples import ROOT, python_blocks

torch = pytest.importorskip("torch")


class StandIn(torch.nn.Module):
    """As much of a LightningModule as the page uses."""

    def log_dict(self, values):
        assert all(isinstance(value, float) for value in values.values())
        self.logged = [*getattr(self, "logged", []), values]


def test_the_module_logs_the_means_of_each_epoch(monkeypatch):
    lightning = ModuleType("lightning")
    lightning.LightningModule = StandIn
    monkeypatch.setitem(sys.modules, "lightning", lightning)
    (block,) = (b for b in python_blocks(ROOT / "docs" / "training_loops.md") if "import lightning" in b)
    names = {}
    exec(block, names)
    module = names["Editor"]().eval()
    source = torch.rand(5, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for _ in range(2):
            for start in (0, 3):
                rows = range(start, min(start + 3, 5))
                module.validation_step({"source": source[rows], "id": [f"s{row}" for row in rows]}, start // 3)
            module.on_validation_epoch_end()
        edited = module.network(source).clamp(0, 1)
    samples = [Sample(f"s{row}", edited=edited[row], source=source[row]) for row in range(5)]
    expected = {f"val/{name}": float(mean) for name, mean in score(samples, ["psnr", "ssim"]).means().items()}
    assert module.logged == [pytest.approx(expected), pytest.approx(expected)]
