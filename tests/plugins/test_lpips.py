"""LPIPS against the `lpips` package and torchmetrics on photographs, with the same random backbones."""

from __future__ import annotations

import hashlib
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import lpips as package
import numpy as np
import pytest
import skimage.data
import torch
import torch.nn.functional as F

from editmetrics import Sample, SampleError, create_metric, weights
from editmetrics.plugins.lpips import CHECKPOINTS, LPIPS, SMALLEST, lpips
from editmetrics.scoring.results import Column
from tests.random_checkpoints import write_random_checkpoint

NETS = ("alex", "vgg", "squeeze")


# torchvision's, on how the other libraries call it
pytestmark = pytest.mark.filterwarnings(
    "ignore:The parameter 'pretrained'", "ignore:Arguments other than a weight enum"
)


@pytest.fixture(scope="module")
def backbones(tmp_path_factory):
    """The three random backbones, in the folder where torchvision itself looks for downloaded weights."""
    folder = tmp_path_factory.mktemp("torch") / "hub" / "checkpoints"
    for net in NETS:
        write_random_checkpoint(CHECKPOINTS[net], folder)
    return folder


@pytest.fixture(scope="module", autouse=True)
def _random_weights(backbones):
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setenv("TORCH_HOME", str(backbones.parents[1]))
        for net in NETS:
            stack.enter_context(weights.substitute(CHECKPOINTS[net], backbones))
        yield


@cache
def network(net):
    return LPIPS(net=net).read_network()


@cache
def metric(net):
    return create_metric(f"lpips:net={net}", device="cpu")


@pytest.fixture(scope="module")
def photographs():
    """Two photographs (H, W, 3) and, for each, an edit: a blurred one, a recoloured region."""
    cat, coffee = skimage.data.chelsea()[60:156, 100:228], skimage.data.coffee()[150:251, 230:333]
    blurred = np.stack([np.roll(cat, shift, axis=1) for shift in (-2, -1, 0, 1, 2)]).mean(0).astype(np.uint8)
    recoloured = coffee.copy()
    recoloured[30:80, 20:70] = recoloured[30:80, 20:70, ::-1]
    return [(cat, blurred), (coffee, recoloured)]


def tensors(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(image.copy()).permute(2, 0, 1)[None] / 255


@pytest.mark.parametrize("net", NETS)
def test_equals_the_package(net, photographs):
    reference = package.LPIPS(net=net, verbose=False)  # reads the backbone from TORCH_HOME by itself
    for source, edited in photographs:
        with torch.no_grad():
            expected = float(reference(tensors(source), tensors(edited), normalize=True))
        assert expected > 1e-3
        # float32 sums in another order
        assert float(metric(net)(source, edited)) == pytest.approx(expected, rel=1e-5)


def test_equals_torchmetrics(photographs):
    from torchmetrics.functional.image import learned_perceptual_image_patch_similarity as reference

    source, edited = photographs[1]
    expected = float(reference(tensors(source), tensors(edited), net_type="squeeze", normalize=True))
    assert float(metric("squeeze")(source, edited)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("net", NETS)
def test_identical_images_are_at_exactly_0(net, photographs):
    black = np.zeros((64, 64, 3), np.uint8)
    for image in (photographs[0][0], black, black + 255):
        assert float(metric(net)(image, image)) == 0


@pytest.mark.parametrize("net", NETS)
def test_the_smallest_image_is_that_of_the_package(net):
    least, reference = SMALLEST[net], network(net)  # the package's own module
    image = torch.rand(1, 3, least, least, generator=torch.Generator().manual_seed(0))
    assert lpips(image, 1 - image, reference) == pytest.approx(
        reference(image, 1 - image, normalize=True).item(), rel=1e-5
    )
    smaller = image[..., 1:]
    with pytest.raises(RuntimeError):
        reference(smaller, smaller)
    with pytest.raises(SampleError, match=f"at least {least} x {least} pixels.*these are {least - 1} x {least}"):
        lpips(smaller, smaller, reference)


def test_a_mask_weights_each_layer_by_the_share_of_the_cell_that_it_covers():
    """64 x 64 pixels give VGG layers of 64, 32, ..., 4 positions a side, whose cells numpy can average by itself."""
    vgg, generator = network("vgg"), torch.Generator().manual_seed(0)
    source, edited = torch.rand(2, 1, 3, 64, 64, generator=generator)
    mask = torch.zeros(1, 1, 64, 64, dtype=torch.bool)
    mask[..., 5:40, 11:50] = True
    edited = torch.where(mask, edited, source)

    expected = 0.0
    with torch.no_grad():
        features = [vgg.net(vgg.scaling_layer(2 * image - 1)) for image in (source, edited)]
        for head, of_source, of_edited in zip(vgg.lins, *features, strict=True):
            a, b = (map_[0].numpy().astype(np.float64) for map_ in (of_source, of_edited))
            a, b = (map_ / np.sqrt((map_**2).sum(0)) for map_ in (a, b))
            difference = np.einsum("c,chw->hw", head.model[1].weight.numpy().ravel(), (a - b) ** 2)
            cell = 64 // len(difference)
            share = mask[0, 0].numpy().reshape(len(difference), cell, -1, cell).mean((1, 3))
            expected += (difference * share).sum() / share.sum()
    assert lpips(source, edited, vgg, mask).item() == pytest.approx(expected, rel=1e-5)
    assert lpips(source, edited, vgg).item() < 0.9 * expected  # what did not change dilutes the whole


def test_a_full_mask_changes_nothing_and_a_far_one_sees_nothing(photographs):
    squeeze, (source, edited) = network("squeeze"), (tensors(image) for image in photographs[0])
    everywhere = torch.ones(1, 1, *source.shape[2:], dtype=torch.bool)
    whole = lpips(source, edited, squeeze)
    assert lpips(source, edited, squeeze, everywhere) == pytest.approx(whole.item(), rel=1e-5)

    wide = F.pad(source, (0, 300, 0, 0), mode="replicate")
    changed = wide.clone()
    changed[..., :50] = 0
    right = torch.zeros(1, 1, *wide.shape[2:], dtype=torch.bool)
    right[..., 400:] = True  # farther from the change than any layer sees
    assert lpips(wide, changed, squeeze, right).item() == 0
    assert lpips(wide, changed, squeeze, ~right).item() > 0


def test_a_region_needs_a_mask_and_the_score_of_the_inside_is_that_of_the_core(photographs):
    (source, edited), mask = photographs[1], np.zeros((101, 103), bool)
    mask[30:80, 20:70] = True
    inside = create_metric("lpips:net=squeeze,region=inside", device="cpu")
    expected = lpips(tensors(source), tensors(edited), network("squeeze"), torch.from_numpy(mask)[None, None])
    assert float(inside(source, edited, mask=mask)) == pytest.approx(expected.item(), rel=1e-5)
    (unscored,) = inside.score([Sample("no mask", edited=edited, source=source)])
    assert unscored.status == "skipped"


def test_one_value_per_pair_whatever_the_batch(photographs):
    alone = [float(metric("alex")(*pair)) for pair in photographs]
    samples = [
        Sample(str(index), edited=edited, source=source) for index, (source, edited) in enumerate(photographs * 2)
    ]
    assert [float(score) for score in metric("alex").score(samples)] == pytest.approx(alone * 2, rel=1e-5)
    source, edited = photographs[0]
    pair = [torch.cat([tensors(source), tensors(edited)]), torch.cat([tensors(edited), tensors(edited)])]
    assert lpips(*pair, network("alex")).tolist() == pytest.approx([alone[0], 0], rel=1e-5, abs=1e-7)


def test_it_can_be_a_loss(photographs):
    """The derivative along a direction is the slope of the value along it."""
    squeeze, (source, edited) = (
        LPIPS(net="squeeze").read_network().double(),
        (tensors(image).double() for image in photographs[1]),
    )
    step = torch.randn(edited.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    edited.requires_grad_()
    (gradient,) = torch.autograd.grad(lpips(source, edited, squeeze).sum(), edited)
    with torch.no_grad():
        slope = (lpips(source, edited + 1e-7 * step, squeeze) - lpips(source, edited - 1e-7 * step, squeeze)) / 2e-7
    assert (gradient * step).sum().item() == pytest.approx(slope.item(), rel=1e-3)  # pieces of ReLU in between


def test_identity_names_the_backbone_and_the_heads(backbones):
    identity = Column(create_metric("lpips")).identity
    file = "alexnet-owt-7be5be79.pth"
    digest = hashlib.sha256((backbones / file).read_bytes()).hexdigest()
    assert identity["checkpoints"] == {"lpips-alexnet": {file: digest}}
    heads = Path(package.__file__).parent / "weights" / "v0.1" / "alex.pth"
    assert identity["heads"] == {"lpips/weights/v0.1/alex.pth": hashlib.sha256(heads.read_bytes()).hexdigest()}


def test_weights_that_are_not_here_are_a_clear_error(tmp_path, photographs):
    missing = pytest.raises(weights.WeightsError, match=r"not on this machine.*editmetrics weights pull lpips-alexnet")
    with weights.substitute("lpips-alexnet", tmp_path), missing:
        create_metric("lpips")(*photographs[0])


def test_weights_of_another_network_are_refused(backbones, tmp_path):
    (tmp_path / "alexnet-owt-7be5be79.pth").write_bytes((backbones / "squeezenet1_1-b8a52dc0.pth").read_bytes())
    refused = pytest.raises(weights.WeightsError, match="does not fit the network of lpips")
    with weights.substitute("lpips-alexnet", tmp_path), refused:
        create_metric("lpips").load()
