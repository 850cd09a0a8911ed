"""Stand-in for IL-NIQE's model of natural photographs: 20 random directions, in the authors' file format."""

from __future__ import annotations

from pathlib import Path

OPTIONS = {"resize": "none"}
PICTURE = (90, 172)
"""Two blocks, and not 36: all else is the same code."""


def write_template(folder: Path) -> None:
    """Write `templateModel.mat`: a cell of mean, covariance, centre and directions."""
    import numpy as np
    from scipy.io import savemat

    random = np.random.default_rng(0)
    directions, _ = np.linalg.qr(random.standard_normal((468, 20)))
    cell = np.empty((1, 4), object)
    cell[0] = [np.zeros((1, 20)), np.eye(20) * 100, random.uniform(0, 5, (468, 1)), directions]
    savemat(folder / "templateModel.mat", {"templateModel": cell})


WEIGHTS = {"ilniqe-template": write_template}
