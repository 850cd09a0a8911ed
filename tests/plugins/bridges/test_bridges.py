"""A bridged metric gives exactly the library's own number; a library that is absent, or fails, harms nobody."""

from __future__ import annotations

import inspect
import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torchvision.transforms.functional import to_tensor

from editmetrics import Sample, create_metric, list_metrics, metric_class, score
from editmetrics.cli import cli
from editmetrics.plugins.bridges.bridge import Bridge, Loaded, Offer
from editmetrics.registry import (
    BRIDGES,
    BrokenPluginError,
    MissingPackageError,
    UnknownMetricError,
    bridge,
    usable_bridge,
)
from editmetrics.sample import Dimension
from editmetrics.testing import check_metric, toys

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "docs" / "examples"
PHOTOGRAPHS = ("astronaut", "cat")
LIGHT_IMPORT = {"light_import": "a bridge asks its library what a metric takes, and so imports it"}
WAITS = {"synchronisations": "a bridge asks its library sample by sample, and that waits for the device as it likes"}


def files(name):
    return EXAMPLES / "source" / f"{name}.jpg", EXAMPLES / "edited" / f"{name}.jpg"


def tensors(name):
    """The photographs as torchvision reads them: (1, 3, H, W) in [0, 1]."""
    return tuple(to_tensor(Image.open(file).convert("RGB"))[None] for file in files(name))


# ---------------------------------------------------------------------- piq

PIQ_PAIRS = [
    "dss", "fsim", "gmsd", "haarpsi", "information_weighted_ssim", "mdsi", "multi_scale_gmsd", "multi_scale_ssim",
    "psnr", "srsim", "ssim", "vif_p", "vsi",
]  # fmt: skip


@pytest.mark.parametrize("name", PIQ_PAIRS)
def test_piq_pairs(name):
    piq = pytest.importorskip("piq")
    metric = create_metric(f"piq/{name}", device="cpu")
    for photograph in PHOTOGRAPHS:
        source, edited = tensors(photograph)
        found = metric(*files(photograph))
        assert float(found) == float(getattr(piq, name)(edited, source, data_range=1.0))
        assert list(found) == [name]


def test_piq_single_image_and_options():
    piq = pytest.importorskip("piq")
    source, edited = tensors("cat")
    assert float(create_metric("piq/total_variation:norm_type=l1", device="cpu")(files("cat")[1])) == float(
        piq.total_variation(edited, norm_type="l1")
    )
    metric = create_metric("piq/ssim:downsample=false,kernel_size=7", device="cpu")
    assert metric.label == "piq/ssim:kernel_size=7,downsample=False"
    assert float(metric(*files("cat"))) == float(piq.ssim(edited, source, downsample=False, kernel_size=7))
    assert metric.identity()["options"]["downsample"] is False
    assert metric.identity()["library"] == f"piq {piq.__version__}"


def test_every_piq_function_of_images_is_offered_and_all_else_has_a_reason():
    piq = pytest.importorskip("piq")
    found = bridge("piq")
    public = {name for name, m in inspect.getmembers(piq) if inspect.isclass(m) or inspect.isfunction(m)}
    assert set(found.offers) | set(found.not_offered) == public
    assert not set(found.offers) & set(found.not_offered)
    for name, offer in found.offers.items():
        arguments = list(inspect.signature(getattr(piq, name)).parameters)
        if inspect.isfunction(getattr(piq, name)):
            assert arguments[: len(offer.needs)] == ["x", "y"][: len(offer.needs)]
    with pytest.raises(UnknownMetricError, match="two sets of images"):
        create_metric("piq/FID")


def test_a_function_that_piq_gains_is_offered_without_a_range_or_direction(monkeypatch):
    piq = pytest.importorskip("piq")

    def newest(x: torch.Tensor, y: torch.Tensor, reduction: str = "mean", weight: float = 2.0) -> torch.Tensor:
        """Compute the newest distance."""
        return weight * (x - y).mean()

    monkeypatch.setattr(piq, "newest", newest, raising=False)
    offer = type(bridge("piq"))().offers["newest"]
    assert (offer.dimension.low, offer.dimension.high) == (-np.inf, np.inf)
    assert offer.dimension.higher_is_better is None
    assert [option.name for option in offer.options] == ["weight"]


# ---------------------------------------------------------------------- torchmetrics

TORCHMETRICS_PAIRS = {
    "ErrorRelativeGlobalDimensionlessSynthesis": ("error_relative_global_dimensionless_synthesis", {}),
    "MultiScaleStructuralSimilarityIndexMeasure": (
        "multiscale_structural_similarity_index_measure", {"data_range": 1.0},
    ),
    "PeakSignalNoiseRatio": ("peak_signal_noise_ratio", {"data_range": 1.0}),
    "RelativeAverageSpectralError": ("relative_average_spectral_error", {}),
    "RootMeanSquaredErrorUsingSlidingWindow": ("root_mean_squared_error_using_sliding_window", {}),
    "SpatialCorrelationCoefficient": ("spatial_correlation_coefficient", {}),
    "SpectralAngleMapper": ("spectral_angle_mapper", {}),
    "SpectralDistortionIndex": ("spectral_distortion_index", {}),
    "StructuralSimilarityIndexMeasure": ("structural_similarity_index_measure", {"data_range": 1.0}),
    "UniversalImageQualityIndex": ("universal_image_quality_index", {}),
    "VisualInformationFidelity": ("visual_information_fidelity", {}),
}  # fmt: skip


@pytest.mark.parametrize("name", TORCHMETRICS_PAIRS)
def test_torchmetrics_pairs(name):
    """Against torchmetrics' functions, which its classes are another door to; rounding: a class adds up in between."""
    functional = pytest.importorskip("torchmetrics.functional.image")
    function, given = TORCHMETRICS_PAIRS[name]
    metric = create_metric(f"torchmetrics/{name}", device="cpu")
    for photograph in PHOTOGRAPHS:  # the second tells whether the class forgot the first
        source, edited = tensors(photograph)
        expected = float(getattr(functional, function)(edited, source, **given))
        (found,) = metric.score([Sample(photograph, edited=files(photograph)[1], source=files(photograph)[0])])
        if np.isnan(expected):  # black pixels have no spectral angle, and windows of them no relative error
            assert (found.status, "NaN" in found.reason) == ("failed", True)
        else:
            assert float(found) == pytest.approx(expected, rel=1e-6)


def test_torchmetrics_single_image():
    functional = pytest.importorskip("torchmetrics.functional.image")
    _, edited = tensors("cat")
    found = create_metric("torchmetrics/TotalVariation", device="cpu")(files("cat")[1])
    assert float(found) == float(functional.total_variation(edited))


def test_torchmetrics_directions_are_those_it_declares_but_for_two():
    image = pytest.importorskip("torchmetrics.image")
    found = bridge("torchmetrics")
    declared = {n: getattr(image, n).higher_is_better for n in found.offers if hasattr(image, n)}
    other = {n for n, higher in declared.items() if found.offers[n].dimension.higher_is_better != higher}
    assert other == {"SpectralDistortionIndex", "TotalVariation"}
    source, edited = files("cat")
    metric = create_metric("torchmetrics/SpectralDistortionIndex", device="cpu")
    assert float(metric(source, source)) == 0 < float(metric(source, edited))  # so lower is better, whatever it says


def test_sets_of_images_are_not_offered_by_torchmetrics():
    pytest.importorskip("torchmetrics.image")
    assert "sets" in bridge("torchmetrics").not_offered["MemorizationInformedFrechetInceptionDistance"]


@pytest.fixture
def squeezenet(tmp_path, monkeypatch):
    """Random weights where torchvision would download SqueezeNet's: a real network without a network."""
    from torchvision.models import squeezenet1_1

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    def write(seed):
        torch.manual_seed(seed)
        (tmp_path / "checkpoints").mkdir(exist_ok=True)
        torch.save(squeezenet1_1().state_dict(), tmp_path / "checkpoints" / "squeezenet1_1-b8a52dc0.pth")

    return write


def test_the_weights_that_a_library_loaded_are_part_of_the_identity(squeezenet, monkeypatch):
    image = pytest.importorskip("torchmetrics.image")
    monkeypatch.setenv("EDITMETRICS_OFFLINE", "1")
    spec, identities = "torchmetrics/LearnedPerceptualImagePatchSimilarity:net_type=squeeze", []
    for seed in (1, 2, 1):
        squeezenet(seed)
        metric = create_metric(spec, device="cpu")
        identities.append(metric.identity()["weights"])
        source, edited = tensors("cat")
        own = image.LearnedPerceptualImagePatchSimilarity(net_type="squeeze", normalize=True)
        assert float(metric(*files("cat"))) == float(own(edited, source))
    assert identities[0] == identities[2] != identities[1]
    assert identities[0].startswith("sha256 ")


# ---------------------------------------------------------------------- pyiqa


@pytest.mark.parametrize("name", ["psnr", "psnry", "ssim", "ms_ssim", "fsim", "gmsd", "vif", "nlpd", "cw_ssim", "vsi"])
def test_pyiqa_pairs(name):
    pyiqa = pytest.importorskip("pyiqa")
    metric = create_metric(f"pyiqa/{name}", device="cpu")
    own = pyiqa.create_metric(name, device="cpu")
    source, edited = files("cat")
    assert float(metric(source, edited)) == float(own(str(edited), str(source)))


@pytest.mark.parametrize("name", ["entropy", "piqe"])
def test_pyiqa_single_images(name):
    pyiqa = pytest.importorskip("pyiqa")
    edited = files("cat")[1]
    own = pyiqa.create_metric(name, device="cpu")
    assert float(create_metric(f"pyiqa/{name}", device="cpu")(edited)) == float(own(str(edited)))


def test_pyiqa_declares_what_is_offered():
    pyiqa = pytest.importorskip("pyiqa")
    from pyiqa.default_model_configs import DEFAULT_CONFIGS

    found = bridge("pyiqa")
    assert set(found.offers) | set(found.not_offered) == set(pyiqa.list_models())
    for name, offer in found.offers.items():
        assert offer.dimension.higher_is_better != DEFAULT_CONFIGS[name].get("lower_better", False)
        assert ("source" in offer.needs) == (DEFAULT_CONFIGS[name]["metric_mode"] == "FR")
    assert found.offers["clipscore"].needs == {"edited", "prompt"}
    assert "noncommercial" in metric_class("pyiqa/psnr").licence.lower()
    assert "a set of images" in found.not_offered["fid"]


# ---------------------------------------------------------------------- any of them


@pytest.mark.parametrize("name", ["piq/gmsd", "torchmetrics/TotalVariation"])
def test_a_bridged_metric_is_as_good_a_citizen_as_any(name):
    pytest.importorskip(name.partition("/")[0])
    report = check_metric(name, exceptions=LIGHT_IMPORT | WAITS)
    assert "batch_invariance" in report.passed
    assert report.skipped.keys() <= {"optimum", "exchanged_edits"}


def test_a_bridged_metric_is_one_class_and_survives_pickling():
    pytest.importorskip("piq")
    metric = create_metric("piq/vif_p:sigma_n_sq=1", device="cpu")
    again = pickle.loads(pickle.dumps(metric))
    assert type(again) is type(metric) is metric_class("piq/vif_p")
    assert again.options == {"sigma_n_sq": 1.0}


def test_images_of_two_sizes_cost_their_own_row():
    pytest.importorskip("piq")
    rows = [toys.sample(0), Sample("odd", edited=toys.picture(1)[:40], source=toys.picture(1)), toys.sample(2)]
    results = score(rows, "piq/gmsd", device="cpu")["piq/gmsd"]
    assert [found.status for found in results] == ["ok", "failed", "ok"]
    assert "images of one size" in results[1].reason


def test_what_the_library_says_of_a_sample_is_the_reason(tmp_path):
    pytest.importorskip("piq")
    small = toys.picture(0)[:20, :20]
    (found,) = create_metric("piq/vif_p", device="cpu").score([Sample("small", edited=small, source=small)])
    assert found.status == "failed"
    assert "piq cannot score this (20 x 20 pixels): ValueError" in found.reason


def test_weights_that_cannot_be_downloaded_are_the_machines_fault_and_cost_no_other_metric(monkeypatch, tmp_path):
    pytest.importorskip("piq")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setenv("EDITMETRICS_OFFLINE", "1")
    samples = [Sample(name, edited=files(name)[1], source=files(name)[0]) for name in PHOTOGRAPHS]
    results = score(samples, ["psnr", "piq/LPIPS"], output=tmp_path / "scores.csv", device="cpu")
    assert all(found.ok for found in results["psnr"])
    assert [found.status for found in results["piq/LPIPS"]] == ["unavailable"] * 2
    assert "EDITMETRICS_OFFLINE=1 forbids the network" in results["piq/LPIPS"][0].reason


class Toy(Bridge):
    """A bridge to a library that does not exist."""

    name, package, licence = "toy", "no-such-library-at-all", "MIT"
    home, default_licence = "https://example.org", "MIT"
    fails = False

    def find_offers(self):
        if self.fails:
            raise ImportError("libfoo.so.1: cannot open shared object file")
        dimension = Dimension("drawn", primary=True)
        return {"drawn": Offer("drawn", frozenset({"edited"}), dimension, lambda options, device: Loaded(_draw))}

    def find_not_offered(self):
        return {}


def _draw(edited, source, prompt):
    print("drawing")
    return torch.rand(1) + np.random.rand()


@pytest.fixture
def toy(monkeypatch):
    from editmetrics import registry

    found = Toy()
    monkeypatch.setitem(registry.BRIDGES, "toy", f"{__name__}:TOY")
    monkeypatch.setitem(globals(), "TOY", found)
    return found


def test_a_library_that_is_not_installed_is_answered_with_the_pip_line(toy):
    with pytest.raises(MissingPackageError, match=r"toy/drawn needs .* pip install no-such-library-at-all"):
        create_metric("toy/drawn")
    assert "toy/drawn" not in list_metrics()


def test_a_library_that_cannot_be_imported_is_named_with_the_reason(toy, monkeypatch):
    toy.version, toy.fails = "1.0", True
    with pytest.raises(BrokenPluginError, match=r"no-such-library-at-all 1\.0 .* libfoo"):
        usable_bridge("toy")


def test_a_library_that_draws_at_random_and_prints_does_neither(toy, capsys):
    toy.version = "1.0"
    metric = toy.metric_class("drawn")().to("cpu")
    before = torch.get_rng_state()
    first, second = float(metric(toys.picture(0))), float(metric(toys.picture(0)))
    assert first == second
    assert torch.equal(before, torch.get_rng_state())
    assert capsys.readouterr().out == ""


def test_another_device_is_another_instance_of_the_library(toy):
    toy.version = "1.0"
    metric = toy.metric_class("drawn")().to("cpu")
    metric.load()
    loaded = metric._loaded
    assert metric.to("cpu")._loaded is loaded
    assert metric.to("cuda")._loaded is None


def test_unknown_names_are_answered_with_the_nearest():
    pytest.importorskip("piq")
    with pytest.raises(UnknownMetricError, match="Did you mean 'piq/LPIPS'"):
        create_metric("piq/lpips")


@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"], ["info", "psnr"]], ids=str)
def test_nothing_of_a_library_loads_before_it_is_asked_for(arguments):
    program = (
        "import json, sys\nfrom editmetrics.cli import cli\n"
        f"cli({arguments!r}, standalone_mode=False)\n"
        f"print(json.dumps([name for name in ['torch', *{sorted(BRIDGES)!r}] if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_the_command_line_lists_a_library_with_its_licence():
    pytest.importorskip("piq")
    shown = CliRunner().invoke(cli, ["list", "piq"])
    assert shown.exit_code == 0
    (line,) = [line for line in shown.stdout.splitlines() if line.startswith("LPIPS")]
    assert line.split() == ["LPIPS", "source,", "edited", "lower", "0", "to", "inf", "BSD-2-Clause"]
    assert "licence: Apache-2.0" in shown.stdout
    assert "FID" in shown.stdout.partition("not offered")[2]
    described = json.loads(CliRunner().invoke(cli, ["list", "piq", "--json"]).stdout)
    assert {metric["name"] for metric in described["metrics"]} >= {f"piq/{name}" for name in PIQ_PAIRS}
    assert "piq: Apache-2.0" in CliRunner().invoke(cli, ["info", "piq/vif_p"]).stdout


def test_a_library_without_a_bridge_is_answered_with_those_there_are():
    with pytest.raises(UnknownMetricError, match="Bridges exist to piq, pyiqa, torchmetrics, not to skimage"):
        create_metric("skimage/ssim")
