"""How long `editmetrics report` takes for thousands of pairs, how large the file is, and how soon it can be used.

    python tests/speed/report.py                 # 3,000 pairs of 512x512 JPEG; some minutes on two cores
    python tests/speed/report.py --pairs 300 --keep /tmp/pairs

Pairs are crops of the example photographs, edited by three made-up systems and scored by three metrics. With Chromium
and selenium on the machine the page is opened three times, and the median told.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

ROOT = Path(__file__).parents[2]
SYSTEMS = ("blur", "noise", "tint")
SIZE = 512


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=3000)
    parser.add_argument("--keep", type=Path, help="make the pairs here, and take those that are there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        if not (folder / "scores.parquet").exists():
            make_pairs(folder, arguments.pairs // len(SYSTEMS))
            run("score", folder / "source", *(folder / s for s in SYSTEMS), "--prompts", folder / "prompts.csv",
                "-m", "psnr", "-m", "mse", "-m", "mae", "-o", folder / "scores.parquet", "-q")  # fmt: skip
        report = folder / "report.html"
        seconds, processor = run("report", folder / "scores.parquet", "-o", report)
        print(f"building: {seconds:.0f} s, {processor:.0f} s of processor time, {report.stat().st_size / 1e6:.1f} MB")
        look(report)


def make_pairs(folder: Path, sources: int) -> None:
    """`sources` crops of the example photographs, and an edit of each by each system."""
    for name in ("source", *SYSTEMS):
        (folder / name).mkdir(parents=True, exist_ok=True)
    photographs = [Image.open(path).convert("RGB") for path in sorted((ROOT / "docs/examples/source").iterdir())]

    def make(number: int) -> str:
        random = np.random.default_rng(number)
        photograph = photographs[number % len(photographs)]
        side = int(min(photograph.size) * random.uniform(0.5, 1))
        left, top = (int(random.uniform(0, whole - side)) for whole in photograph.size)
        crop = photograph.crop((left, top, left + side, top + side)).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
        pixels = np.asarray(crop, np.float32)
        made = {
            "source": crop,
            "blur": crop.filter(ImageFilter.GaussianBlur(random.uniform(0.5, 6))),
            "noise": picture(pixels + random.normal(0, random.uniform(2, 40), pixels.shape)),
            "tint": picture(pixels * random.uniform(0.6, 1.4, 3)),
        }
        for name, image in made.items():
            image.save(folder / name / f"{number:05d}.jpg", quality=90)
        return f"{number:05d},{'Make the sky darker and add a second moon. ' * (1 + number % 3)}"

    with ThreadPoolExecutor() as pool:
        prompts = list(pool.map(make, range(sources)))
    (folder / "prompts.csv").write_text("\n".join(["name,prompt", *prompts]) + "\n", encoding="utf-8")


def picture(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def run(*arguments: object) -> tuple[float, float]:
    """The seconds that a command takes, and those of processor time."""
    started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "editmetrics", *map(str, arguments)], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - started, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def look(report: Path) -> None:
    """The seconds until the page can be used, until the gallery is drawn, and until it is after a jump to elsewhere."""
    sys.path.insert(0, str(ROOT))
    from tests.report import browser

    where = browser.found()
    if where is None:
        print("there is no browser: apt-get install chromium chromium-driver")
        return
    with tempfile.TemporaryDirectory() as profile:
        page = browser.Page(Path(profile), *where)
        ready, gallery, frames = [], [], []
        for _ in range(3):
            page.open(report)
            ready.append(page.value("performance.getEntriesByName('ready')[0].startTime") / 1000)
            gallery.append(page.run(GALLERY) / 1000)
            frames += [seconds / 1000 for seconds in page.run(SCROLL)]
        page.quit()
    for what, seconds in (("ready", ready), ("gallery", gallery), ("a jump while scrolling", frames)):
        print(f"{what}: {statistics.median(seconds):.2f} s")


GALLERY = """
const began = performance.now();
location.hash = "gallery";
return new Promise((done) => setTimeout(() => requestAnimationFrame(() => done(performance.now() - began))));
"""

SCROLL = """
return new Promise((done) => {
  const [found, places] = [[], [0.1, 0.9, 0.3, 0.7, 0.5]];
  let began = null;
  const step = () => {
    if (began !== null) found.push(performance.now() - began);
    if (places.length === 0) return done(found);
    began = performance.now();
    scrollTo(0, document.documentElement.scrollHeight * places.shift());
    requestAnimationFrame(() => requestAnimationFrame(step));
  };
  step();
});
"""

if __name__ == "__main__":
    main()
