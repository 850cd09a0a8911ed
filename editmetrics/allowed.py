"""Which packages a user has allowed to take the name of a built-in metric.

They stand in one file, `$EDITMETRICS_HOME/allowed_plugins.json` (else in the platform's cache folder), written by
`editmetrics plugin allow`: {"psnr": "my-package"}. Nothing else lets a plugin replace a built-in metric.
"""

from __future__ import annotations

import json
from pathlib import Path

from .files.writing import write_text
from .sample import EditMetricsError
from .weights import store


class AllowedError(EditMetricsError):
    """The file of allowed names cannot be read or written."""


def path() -> Path:
    """The file of permissions: which package may take which name."""
    return store().parent / "allowed_plugins.json"


def allowed() -> dict[str, str]:
    """From a built-in metric's name to the package that may take it; empty where nothing was allowed.

    Raises `AllowedError` for a damaged file, since it is then unknown which metric is meant.
    """
    file = path()
    if not file.is_file():
        return {}
    try:
        permissions = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AllowedError(
            f"{file} cannot be read ({error}); correct it, or delete it to use built-in metrics"
        ) from error
    if not isinstance(permissions, dict) or not all(isinstance(package, str) for package in permissions.values()):
        raise AllowedError(f"{file} is not a mapping from names to packages; correct or delete it")
    return permissions


def allow(name: str, package: str | None) -> None:
    """Let `package` take the built-in metric's `name`; None takes the permission back."""
    permissions = {key: value for key, value in allowed().items() if key != name}
    if package is not None:
        permissions[name] = package
    file = path()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps(permissions, indent=2, sort_keys=True) + "\n")
    except OSError as error:
        raise AllowedError(f"{file} cannot be written: {error}; EDITMETRICS_HOME may name another folder") from error
