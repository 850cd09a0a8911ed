"""Train the toy weights of `image_regressor`: pictures whose blur, noise or blocks are known.

    python -m tools.regressor_toy OUTPUT        # half a minute of one core

The ratings are the strengths of the degradations, not people's.
"""

from __future__ import annotations

import argparse
import json
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from editmetrics import Sample
from editmetrics.plugins.image_regressor.metric import ImageRegressor
from editmetrics.testing import toys

KINDS = ("blur", "noise", "blocks")
STRENGTHS = 5


def degraded(picture: np.ndarray, kind: str, strength: float, seed: int = 0) -> np.ndarray:
    """Return a picture (H, W, 3), uint8, that is blurred, noisy or coarsely compressed; `strength` from 0 to 1."""
    if not strength:
        return picture
    image = Image.fromarray(picture)
    if kind == "blur":
        return np.asarray(image.filter(ImageFilter.GaussianBlur(3 * strength)))
    if kind == "noise":
        noise = np.random.default_rng(seed).normal(0, 40 * strength, picture.shape)
        return np.rint((picture + noise).clip(0, 255)).astype(np.uint8)
    file = BytesIO()
    image.save(file, "JPEG", quality=round(40 - 35 * strength))
    return np.asarray(Image.open(file))


def rated_pictures(sources: int, side: int = 128, first: int = 0) -> list[Sample]:
    """Return edits of `sources` pictures: of each a kind of degradation in all strengths, rated 100 to 0, labelled."""
    samples = []
    for index in range(first, first + sources):
        picture, kind = toys.picture(index, side, side), KINDS[index % len(KINDS)]
        for step in range(STRENGTHS):
            strength = step / (STRENGTHS - 1)
            meta = {"mos": 100 * (1 - strength), "mos.sd": 10.0, "real": int(step == 0)}
            edited = degraded(picture, kind, strength, seed=index)
            samples.append(Sample(f"{kind}{index}_{step}", edited=edited, source=picture, prompt=f"{kind}", meta=meta))
    return samples


def main() -> None:
    """Train the toy."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("output")
    folder = Path(parser.parse_args().output)
    metric = ImageRegressor().to("cpu")
    metric.fit(
        rated_pictures(60), targets={"visual_quality": "mos"}, output_dir=folder, preset="small", epochs=20,
        batch_size=16,
    )  # fmt: skip
    (folder / "history.jsonl").unlink()  # the package ships no histories
    described = json.loads((folder / "metric.json").read_text(encoding="utf-8"))
    del described["files"]["history.jsonl"]
    (folder / "metric.json").write_text(json.dumps(described, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
