"""The tensors of a batch on a second device: one copy, the same values, and none where they are there already."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from editmetrics import create_metric
from editmetrics.images import ImageError
from editmetrics.sample import Sample
from editmetrics.testing import rehearsal, toys
from editmetrics.transfer import constant, joined, stacked


@pytest.fixture
def device() -> Iterator[str]:
    if reason := rehearsal.why_unavailable():
        pytest.skip(reason)
    rehearsal.install()
    return rehearsal.NAME


def columns() -> dict[str, list[torch.Tensor]]:
    """Columns of every width, an odd number of bytes among them, contiguous and not."""
    draw = np.random.default_rng(0)
    return {
        "pixels": [torch.from_numpy(draw.integers(0, 256, (5, 7, 3), np.uint8)).permute(2, 0, 1) for _ in range(3)],
        "mask": [torch.from_numpy(draw.random((1, 5, 7)) < 0.5) for _ in range(3)],
        "floats": [torch.from_numpy(draw.random((3, 5), np.float32)).T for _ in range(3)],
        "tokens": [torch.from_numpy(draw.integers(0, 9, 4)) for _ in range(3)],
        "number": [torch.tensor(float(row)) for row in range(3)],
        "halves": [torch.rand(3).bfloat16() for _ in range(3)],
    }


def test_all_columns_cross_in_one_copy_and_arrive_unchanged(device: str) -> None:
    with rehearsal.watch() as seen:
        arrived = stacked(columns(), device)
    assert len(seen.uploads) == 1
    assert not seen.reads
    torch.manual_seed(0)
    expected = {name: torch.stack(items) for name, items in columns().items() if name != "halves"}
    for name, tensor in expected.items():
        assert arrived[name].device.type == device
        assert arrived[name].dtype == tensor.dtype
        assert torch.equal(arrived[name].cpu(), tensor), name
    assert all(torch.equal(stacked(columns(), "cpu")[name], tensor) for name, tensor in expected.items())


@pytest.mark.parametrize("spec", ["psnr", "ssim", "ms_ssim:channels=rgb", "fsim", "gmsd", "vif", "mse:region=inside"])
@pytest.mark.parametrize("count", [1, 5])
def test_a_batch_of_pixels_is_one_copy_there_and_one_back(device: str, spec: str, count: int) -> None:
    metric = create_metric(spec, device=device)
    metric.load()
    batch = [metric.prepare(sample) for sample in toys.samples(count, 192, 176)]
    metric.score_batch(batch)  # makes what is kept
    with rehearsal.watch() as seen:
        metric.score_batch(batch)
    assert [event.dtype for event in seen.uploads] == ["uint8"]
    assert len(seen.reads) == 1
    crossed = sum(tensor.numel() for item in batch for tensor in item.values())
    assert seen.uploads[0].shape == (crossed,), "pixels cross as bytes"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_pictures_are_joined_and_rounded_as_torch_does_it(device: str, dtype: torch.dtype) -> None:
    parts = [torch.rand(rows, 3, 5, generator=torch.Generator().manual_seed(rows)) for rows in (2, 1, 4)]
    with rehearsal.watch() as seen:
        arrived = joined(parts, device, dtype)
    assert [event.dtype for event in seen.uploads] == [str(dtype).removeprefix("torch.")]
    assert torch.equal(arrived.cpu(), torch.cat(parts).to(dtype))
    assert torch.equal(joined(parts, "cpu", dtype), torch.cat(parts).to(dtype))
    with pytest.raises(RuntimeError):
        joined([*parts, torch.rand(1, 3, 6)], device, dtype)


def test_what_is_kept_can_be_used_with_gradients(device: str) -> None:
    images = torch.rand(2, device=device, requires_grad=True)
    with torch.inference_mode():
        constant((1.0, 2.0), images)
    product = images * constant((1.0, 2.0), images)  # refuses a tensor of inference mode, which it keeps for a backward
    assert product.requires_grad


@pytest.mark.parametrize("kind", ["uint8", "float32", "float16", "grey"])
def test_images_on_the_device_stay_there(device: str, kind: str) -> None:
    draw = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (2, 1 if kind == "grey" else 3, 40, 48), dtype=torch.uint8, generator=draw)
    if kind.startswith("float"):
        images = (images / 255).to(getattr(torch, kind))
    source, edited = images
    there = images.to(device)
    before = there.clone()
    with rehearsal.watch() as seen:
        score = create_metric("psnr:crop_border=3", device=device)(*there)
    assert len(seen.reads) == 1
    assert not seen.uploads
    assert float(score) == pytest.approx(float(create_metric("psnr:crop_border=3")(source, edited)), rel=1e-5)
    assert torch.equal(before.cpu(), there.cpu())


def test_an_image_on_the_device_outside_the_range_costs_its_own_pair(device: str) -> None:
    good, bad, undefined = torch.rand(3, 16, 16), torch.full((3, 16, 16), 2.0), torch.full((3, 16, 16), torch.nan)
    metric = create_metric("psnr", device=device)
    samples = [Sample(id=str(n), source=good.to(device), edited=x.to(device)) for n, x in enumerate((good, bad, good))]
    statuses = [score.status for score in metric.score(samples)]
    assert statuses == ["ok", "failed", "ok"]
    for edited in (bad, undefined):
        with pytest.raises(ImageError, match="outside"):
            metric(good.to(device), edited.to(device))


def test_a_pair_of_host_and_device_is_scored_as_one_of_the_host(device: str) -> None:
    source, edited = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    mixed = create_metric("psnr", device=device)(source, edited.to(device))
    assert float(mixed) == pytest.approx(float(create_metric("psnr")(source, edited)), rel=1e-5)
