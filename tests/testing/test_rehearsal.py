"""The rehearsal device computes as the CPU does, refuses what CUDA refuses, and notes where the host waits."""

from __future__ import annotations

import copy
import functools
import multiprocessing
import threading

import pytest
import torch
from torch.utils import backend_registration

from editmetrics.sample import UnavailableError
from editmetrics.testing import rehearsal

NEEDS_DEVICE = pytest.mark.skipif(rehearsal.why_unavailable() is not None, reason=str(rehearsal.why_unavailable()))


@pytest.fixture
def device():
    rehearsal.install()
    return torch.device(rehearsal.NAME)


def here(*values):
    return torch.tensor(values, dtype=torch.float32).to(rehearsal.NAME)


# ---------------------------------------------------------------------- tensors live there


@NEEDS_DEVICE
def test_factories_land_on_the_device(device):
    made = [
        torch.zeros(2, device=device),
        torch.arange(3, device=device),
        torch.tensor([1.0], device=device),
        torch.rand(2, device=device),
        here(1).new_ones(2),
        torch.empty_like(here(1, 2)),
        here(1, 2)[:1].reshape(1, 1),
    ]
    assert {tensor.device.type for tensor in made} == {rehearsal.NAME}
    with device:
        assert torch.ones(2).device.type == rehearsal.NAME
    assert torch.ones(2).device.type == "cpu"


@NEEDS_DEVICE
def test_operations_have_the_values_of_their_definitions(device):
    x = here(3, 4)
    assert float(x.norm()) == 5
    assert (x @ x).item() == 25
    assert torch.complex(x, x).conj().imag.tolist() == [-3, -4]
    assert x.bfloat16().dtype == torch.bfloat16
    x[0] = 7
    x.mul_(2)[1:].fill_(1)
    assert x.tolist() == [14, 1]
    x.resize_(3)[2] = 5
    assert x.tolist() == [14, 1, 5]
    assert torch.nonzero(x > 4).flatten().tolist() == [0, 2]
    torch.zeros(3, device=device, dtype=torch.float32).copy_(x, non_blocking=True)
    out = torch.empty(0, device=device)
    torch.add(x, x, out=out)
    assert out.tolist() == [28, 2, 10]


@NEEDS_DEVICE
def test_a_module_moves_there_learns_there_and_is_copied():
    """In a process of its own: torch counts the devices that gradients may be on in the first backward pass."""
    process = multiprocessing.get_context("spawn").Process(target=learn_there)
    process.start()
    process.join()
    assert process.exitcode == 0


def learn_there():
    rehearsal.install()
    device = rehearsal.NAME
    layer = torch.nn.Conv2d(1, 1, 2, bias=False).to(device)
    image = torch.arange(9.0).reshape(1, 1, 3, 3).to(device)
    (layer(image) ** 2).sum().backward()
    assert layer.weight.grad.device.type == rehearsal.NAME
    windows = image.cpu().unfold(2, 2, 1).unfold(3, 2, 1).reshape(4, 4)  # the gradient of |W w|^2 is 2 W'W w
    expected = 2 * windows.T @ windows @ layer.weight.detach().cpu().reshape(4)
    torch.testing.assert_close(layer.weight.grad.cpu().reshape(4), expected)
    twin = copy.deepcopy(layer)
    assert (twin.weight.device.type, twin.weight.grad) == (rehearsal.NAME, None)
    torch.testing.assert_close(twin.weight.cpu(), layer.weight.cpu())
    assert layer.state_dict()["weight"].device.type == rehearsal.NAME
    with torch.inference_mode():
        assert layer.to("cpu")(image.cpu()).shape == (1, 1, 2, 2)


# ---------------------------------------------------------------------- what CUDA refuses


@NEEDS_DEVICE
@pytest.mark.parametrize(
    "mixing",
    [
        lambda x: x - torch.zeros(2),
        lambda x: torch.zeros(2) - x,
        lambda x: torch.cat([x, torch.zeros(2)]),
        lambda x: torch.ones(2, 2) @ x,
        lambda x: torch.zeros(2).add_(x),
        lambda x: torch.tensor(1.0).add_(x.sum()),
        lambda x: torch.where(x > 0, x, torch.zeros(2)),
        lambda x: torch.nn.functional.conv1d(x[None, None], torch.ones(1, 1, 1)),
        lambda x: torch.zeros(2)[x.long()],
        lambda x: torch.rand(2, device=x.device, generator=torch.Generator()),
    ],
)
def test_what_mixes_devices_is_refused(device, mixing):
    with pytest.raises(RuntimeError, match="device"):
        mixing(here(0, 1))


@NEEDS_DEVICE
def test_cpu_scalars_and_indices_are_allowed_as_on_cuda(device):
    x = here(5, 6)
    assert (x * torch.tensor(2.0)).tolist() == [10, 12]
    assert x[torch.tensor([1, 1])].tolist() == [6, 6]
    x[torch.tensor([False, True])] = 0
    assert x.masked_fill(x > 1, torch.tensor(9.0)).tolist() == [9, 0]


@NEEDS_DEVICE
def test_numpy_is_refused(device):
    with pytest.raises(TypeError, match=r"Use Tensor\.cpu\(\)"):
        here(1).numpy()


@NEEDS_DEVICE
def test_a_device_without_float64_refuses_it(device):
    x = here(1)
    with rehearsal.conditions(float64=False):
        for wide in (x.double, lambda: torch.zeros(1, dtype=torch.float64, device=device)):
            with pytest.raises(TypeError, match="float64, as Apple's GPUs do not; compute in float32"):
                wide()
        assert float(x * 2.5) == 2.5
    assert x.double().dtype == torch.float64


# ---------------------------------------------------------------------- where the host waits

EVENTS = {
    "nothing": (lambda x: (x * 2).sum(), []),
    "a scalar": (lambda x: float(x.sum()), ["item"]),
    "a condition": (lambda x: 1 if (x > 0).all() else 0, ["item"]),
    "a list": (lambda x: x.tolist(), ["download"]),
    "a comparison": (lambda x: torch.equal(x, x), ["item"]),
    "a copy to the host": (lambda x: x.cpu(), ["download"]),
    "a copy to the device": (lambda x: torch.ones(2).to(x.device), ["upload"]),
    "a copy that does not wait": (lambda x: torch.ones(2).to(x.device, non_blocking=True), ["async upload"]),
    "indices": (lambda x: torch.nonzero(x), ["size"]),
    "reading by a mask": (lambda x: x[x > 0], ["size"]),
    "writing by a mask": (lambda x: x.__setitem__(x > 0, here(3, 3)), ["size"]),
    "filling by a mask": (lambda x: x.__setitem__(x > 0, 3.0), []),
    "a CPU index": (lambda x: x[torch.tensor([0])], ["upload"]),
    "writing by a CPU index": (lambda x: x.__setitem__(torch.tensor([0]), 3.0), ["upload"]),
    "a constant": (lambda x: x * torch.tensor([1.0, 2.0], device=x.device), ["upload"]),
    "a loop over a batch": (lambda x: [float(item) for item in x], ["item", "item"]),
}


@NEEDS_DEVICE
@pytest.mark.parametrize("case", EVENTS)
def test_each_point_at_which_the_host_waits_is_noted_once_with_its_line(device, case):
    function, kinds = EVENTS[case]
    x = here(1, 2)
    with rehearsal.watch() as seen:
        function(x)
    noted = [event.kind for event in seen.events if event.lines[0].function != "here"]
    assert noted == kinds
    assert len(seen.reads) == sum(kind in rehearsal.READS for kind in kinds)
    for event in seen.events:
        assert event.lines[0].file == __file__
        assert event.lines[0].function in ("<lambda>", "<listcomp>", "here")
        assert event.lines[-1].number > 0
        assert event.site("test_rehearsal.py") in str(event)


@NEEDS_DEVICE
def test_all_threads_are_watched_and_nothing_outside(device):
    x = here(1, 2)
    with rehearsal.watch() as outer:
        with rehearsal.watch() as inner:
            thread = threading.Thread(target=x.tolist)
            thread.start()
            thread.join(30)
        x.sum()
    x.tolist()
    assert [event.kind for event in inner.events] == ["download"]
    assert [event.shape for event in outer.events] == [(2,)]
    assert (inner.operations["sum"], outer.operations["sum"]) == (0, 1)


# ---------------------------------------------------------------------- random numbers, autocast, TF32


@NEEDS_DEVICE
def test_the_random_state_is_its_own(device):
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    assert torch.equal(torch.rand(4, device=device).cpu(), expected)  # it starts from the same seed,
    assert torch.equal(torch.rand(4), expected)  # and does not draw from the CPU's
    state = torch.rehearsal.get_rng_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
    assert not torch.equal(torch.rehearsal.get_rng_state(), state)  # as a GPU's: the fork does not know it
    own = torch.Generator(device=device).manual_seed(3)
    assert torch.equal(torch.rand(4, device=device, generator=own).cpu(), expected)
    assert isinstance(own, torch.Generator)
    assert torch.Generator().manual_seed(1).device.type == "cpu"


@NEEDS_DEVICE
def test_autocast_chooses_the_types_that_cuda_chooses(device):
    x = torch.ones(2, 2, device=device)
    with torch.autocast(rehearsal.NAME, dtype=torch.bfloat16):
        assert (x @ x).dtype == torch.bfloat16
        assert (x @ x).softmax(-1).dtype == torch.float32
        with torch.autocast(rehearsal.NAME, enabled=False):
            assert (x @ x).dtype == torch.float32
    assert (x @ x).dtype == torch.float32


@NEEDS_DEVICE
@pytest.mark.parametrize("allowed", [True, False])
def test_tf32_rounds_convolutions_where_torch_allows_it(device, allowed, request):
    convolutions = torch.backends.cudnn.conv
    request.addfinalizer(functools.partial(setattr, convolutions, "fp32_precision", convolutions.fp32_precision))
    convolutions.fp32_precision = "tf32" if allowed else "ieee"
    x, ones = torch.full((1, 2, 1), 1 + 3 * 2**-12, device=device), torch.ones(1, 2, 1, device=device)
    exact, short = 1 + 3 * 2**-12, 1 + 2**-10  # ten bits of mantissa: three quarters of the last are rounded up
    with rehearsal.conditions(tf32=True):
        assert torch.nn.functional.conv1d(x, ones).item() == 2 * (short if allowed else exact)
        apart = torch.nn.functional.conv1d(x, ones.reshape(2, 1, 1), groups=2)
        assert apart.flatten().tolist() == [exact, exact]  # a depthwise convolution is not computed by cuDNN
    assert torch.nn.functional.conv1d(x, ones).item() == 2 * exact


# ---------------------------------------------------------------------- where it cannot be


@pytest.mark.parametrize(
    ("obstacle", "message"),
    [
        ("torch", "requires a torch that takes a device written in Python, as torch 2.14 does; this is torch "),
        ("another", "npu has taken it"),
        ("gpu", "check on it"),
    ],
)
def test_where_it_cannot_be_installed_the_reason_is_said(obstacle, message, monkeypatch):
    monkeypatch.setattr(rehearsal, "installed", lambda: False)
    setup = "_setup_privateuseone_for_python_backend"
    monkeypatch.setattr(backend_registration, setup, None, raising=False)
    monkeypatch.setattr(torch._C, "_get_privateuse1_backend_name", lambda: "privateuseone")
    if obstacle == "torch":
        monkeypatch.delattr(backend_registration, setup)
    elif obstacle == "another":
        monkeypatch.setattr(torch._C, "_get_privateuse1_backend_name", lambda: "npu")
    else:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with pytest.raises(UnavailableError, match=message):
        rehearsal.install()
