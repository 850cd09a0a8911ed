"""A third party's package, really installed, is as good as a built-in metric; a broken one harms nobody."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from editmetrics.testing import CHECKS, toys

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "tests" / "example_plugin"


@pytest.fixture(scope="module")
def example_site(tmp_path_factory):
    """A folder into which pip has installed the example package."""
    folder = tmp_path_factory.mktemp("example")
    copy = folder / "source"  # pip may build in place
    shutil.copytree(EXAMPLE, copy)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", folder / "site", copy],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "site"


def installed_by_hand(site, package, entry_points, **modules):
    """What pip leaves of a package: its modules, and its metadata with the entry points."""
    metadata = site / f"{package}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"{name} = {value}" for name, value in entry_points.items()]
    (metadata / "entry_points.txt").write_text("\n".join(["[editmetrics.metrics]", *lines, ""]))
    for name, text in modules.items():
        (site / f"{name}.py").write_text(text)
    return site


def run(sites, *arguments, cwd=ROOT):
    """A new Python process that finds `sites`, and this checkout, before what is installed."""
    path = os.pathsep.join(map(str, [*sites, ROOT]))
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True, text=True, check=False, cwd=cwd, env={**os.environ, "PYTHONPATH": path, "COLUMNS": "200"},
    )  # fmt: skip


def listed(*sites):
    done = run(sites, "-m", "editmetrics", "list", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def names(listing):
    return [metric["name"] for metric in listing["metrics"]]


@pytest.fixture(scope="module")
def listing_with_example(example_site):
    return listed(example_site)


@pytest.fixture(scope="module")
def builtin_names():
    return names(listed())


def test_the_installed_metric_is_listed_beside_the_built_in_ones(listing_with_example, builtin_names):
    assert names(listing_with_example) == sorted([*builtin_names, "gradient_error"])
    assert listing_with_example["broken"] == []
    (described,) = [metric for metric in listing_with_example["metrics"] if metric["name"] == "gradient_error"]
    assert described["package"] == "editmetrics_example"
    assert described["needs"] == ["source", "edited"]
    assert [option["type"] for option in described["options"]] == ["l1 | l2"]


def test_it_is_created_by_name_with_its_options(example_site):
    script = (
        "import json\nfrom editmetrics import create_metric, list_metrics\n"
        "assert 'gradient_error' in list_metrics()\n"
        "print(json.dumps(create_metric('gradient_error:norm=l2').identity()))"
    )
    done = run([example_site], "-c", script)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "metric": "gradient_error",
        "version": 1,
        "package": "editmetrics_example",
        "options": {"norm": "l2"},
    }


def test_the_command_line_scores_with_it(example_site, tmp_path):
    for folder, images in {
        "source": [toys.picture(seed) for seed in (0, 1)],
        "edited": [toys.picture(0), toys.noise(toys.picture(1), 2)],
    }.items():
        (tmp_path / folder).mkdir()
        for index, image in enumerate(images):
            Image.fromarray(image).save(tmp_path / folder / f"{index}.png")
    done = run(
        [example_site], "-m", "editmetrics", "score", tmp_path / "source", tmp_path / "edited",
        "-m", "gradient_error", "-m", "gradient_error:norm=l2", "-o", tmp_path / "scores.jsonl",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "scores.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == ["0", "1"]
    assert rows[0]["gradient_error"] == 0
    # The difference of two independent N(0, 15) levels, E|N(0, 15 sqrt 2)| = 15 * 2 / sqrt(pi), is halved. The noise is
    # rounded, and cut off at black and white in some places, which is why this is not exact.
    assert rows[1]["gradient_error"] == pytest.approx(15 / 255 / 3.141592653589793**0.5, rel=0.05)
    assert rows[1]["gradient_error:norm=l2"] == pytest.approx(2 * 15**2 / 255**2 / 4, rel=0.1)


def test_its_own_conformance_test_passes(example_site, tmp_path):
    shutil.copy(EXAMPLE / "conformance.py", tmp_path / "test_conformance.py")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n")
    done = run([example_site], "-m", "pytest", "-q", tmp_path, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    passed, skipped = (int(count) for count in re.findall(r"(\d+) (?:passed|skipped)", done.stdout))
    # it computes without torch, so that no device changes anything, and looks at one edit
    assert (passed + skipped, skipped) == (len(CHECKS), 3)


def test_its_examples_run(example_site):
    done = run([example_site], "-m", "doctest", example_site / "editmetrics_example" / "gradient_error.py")
    assert (done.returncode, done.stdout) == (0, "")


BROKEN = {
    "raises_on_import": ("broken_on_import:Broken", "RuntimeError: no such device"),
    "not_there": ("no_such_module:Broken", "ModuleNotFoundError"),
    "no_metric": ("no_metrics:NoMetric", "not a subclass of editmetrics.Metric"),
    "no_version": ("no_metrics:NoVersion", "declares no version, dimensions"),
    "two_names": ("no_metrics:TwoNames", "the class another_name"),
}


@pytest.fixture(scope="module")
def listing_with_broken(example_site, tmp_path_factory):
    site = installed_by_hand(
        tmp_path_factory.mktemp("broken"),
        "broken_package",
        {name: value for name, (value, _) in BROKEN.items()} | {"psnr": "no_metrics:NoMetric"},
        broken_on_import="raise RuntimeError('no such device')\n",
        no_metrics=(
            "from editmetrics import Dimension, Metric\n"
            "class NoMetric: pass\n"
            "class NoVersion(Metric): name = 'no_version'\n"
            "class TwoNames(Metric):\n"
            "    name, version, dimensions = 'another_name', 1, (Dimension('x', primary=True),)\n"
        ),
    )
    return site, listed(example_site, site)


def test_broken_entry_points_harm_nobody(listing_with_broken, listing_with_example):
    _, listing = listing_with_broken
    assert listing["metrics"] == listing_with_example["metrics"]


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_entry_point_is_reported_with_package_and_reason(name, listing_with_broken):
    (found,) = [plugin for plugin in listing_with_broken[1]["broken"] if plugin["name"] == name]
    assert found["package"] == "broken_package 1.0"
    assert BROKEN[name][1] in found["reason"]


def test_a_built_in_name_cannot_be_taken(listing_with_broken):
    site, listing = listing_with_broken
    (found,) = [plugin for plugin in listing["broken"] if plugin["name"] == "psnr"]
    assert "may not replace" in found["reason"]
    script = "from editmetrics import create_metric; print(type(create_metric('psnr')).__module__)"
    assert run([site], "-c", script).stdout.strip() == "editmetrics.plugins.psnr"


def test_people_are_told_of_broken_ones_and_why(listing_with_broken):
    site, _ = listing_with_broken
    done = run([site], "-m", "editmetrics", "list")
    assert done.returncode == 0
    assert "raises_on_import" in done.stderr
    assert "no such device" in done.stderr
    assert "psnr" in done.stdout


def test_asking_for_a_broken_one_says_what_is_wrong(listing_with_broken, tmp_path):
    site, _ = listing_with_broken
    done = run([site], "-m", "editmetrics", "info", "raises_on_import")
    assert done.returncode == 2
    assert "broken_package 1.0" in done.stderr
    assert "no such device" in done.stderr


def test_two_packages_that_share_a_name_are_both_refused(example_site, tmp_path):
    entry = {"gradient_error": "editmetrics_example.gradient_error:GradientError"}
    listing = listed(example_site, installed_by_hand(tmp_path, "another-package", entry))
    assert "gradient_error" not in names(listing)
    (found,) = listing["broken"]
    assert "another-package" in found["reason"]
    assert "editmetrics-example" in found["reason"]
