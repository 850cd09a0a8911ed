"""A self-test without what takes long: the environment is healthy, few metrics are scored, no device is rehearsed."""

from __future__ import annotations

import pytest

from editmetrics.diagnosis import Diagnosis
from editmetrics.selftest import devices, goldens, running

APPROVED = goldens.approved()


@pytest.fixture
def approved(monkeypatch):
    """The shipped scores of three classic metrics, which a test may change."""
    entries = {spec: {**APPROVED[spec], "scores": {name: dict(values) for name, values in
                                                   APPROVED[spec]["scores"].items()}}
               for spec in ("psnr", "mse", "gmsd")}  # fmt: skip
    monkeypatch.setattr(goldens, "approved", lambda: entries)
    return entries


@pytest.fixture
def quick(approved, monkeypatch):
    """The diagnosis, which a test may change."""
    diagnosis = Diagnosis(versions={"editmetrics": "1"}, devices={"gpus": [], "mps": False})
    monkeypatch.setattr(devices, "diagnose", lambda: diagnosis)
    monkeypatch.setattr(running, "rehearse", lambda *_: None)
    return diagnosis
