"""A device that is not the CPU although it computes there: what would fail on a GPU fails here, without one.

`install()` registers the device "rehearsal" with torch, once in a process. A tensor on it has real memory, and each
operation runs the CPU's kernel after the checks that CUDA makes:

- tensors of two devices do not mix, but for CPU scalars in arithmetic and CPU tensors as indices;
- `.numpy()` is refused, factories with `device="rehearsal"` make their tensors there;
- random numbers have a state of their own, which `torch.manual_seed` resets too, and a generator belongs to one device;
- autocast, autograd, bfloat16, `torch.set_default_device` and `nn.Module.to` do what they do on a GPU.

`watch` notes each point at which the host waits for the device, and each copy to it, with the lines of Python that ask
for it. `conditions` refuses float64, as Apple's GPUs do, or rounds convolutions to TF32, as NVIDIA's do.

    rehearsal.install()
    images = torch.rand(2, 3, 8, 8).to("rehearsal")
    with rehearsal.watch() as seen:
        images.mean((1, 2, 3)).tolist()
    print(*seen.events)                # download (copy, 2 float32) at my_script.py:5 in <module>
    images - torch.zeros(3, 8, 8)      # RuntimeError: Expected all tensors to be on the same device, ...

Torch counts devices in the first backward pass of a process: call `install` before it where gradients are needed there.
It shows neither speed, memory, streams nor several devices, nor how a GPU's own kernels round. Beside a real GPU, which
torch would confuse it with, it is refused. It is registered as torch's "PrivateUse1", by functions that torch calls
experimental; `why_unavailable` says where they are missing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ...sample import UnavailableError
from .watching import READS, CodeLine, Event, Watch, watch

__all__ = [
    "NAME",
    "READS",
    "CodeLine",
    "Event",
    "Watch",
    "conditions",
    "install",
    "installed",
    "watch",
    "why_unavailable",
]

NAME = "rehearsal"
"""The name of the device: `create_metric("psnr", device=NAME)`, `tensor.to(NAME)`."""


def why_unavailable() -> str | None:
    """Return the reason why this process cannot have the device, and what to do; None where it can."""
    import torch
    from torch.utils import backend_registration

    if installed():
        return None
    if not hasattr(backend_registration, "_setup_privateuseone_for_python_backend"):
        return (
            f"the rehearsal device requires a torch that takes a device written in Python, as torch 2.14 does; "
            f"this is torch {torch.__version__}"
        )
    other = torch._C._get_privateuse1_backend_name()
    if other != "privateuseone":
        return f"torch has room for one device beside its own, and {other} has taken it"
    if torch.cuda.is_available() or torch.backends.mps.is_available():
        return "this machine has a GPU: check on it (device='cuda'), or hide it (CUDA_VISIBLE_DEVICES=-1)"
    return None


def installed() -> bool:
    """Return whether this process has the device."""
    torch = sys.modules.get("torch")
    return torch is not None and torch._C._get_privateuse1_backend_name() == NAME


def install() -> None:
    """Make the device, for the rest of the process; a second call does nothing.

    Nothing computes there unless the device is named. Raises `UnavailableError` where it cannot be made.
    """
    if reason := why_unavailable():
        raise UnavailableError(reason)
    from .installing import register

    register()


@contextmanager
def conditions(*, float64: bool = True, tf32: bool = False) -> Iterator[None]:
    """Compute as other GPUs do, in a `with` block.

    - `float64=False` refuses float64, as Apple's GPUs do.
    - `tf32=True` rounds the inputs of convolutions to 10 bits of mantissa where torch's settings allow it (they do by
      default), as NVIDIA's GPUs do since Ampere; depthwise convolutions are left alone.
    """
    from .numbers import set_conditions

    before = set_conditions(float64, tf32)
    try:
        yield
    finally:
        set_conditions(*before)
