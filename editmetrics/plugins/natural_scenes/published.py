"""Parameters as their authors publish them: MATLAB's files, LIBSVM's text and OpenCV's YAML, read as arrays."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

from ...bases.no_reference import ParametersError

if TYPE_CHECKING:
    import numpy as np

Reader = Callable[[Sequence[Path]], "dict[str, np.ndarray]"]

FEATURES = 36
"""The number of features of a support vector of BRISQUE."""


def _of_damaged_files(read: Reader) -> Reader:
    @wraps(read)
    def named(files: Sequence[Path]) -> dict[str, np.ndarray]:
        try:
            return read(files)
        except Exception as error:  # a damaged file raises whatever its reader stumbled on
            names = " and ".join(map(str, files))
            raise ParametersError(
                f"{names}: expected parameters as their authors publish them; {type(error).__name__}: {error}"
            ) from error

    return named


@_of_damaged_files
def read_niqe(files: Sequence[Path]) -> dict[str, np.ndarray]:
    """Read mean and covariance of NIQE's modelparameters.mat."""
    from scipy.io import loadmat

    (file,) = files
    model = loadmat(file)
    return {"mean": model["mu_prisparam"].ravel(), "covariance": model["cov_prisparam"]}


@_of_damaged_files
def read_ilniqe(files: Sequence[Path]) -> dict[str, np.ndarray]:
    """Read IL-NIQE's templateModel.mat, a cell of four arrays."""
    from scipy.io import loadmat

    (file,) = files
    mean, covariance, centre, directions = loadmat(file)["templateModel"][0]
    return {"mean": mean.ravel(), "covariance": covariance, "centre": centre.ravel(), "directions": directions}


@_of_damaged_files
def read_brisque(files: Sequence[Path]) -> dict[str, np.ndarray]:
    """Read BRISQUE's allmodel, a support vector regression in LIBSVM's text, and allrange, of its svm-scale."""
    import numpy as np

    model, ranges = (file.read_text(encoding="ascii") for file in files)
    head, _, body = model.partition("SV\n")
    settings = dict(line.split(" ", 1) for line in head.splitlines())
    rows = [line.split() for line in body.splitlines()]
    vectors = np.zeros((len(rows), FEATURES))
    for row, (_, *entries) in enumerate(rows):
        for column, value in (entry.split(":") for entry in entries):
            vectors[row, int(column) - 1] = float(value)
    limits = [line.split() for line in ranges.splitlines()[2:]]
    return {
        "vectors": vectors,
        "coefficients": np.array([float(row[0]) for row in rows]),
        "rho": np.array([float(settings["rho"])]),
        "gamma": np.array([float(settings["gamma"])]),
        "low": np.array([float(low) for _, low, _ in limits]),
        "high": np.array([float(high) for _, _, high in limits]),
    }


@_of_damaged_files
def read_brisque_opencv(files: Sequence[Path]) -> dict[str, np.ndarray]:
    """Read the same in OpenCV's YAML, of numbers in float32."""
    import numpy as np

    model, ranges = (file.read_text(encoding="ascii") for file in files)
    head, _, decision = model.partition("decision_functions:")
    low, high = _numbers(r"data: \[(.*?)\]", ranges).astype(np.float32).reshape(2, FEATURES)
    return {
        "vectors": _numbers(r"- \[(.*?)\]", head).reshape(-1, FEATURES).astype(np.float32),
        "coefficients": _numbers(r"alpha: \[(.*?)\]", decision),
        "rho": _numbers(r"rho: (\S+)", decision),
        "gamma": _numbers(r"gamma: (\S+)", head),
        "low": low,
        "high": high,
    }


def _numbers(pattern: str, text: str) -> np.ndarray:
    """Read the numbers, with commas between them, in all that the group of `pattern` matches."""
    import numpy as np

    parts = re.findall(pattern, text, re.DOTALL)
    return np.array([float(word) for part in parts for word in part.replace(",", " ").split()])
