"""Two processes that train together, as a launcher starts them; none is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def launched(arguments: list[str], folder: Path, timeout: float = 300) -> tuple[str, str]:
    """Run `arguments` in two processes on the CPU; returns what they said. Fails as they fail."""
    if sys.platform != "linux":
        pytest.skip("torchrun needs a libuv on Windows, and a name for the machine on macOS")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", *arguments]
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"}
    running = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        out, err = running.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)  # the launcher and its workers, each in the session made above
        raise
    assert running.returncode == 0, err[-3000:]
    return out, err
