"""Metrics after `fork`: PyTorch's pool of threads does not survive it, and a computation that waits for it never ends.

Importing this module makes a forked process compute with one thread, as a worker of PyTorch's own `DataLoader` does.
"""

from __future__ import annotations

import os
import sys


def _compute_alone() -> None:
    """Use one thread: it needs no pool."""
    torch = sys.modules.get("torch")
    if torch is not None and hasattr(torch, "set_num_threads"):  # not while torch is being imported
        torch.set_num_threads(1)


if hasattr(os, "register_at_fork"):  # not on Windows, which cannot fork
    os.register_at_fork(after_in_child=_compute_alone)
