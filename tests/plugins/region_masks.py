"""Masks of many shapes, and regions of photographs written out window by window in numpy, for tests of regions."""

from __future__ import annotations

import numpy as np

SHAPES = ("disc", "blob", "lines", "border", "hair")


def mask_of(shape: str, height: int, width: int) -> np.ndarray:
    """(H, W) of bool.

    A disc; a blob of 3 %; lines of one and two pixels, one of them slanted; a strip of 4 pixels along two borders and
    a corner; single pixels and pairs of them, as a mask of hair has them.
    """
    rows, columns = np.mgrid[:height, :width]
    if shape == "disc":
        return (rows - height * 0.4) ** 2 + (columns - width * 0.55) ** 2 < (0.3 * min(height, width)) ** 2
    if shape == "blob":
        radius = (0.03 * height * width / np.pi) ** 0.5
        return (rows - height * 0.7) ** 2 + (columns - width * 0.2) ** 2 < radius**2
    if shape == "lines":
        return (rows == height // 3) | (columns // 2 == width // 5) | (rows == columns)
    if shape == "border":
        return (rows < 4) | (columns >= width - 4) | (rows + columns > height + width - 12)
    if shape == "hair":
        return (rows + columns) % 2 * ((rows // 3 + columns // 5) % 3 == 0) > 0
    raise ValueError(shape)


def windows(plane: np.ndarray, size: int) -> np.ndarray:
    """Each window of a plane, flattened: (windows, size²)."""
    return np.lib.stride_tricks.sliding_window_view(plane, (size, size)).reshape(-1, size * size)


def gaussian(size: int, deviation: float) -> np.ndarray:
    """A Gaussian window, flattened; it adds up to 1."""
    row = np.exp(-((np.arange(size) - size // 2) ** 2) / (2 * deviation**2))
    return np.outer(row, row).ravel() / row.sum() ** 2


def moments(x: np.ndarray, y: np.ndarray, mask: np.ndarray, window: np.ndarray) -> tuple[np.ndarray, ...]:
    """Of each window's pixels in the mask: means of x and y, variances, covariance, share covered, squared weights.

    `window` is flattened. The moments are computed from the pixels' deviations, one window after another; windows
    without such a pixel are left out.
    """
    size = round(len(window) ** 0.5)
    rows = []
    for pixels_x, pixels_y, covered in zip(*(windows(plane, size) for plane in (x, y, mask)), strict=True):
        weights = window * covered
        share = weights.sum()
        if share == 0:
            continue
        weights = weights / share
        mean_x, mean_y = weights @ pixels_x, weights @ pixels_y
        off_x, off_y = pixels_x - mean_x, pixels_y - mean_y
        variances = weights @ off_x**2, weights @ off_y**2, weights @ (off_x * off_y)
        rows.append((mean_x, mean_y, *variances, share, weights @ weights))
    return tuple(np.array(rows).T)


def ssim_factors(x, y, mask, window, *, sample: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Luminance, contrast and structure of planes in [0, 1] at each window, and the share that the mask covers."""
    mean_x, mean_y, variance_x, variance_y, covariance, share, squares = moments(x, y, mask, window)
    if sample:
        freedom = np.where(squares < 0.99, 1 - squares, 1)  # a lone pixel has no variance
        variance_x, variance_y, covariance = (value / freedom for value in (variance_x, variance_y, covariance))
    luminance = (2 * mean_x * mean_y + 1e-4) / (mean_x**2 + mean_y**2 + 1e-4)
    structure = (2 * covariance + 9e-4) / (variance_x + variance_y + 9e-4)
    return luminance, structure, share


def halved(plane: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means of the mask's pixels in blocks of 2 x 2, and the share of each block; sides are even."""
    blocks, covered = (p.reshape(p.shape[0] // 2, 2, p.shape[1] // 2, 2).swapaxes(1, 2) for p in (plane, mask))
    blocks, covered = (p.reshape(*p.shape[:2], 4) for p in (blocks, covered.astype(float)))
    area = covered.sum(-1)
    return np.divide((blocks * covered).sum(-1), area, out=np.zeros_like(area), where=area > 0), area / 4
