"""Stand-ins for the parameters of NIQE and BRISQUE: of made pictures and of chance, in their authors' file formats."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def write_niqe(folder: Path) -> None:
    """Write `modelparameters.mat`: mean and covariance of the blocks of four made pictures."""
    import numpy as np
    from scipy.io import savemat

    from ...testing.toys import picture
    from ..matlab import to_gray
    from ..natural_scenes.gaussian_model import mean_and_covariance
    from ..niqe import niqe_features

    pictures = [to_gray(picture(seed, 288, 384).astype(np.float64)) for seed in range(4)]
    mean, covariance = mean_and_covariance(np.concatenate([niqe_features(gray)[0] for gray in pictures]))
    savemat(folder / "modelparameters.mat", {"mu_prisparam": mean[None], "cov_prisparam": covariance})


def random_regression() -> dict[str, np.ndarray]:
    """Return a support vector regression of 30 random vectors, about 50 in the middle of its ranges."""
    import numpy as np

    random = np.random.default_rng(0)
    return {
        "vectors": random.uniform(-1, 1, (30, 36)),
        "coefficients": random.uniform(-40, 40, 30),
        "rho": np.array([-50.0]),
        "gamma": np.array([0.05]),
        "low": np.full(36, -0.2),
        "high": np.tile([4.0, 1.5], 18),
    }


def write_brisque(folder: Path) -> None:
    """Write `allmodel` and `allrange`, the text of LIBSVM."""
    made = random_regression()
    rows = [
        " ".join([f"{coefficient:.8g}", *(f"{column}:{value:.8g}" for column, value in enumerate(vector, 1))])
        for coefficient, vector in zip(made["coefficients"], made["vectors"], strict=True)
    ]
    head = [f"gamma {made['gamma'][0]:g}", f"rho {made['rho'][0]:g}", "SV"]
    (folder / "allmodel").write_text("\n".join([*head, *rows, ""]), encoding="ascii")
    limits = [
        f"{row} {low:g} {high:g}" for row, (low, high) in enumerate(zip(made["low"], made["high"], strict=True), 1)
    ]
    (folder / "allrange").write_text("\n".join(["x", "-1 1", *limits, ""]), encoding="ascii")


def write_brisque_opencv(folder: Path) -> None:
    """Write `brisque_model_live.yml` and `brisque_range_live.yml`, the YAML of OpenCV."""
    made = random_regression()

    def listed(values: Iterable[float]) -> str:
        return "[ " + ", ".join(f"{value:.9g}" for value in values) + " ]"

    vectors = [f"      - {listed(vector)}" for vector in made["vectors"]]
    lines = ["%YAML:1.0", "---", "opencv_ml_svm:", f"   gamma: {made['gamma'][0]:g}", "   support_vectors:", *vectors]
    decision = f"         rho: {made['rho'][0]:g}\n         alpha: {listed(made['coefficients'])}\n"
    model = "\n".join([*lines, "   decision_functions:", "      -", decision])
    (folder / "brisque_model_live.yml").write_text(model, encoding="ascii")
    ranges = f"%YAML:1.0\n---\nrange: !!opencv-matrix\n   data: {listed([*made['low'], *made['high']])}\n"
    (folder / "brisque_range_live.yml").write_text(ranges, encoding="ascii")


WEIGHTS = {"niqe-live": write_niqe, "brisque-live": write_brisque, "brisque-opencv": write_brisque_opencv}
