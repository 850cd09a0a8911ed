"""The outcome of one check, and the report of all."""

from __future__ import annotations

import time
import unittest
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ..machine import out_of_memory
from ..sample import EditMetricsError, UnavailableError
from .anonymous import anonymous

SCHEMA_VERSION = 1

State = Literal["held", "failed", "not run"]


class CheckFailed(EditMetricsError):
    """A check computed something else than it should; the message has both."""


@dataclass(frozen=True)
class CheckRow:
    """One check of one subject: its state, why it failed or was not run, and its figures by name and unit."""

    check: str
    subject: str
    state: State
    device: str | None = None
    dtype: str | None = None
    detail: str = ""
    seconds: float = 0.0
    figures: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Words for the row in a table.

        >>> CheckRow("scores", "psnr", "held", "cpu", "float32").name
        'scores: psnr, cpu, float32'
        """
        return f"{self.check}: {', '.join(filter(None, (self.subject, self.device, self.dtype)))}"


@dataclass
class Report:
    """All rows of a run, in order, with facts on the environment; `held` if no check failed."""

    tier: str
    environment: dict[str, Any] = field(default_factory=dict)
    rows: list[CheckRow] = field(default_factory=list)
    on_row: Callable[[CheckRow], None] = lambda row: None

    @property
    def held(self) -> bool:
        """Whether all checks that ran held, and some did."""
        return any(row.state == "held" for row in self.rows) and not self.count("failed")

    def count(self, state: State) -> int:
        """The number of rows in a state."""
        return sum(row.state == state for row in self.rows)

    def add(self, row: CheckRow) -> None:
        """Append a row, without what is private."""
        row = CheckRow(**{**asdict(row), "detail": anonymous(row.detail), "subject": anonymous(row.subject)})
        self.rows.append(row)
        self.on_row(row)

    def skip(self, check: str, subject: str, reason: str, device: str | None = None, dtype: str | None = None) -> None:
        """Append a row of a check that is not run, with the reason."""
        self.add(CheckRow(check, subject, "not run", device, dtype, reason))

    def attempt(
        self,
        check: str,
        subject: str,
        compute: Callable[[], Mapping[str, float] | None],
        device: str | None = None,
        dtype: str | None = None,
    ) -> bool:
        """Run `compute`, which returns figures or raises, and append its row; returns whether it held.

        `UnavailableError`, and memory that does not suffice, are limits of this machine: the check is not run, as one
        that does not apply (`SkipTest`). Every other error is a failure.
        """
        start, state, detail, figures = time.perf_counter(), "held", "", None
        try:
            figures = compute()
        except (UnavailableError, unittest.SkipTest) as error:
            state, detail = "not run", str(error)
        except (Exception, SystemExit) as error:  # whatever a broken installation raises is what is reported
            state = "not run" if out_of_memory(error) else "failed"
            detail = str(error) if isinstance(error, CheckFailed) else f"{type(error).__name__}: {error}"
        seconds = round(time.perf_counter() - start, 3)
        self.add(CheckRow(check, subject, state, device, dtype, detail, seconds, dict(figures or {})))  # type: ignore[arg-type]
        return state == "held"

    def as_json(self) -> dict[str, Any]:
        """The report as JSON holds it."""
        rows = [asdict(row) for row in self.rows]
        counts = {state: self.count(state) for state in ("held", "failed", "not run")}
        return {"schema_version": SCHEMA_VERSION, "tier": self.tier, **counts, "environment": self.environment,
                "rows": rows}  # fmt: skip
