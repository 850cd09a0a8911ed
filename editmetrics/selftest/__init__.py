"""Does this installation compute what it should, on this machine? The checks of `editmetrics selftest`, in tiers.

- `seconds`: environment, devices, decoders against embedded pixels, every metric that needs no download on the example
  photographs against shipped scores. Offline, under a minute.
- `minutes`: also on a second device, in bfloat16, batch invariance, a training step, speed.
- `weights`: also every registered checkpoint that is on this machine, or may be downloaded.

A check holds, fails, or is not run and says why. The report names no user, host, path or token.
"""

from __future__ import annotations

from .rows import CheckFailed, CheckRow, Report
from .running import TIERS, run

__all__ = ["TIERS", "CheckFailed", "CheckRow", "Report", "run"]
