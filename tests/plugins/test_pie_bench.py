"""The variants named pie-bench against the arithmetic of its script: pixels times mask, then torchmetrics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchmetrics.functional.image as reference

from editmetrics import EditMetricsError, create_metric
from editmetrics.testing import offline_weights
from tests.plugins.photographs import EDITS, pairs


def masked(edit: str):
    """Both images as PIE-Bench's script has them, (1, 3, H, W) in [0, 1], and the mask of the edited region."""
    source, edited = pairs()[edit]
    mask = np.zeros(source.shape[:2], np.float32)
    mask[40:120, 50:170] = 1
    read = mask.copy()
    read[0], read[-1], read[:, 0], read[:, -1] = 1, 1, 1, 1
    kept = (1 - read)[..., None]
    tensors = [torch.tensor(image.astype(np.float32) / 255 * kept).permute(2, 0, 1)[None] for image in (edited, source)]
    return source, edited, mask > 0, tensors


@pytest.mark.parametrize("edit", EDITS)
def test_psnr_mse_and_ssim_are_torchmetrics_of_blackened_images(edit):
    source, edited, mask, (theirs, original) = masked(edit)
    expected = {
        "psnr": reference.peak_signal_noise_ratio(theirs, original, data_range=1.0),
        "mse": ((theirs - original) ** 2).mean(),
        "ssim": reference.structural_similarity_index_measure(theirs, original, data_range=1.0),
    }
    for name, value in expected.items():
        metric = create_metric(f"{name}:variant=pie-bench,region=outside", device="cpu")
        # float32: torchmetrics subtracts squares of means, which costs it digits
        assert float(metric(source, edited, mask=mask)) == pytest.approx(float(value), rel=1e-4, abs=1e-6), name


@pytest.mark.filterwarnings("ignore:The parameter 'pretrained'", "ignore:Arguments other than a weight enum")
def test_lpips_is_the_squeeze_network_on_blackened_images():
    source, edited, mask, (theirs, original) = masked("noise")
    with offline_weights(["lpips-squeezenet"]):
        metric = create_metric("lpips:variant=pie-bench,region=outside", device="cpu")
        assert metric.checkpoints() == ("lpips-squeezenet",)
        score = float(metric(source, edited, mask=mask))
        network = metric._module  # the package's own module, here called as its documentation says
        with torch.no_grad():
            expected = float(network(theirs * 2 - 1, original * 2 - 1))
    assert score == pytest.approx(expected, rel=1e-5)


def test_the_whole_image_is_untouched_by_the_variant():
    source, edited = pairs()["noise"]
    for name in ("psnr", "mse"):
        plain, theirs = (create_metric(f"{name}{more}", device="cpu") for more in ("", ":variant=pie-bench"))
        assert float(plain(source, edited)) == float(theirs(source, edited))


@pytest.mark.parametrize(
    "spec",
    ["psnr:variant=pie-bench,eps=0.1", "ssim:variant=pie-bench,window=uniform", "lpips:variant=pie-bench,net=vgg"],
)
def test_an_option_that_contradicts_the_variant_is_refused(spec):
    with pytest.raises(EditMetricsError, match="contradicts"):
        create_metric(spec)


def test_the_variant_stands_in_name_and_identity():
    metric = create_metric("psnr:variant=pie-bench,region=outside")
    assert metric.label == "psnr:variant=pie-bench,region=outside"
    assert metric.identity()["options"]["variant"] == "pie-bench"
    assert metric.identity() != create_metric("psnr:region=outside").identity()
