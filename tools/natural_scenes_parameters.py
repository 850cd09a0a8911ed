"""Make the parameters that `niqe` and `brisque` ship, of the files that their authors publish.

    python -m tools.natural_scenes_parameters NIQE BRISQUE OPENCV [--output FOLDER]

NIQE and BRISQUE are checkouts of github.com/utlive/niqe (d80aead) and github.com/utlive/BRISQUE (2e2a5ac), OPENCV one
of github.com/opencv/opencv_contrib (2a5154a). The same files come out, to the byte: their checksums are in
weights_registry.json.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np
import scipy.io
from safetensors.numpy import save_file

FOLDER = Path(__file__).parents[1] / "editmetrics" / "plugins" / "natural_scenes" / "parameters"


def niqe(checkout: Path) -> dict[str, np.ndarray]:
    """Read mean and covariance of the features of 125 photographs."""
    model = scipy.io.loadmat(checkout / "modelparameters.mat")
    return {"mean": model["mu_prisparam"][0], "covariance": model["cov_prisparam"]}


def brisque(checkout: Path) -> dict[str, np.ndarray]:
    """Read the support vector regression in LIBSVM's format, and the ranges of svm-scale."""
    head, _, body = (checkout / "MATLAB" / "allmodel").read_text().partition("SV\n")
    settings = dict(line.split(" ", 1) for line in head.splitlines())
    rows = [line.split() for line in body.splitlines()]
    vectors = np.zeros((len(rows), 36))
    for row, (_, *entries) in enumerate(rows):
        for entry in entries:
            column, value = entry.split(":")
            vectors[row, int(column) - 1] = float(value)
    ranges = [line.split() for line in (checkout / "MATLAB" / "allrange").read_text().splitlines()[2:]]
    return {
        "vectors": vectors,
        "coefficients": np.array([float(row[0]) for row in rows]),
        "rho": np.array([float(settings["rho"])]),
        "gamma": np.array([float(settings["gamma"])]),
        "low": np.array([float(row[1]) for row in ranges]),
        "high": np.array([float(row[2]) for row in ranges]),
    }


def brisque_opencv(checkout: Path) -> dict[str, np.ndarray]:
    """Read the same in OpenCV's YAML."""
    samples = checkout / "modules" / "quality" / "samples"
    model = (samples / "brisque_model_live.yml").read_text()
    head, _, decision = model.partition("decision_functions:")
    ranges = numbers(r"data: \[(.*?)\]", (samples / "brisque_range_live.yml").read_text())
    return {
        "vectors": numbers(r"- \[(.*?)\]", head).reshape(-1, 36).astype(np.float32),
        "coefficients": numbers(r"alpha: \[(.*?)\]", decision),
        "rho": numbers(r"rho: (\S+)", decision),
        "gamma": numbers(r"gamma: (\S+)", head),
        "low": ranges[:36].astype(np.float32),
        "high": ranges[36:].astype(np.float32),
    }


def numbers(pattern: str, text: str) -> np.ndarray:
    """Read the numbers, with commas between them, in all that the group of `pattern` matches."""
    return np.array(
        [float(word) for part in re.findall(pattern, text, re.DOTALL) for word in re.split(r"[,\s]+", part.strip())]
    )


def main() -> None:
    """Write the three files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("niqe", "brisque", "opencv"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--output", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    made = {
        "niqe_live": niqe(arguments.niqe),
        "brisque_live": brisque(arguments.brisque),
        "brisque_opencv": brisque_opencv(arguments.opencv),
    }
    for name, tensors in made.items():
        folder = arguments.output / name
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {key: np.ascontiguousarray(value) for key, value in tensors.items()}
        save_file(arrays, folder / "parameters.safetensors")


if __name__ == "__main__":
    main()
