"""`editmetrics plugin`: what it writes installs, is found and passes its own tests; what it says is of use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from editmetrics import scaffold
from editmetrics.cli import cli
from editmetrics.registry import BUILTIN
from editmetrics.sample import EditMetricsError
from editmetrics.testing import CHECKS
from editmetrics.testing.conformance import ADVICE
from tests.broken_metrics import MeanError
from tests.test_plugin import installed_by_hand

ROOT = Path(__file__).parents[2]
KINDS = {
    "tiny-difference": "classic",
    "seen-quality": "network",
    "asked_fit": "judge",
    "better-of-two": "pair",
    "rated": "learned",
}
"""From a name, as somebody may write it, to its kind."""


def run(*arguments, path=(), home=None, cwd=None):
    """A new Python process that finds the folders of `path`, and this checkout."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [*path, ROOT])), "COLUMNS": "200"}
    if home is not None:
        environment["EDITMETRICS_HOME"] = str(home)
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True, text=True, check=False, cwd=cwd, env=environment,
    )  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A plugin of each kind, as the command writes it; from a name to its folder."""
    parent = tmp_path_factory.mktemp("written")
    for name, kind in KINDS.items():
        done = CliRunner().invoke(cli, ["plugin", "new", name, "--kind", kind, "--dir", str(parent)])
        assert done.exit_code == 0, done.output
    return {name: parent / name.replace("_", "-") for name in KINDS}


@pytest.fixture(scope="module")
def site(written, tmp_path_factory):
    """A folder into which pip has installed all of them."""
    folder = tmp_path_factory.mktemp("site")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check"]
    done = run("-m", "pip", "install", *options, "--target", folder, *written.values())
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("name", KINDS)
def test_a_new_plugin_passes_its_own_tests(name, written, site):
    """Installed, and run from its own folder, as its author would."""
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", path=[site], cwd=written[name])
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout


def test_new_plugins_are_found_and_described(site):
    listing = json.loads(run("-m", "editmetrics", "list", "--json", path=[site]).stdout)
    assert listing["broken"] == []
    found = {metric["name"]: metric for metric in listing["metrics"] if metric["name"] not in BUILTIN}
    assert found.keys() == {"tiny_difference", "seen_quality", "asked_fit", "better_of_two", "rated"}
    assert [found["rated"]["learned"], found["asked_fit"]["needs"]] == [True, ["source", "edited", "prompt"]]


def test_a_new_classic_plugin_scores_photographs(site):
    """What the template begins with is the mean absolute difference, which there is a built-in metric for."""
    examples = ROOT / "docs" / "examples"
    script = (
        "import json, sys\nfrom editmetrics import Sample, score\n"
        f"files = {{n: [f'{examples}/{{s}}/{{n}}.jpg' for s in ('edited', 'source')] for n in ['cat', 'coins']}}\n"
        "samples = [Sample(name, edited=edited, source=source) for name, (edited, source) in files.items()]\n"
        "found = score(samples, ['tiny_difference', 'mae'])\n"
        "print(json.dumps([[float(s) for s in found[name]] for name in ('tiny_difference', 'mae')]))"
    )
    done = run("-c", script, path=[site])
    own, built_in = json.loads(done.stdout)
    assert own == pytest.approx(built_in, rel=1e-6)  # float32 sums in another order


def test_the_templates_are_in_the_wheel():
    from hatchling.builders.wheel import WheelBuilder

    inside = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    files = [path for path in scaffold.TEMPLATES.rglob("*") if path.is_file()]
    assert len(files) > 12
    assert {path.relative_to(ROOT).as_posix() for path in files} <= inside


# ---------------------------------------------------------------------- names and places


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("psnr", "built-in metric"),
        ("ms-ssim", "built-in metric"),
        ("json", "a module json already"),
        ("numpy", "a module numpy already"),
        ("class", "reserved by Python"),
        ("metric", "reserved by Python or editmetrics"),
        ("My-Metric", "lower-case letters"),
        ("9lives", "lower-case letters"),
        ("a/b", "lower-case letters"),
        ("a--b", "lower-case letters"),
        ("", "lower-case letters"),
    ],
)
def test_a_name_that_cannot_be_is_refused(name, said, tmp_path):
    with pytest.raises(EditMetricsError, match=said):
        CliRunner().invoke(cli, ["plugin", "new", name, "--dir", str(tmp_path)], catch_exceptions=False)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "edge-loss").mkdir()
    (tmp_path / "edge-loss" / "thesis.tex").write_text("years of work")
    with pytest.raises(EditMetricsError, match="already exists and is not empty"):
        CliRunner().invoke(cli, ["plugin", "new", "edge_loss", "--dir", str(tmp_path)], catch_exceptions=False)
    assert [path.name for path in (tmp_path / "edge-loss").iterdir()] == ["thesis.tex"]


# ---------------------------------------------------------------------- check


def test_there_is_advice_for_every_check():
    assert ADVICE.keys() == CHECKS.keys()


SHOUTING = """
from editmetrics.plugins.mae import MAE
from editmetrics import Dimension
class Shouting(MAE):
    '''Mean absolute difference, in [0, 1], said aloud and with the wrong sign.'''
    name = 'shouting'
    dimensions = (Dimension('shouting', low=0, high=1, primary=True),)
    def score_batch(self, batch):
        print('scoring')
        return super().score_batch(batch)
"""


@pytest.fixture(scope="module")
def broken_site(tmp_path_factory):
    return installed_by_hand(
        tmp_path_factory.mktemp("broken"),
        "broken-package",
        {"shouting": "shouting:Shouting", "raises": "raises:Raises", "leaves": "leaves:Leaves"},
        shouting=SHOUTING, raises="raise RuntimeError('no such device')\n", leaves="raise SystemExit(0)\n",
    )  # fmt: skip


def test_check_says_what_fails_and_what_to_do(broken_site):
    done = run(
        "-m", "editmetrics", "plugin", "check", "shouting", "--exception", "threads=shown here", path=[broken_site]
    )
    assert done.returncode == 3, done.stderr
    lines = done.stdout.splitlines()
    outcomes = {line.split()[1]: line.split()[0] for line in lines if line[:4] in ("pass", "fail", "skip")}
    assert outcomes.keys() == CHECKS.keys()
    assert {check for check, outcome in outcomes.items() if outcome == "fail"} >= {"ladders", "optimum", "side_effects"}
    assert outcomes["threads"] == "skip"
    assert "declared exception: shown here" in done.stdout
    said = " ".join(done.stdout.split())
    assert ADVICE["ladders"] in said
    assert ADVICE["side_effects"] in said


class Untrained(MeanError):
    """Mean error, in levels, that cannot be loaded without weights."""

    name = "untrained"

    def load(self):
        raise EditMetricsError("it has not been trained")


def test_check_of_what_cannot_be_loaded_says_how_to_stand_in_for_it(monkeypatch):
    monkeypatch.setitem(BUILTIN, "untrained", f"{__name__}:Untrained")
    done = CliRunner().invoke(cli, ["plugin", "check", "untrained"])
    assert done.exit_code == 3
    assert "it has not been trained" in done.output
    assert "package provide a stand-in" in done.output


@pytest.mark.parametrize(("name", "said"), [("raises", "no such device"), ("leaves", "SystemExit")])
def test_check_of_what_cannot_be_imported_says_so(name, said, broken_site):
    done = run("-m", "editmetrics", "plugin", "check", name, path=[broken_site])
    assert done.returncode == 3
    assert said in done.stdout
    assert "install the package again" in " ".join(done.stdout.split())


@pytest.mark.parametrize(("given", "said"), [("ladders", "CHECK=REASON"), ("ladder=no", "unknown check 'ladder'")])
def test_an_exception_is_of_a_check_and_has_a_reason(given, said):
    done = CliRunner().invoke(cli, ["plugin", "check", "mse", "--exception", given])
    assert (done.exit_code, said in done.output) == (2, True)


# ---------------------------------------------------------------------- a built-in's name


@pytest.fixture(scope="module")
def taking_psnr(tmp_path_factory):
    """A package whose metric is called psnr and is not."""
    return installed_by_hand(
        tmp_path_factory.mktemp("taking"), "my-psnr", {"psnr": "my_psnr:MyPSNR"},
        my_psnr="from editmetrics.plugins.psnr import PSNR\nclass MyPSNR(PSNR):\n    '''Another.'''\n",
    )  # fmt: skip


IDENTITY = "from editmetrics import create_metric; print(create_metric('psnr').identity()['package'])"


def test_a_plugin_has_a_built_in_name_only_if_the_user_says_so(taking_psnr, tmp_path):
    def package():
        return run("-c", IDENTITY, path=[taking_psnr], home=tmp_path).stdout.strip()

    def command(*arguments):
        return run("-m", "editmetrics", *arguments, path=[taking_psnr], home=tmp_path)

    assert package() == "editmetrics"
    assert "editmetrics plugin allow psnr my-psnr" in command("list").stderr
    assert command("plugin", "allow", "psnr", "my-psnr").returncode == 0
    assert json.loads((tmp_path / "allowed_plugins.json").read_text()) == {"psnr": "my-psnr"}
    assert package() == "my_psnr"  # the identity, and with it the record, names the package
    listing = json.loads(command("list", "--json").stdout)
    assert listing["broken"] == []
    assert [metric["package"] for metric in listing["metrics"] if metric["name"] == "psnr"] == ["my_psnr"]
    assert command("plugin", "forbid", "psnr").returncode == 0
    assert package() == "editmetrics"


def test_only_a_package_that_has_the_metric_is_allowed_to_have_the_name(taking_psnr, tmp_path):
    done = run("-m", "editmetrics", "plugin", "allow", "psnr", "other", path=[taking_psnr], home=tmp_path)
    assert done.returncode == 2
    assert "provided by my-psnr" in done.stderr
    assert not (tmp_path / "allowed_plugins.json").exists()


def test_a_damaged_permission_stops_what_it_concerns(taking_psnr, tmp_path):
    (tmp_path / "allowed_plugins.json").write_text('{"psnr": ')
    done = run("-c", IDENTITY, path=[taking_psnr], home=tmp_path)
    assert "AllowedError" in done.stderr
    assert "allowed_plugins.json" in done.stderr
    assert run("-c", IDENTITY, home=tmp_path).stdout.strip() == "editmetrics"  # where no plugin wants the name
