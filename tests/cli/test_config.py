"""editmetrics.toml: aliases, sets and default options; a file of somebody else's sends nothing and writes nothing."""

import json

import pytest

from .conftest import EXAMPLES

PAIRS = (EXAMPLES / "source", EXAMPLES / "edited")

CONFIG = """
[aliases]
near = "psnr:crop_border=4"
judge = "vie_score:model=qwen,endpoint=http://localhost:1/v1"

[sets]
mine = ["mse", "near"]
asked = ["judge"]

[score]
metric = ["mine"]
limit = 2
quiet = true
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "editmetrics.toml").write_text(CONFIG)
    return tmp_path


def metrics(ran):
    assert ran.code == 0, ran.err
    return [one["metric"] for one in json.loads(ran.out)["metrics"]]


def test_sets_aliases_and_defaults_are_used_and_said(run, here):
    ran = run("score", *PAIRS, "--json", "-o", "s.csv")
    assert metrics(ran) == ["mse", "near"]
    assert json.loads(ran.out)["samples"] == 2
    notes = [line for line in ran.err.splitlines() if "editmetrics.toml" in line]
    assert notes == [
        "note: editmetrics.toml: default options --metric mine, --limit 2, --quiet",
        "note: editmetrics.toml: mine is mse, near=psnr:crop_border=4",
    ]
    record = json.loads((here / "s.record.jsonl").read_text().splitlines()[0])
    assert record["config"] == [line.removeprefix("note: ") for line in notes]


def test_the_command_line_goes_before_the_file(run, here):
    ran = run("score", *PAIRS, "-m", "psnr", "-m", "near", "--limit", "1", "--json")
    assert metrics(ran) == ["psnr", "near"]
    assert json.loads(ran.out)["samples"] == 1
    assert "default options --quiet\n" in ran.err
    assert "near is psnr:crop_border=4" in ran.err


def test_a_set_is_a_suite_and_suites_remain(run, here):
    (here / "editmetrics.toml").write_text(CONFIG.replace('metric = ["mine"]', ""))
    assert metrics(run("score", *PAIRS, "--suite", "mine", "--json", "--limit", "1")) == ["mse", "near"]
    assert "no suite is named 'min'" in run("score", *PAIRS, "--suite", "min").err


def test_another_file_or_the_table_in_pyproject(run, here):
    (here / "editmetrics.toml").rename(here / "other.toml")
    assert "psnr" in run("score", *PAIRS, "-m", "psnr", "-q", "--limit", "1").out
    assert metrics(run("score", *PAIRS, "--config", "other.toml", "--json")) == ["mse", "near"]
    project = '[project]\nname = "x"\n'
    (here / "pyproject.toml").write_text(project)
    assert "pyproject" not in run("score", *PAIRS, "-m", "mse", "-q", "--limit", "1").err
    (here / "pyproject.toml").write_text(project + '[tool.editmetrics.score]\nmetric = ["mse"]\nlimit = 1\n')
    assert metrics(run("score", *PAIRS, "--json", "-q")) == ["mse"]


def test_benchmark_takes_the_file_too(run, here):
    assert run("benchmark", "--config", "editmetrics.toml").code == 0
    (here / "editmetrics.toml").write_text('[benchmark]\nlimit = "x"\n')
    assert "'x'" in run("benchmark").err


@pytest.mark.parametrize("metric", ["asked", "judge", "vie_score:endpoint=http://x"])
def test_a_server_is_not_asked_by_default(run, here, metric):
    (here / "editmetrics.toml").write_text(CONFIG.replace('metric = ["mine"]', f'metric = ["{metric}"]'))
    ran = run("score", *PAIRS, "--prompt", "x", "--dry-run")
    assert ran.code == 2
    assert "sets endpoint; a metric that asks a server must be named on the command line" in ran.err
    ran = run("score", *PAIRS, "--prompt", "x", "--dry-run", "-m", "judge")
    assert ran.code == 0, ran.err
    assert "judge is vie_score:model=qwen,endpoint=http://localhost:1/v1" in ran.err


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[score]\noutput = "x.csv"', "[score] output has no default here"),
        ("[score]\noverwrite = true", "[score] overwrite has no default here"),
        ('[score]\nray-address = "ray://x"', "[score] ray-address has no default here"),
        ('[score]\nprompts = "../../x.csv"', "[score] prompts has no default here"),
        ("[score]\nlimt = 2", "Did you mean 'limit' or 'split'?"),
        ('[score]\nstrict = "no"', "strict is 'no'; expected true or false"),
        ('[score]\nmetric = "psnr"', "metric is 'psnr'; expected a list"),
        ('[score]\nlimit = "many"', "'many'"),
        (
            "[scores]\nlimit = 2",
            "unknown table 'scores'; expected one of aliases, sets, score",
        ),
        ("score = 1", "score is 1; expected a table"),
        ('[aliases]\npsnr = "mse"', "'psnr' is the name of a metric"),
        ("[aliases]\nx = 1", "expected a metric"),
        ('[sets]\nssim = ["mse"]', "'ssim' has the name of a metric"),
        ('[sets]\ngedit = ["mse"]', "'gedit' has the name of a metric, suite"),
        ('[sets]\nx = "mse"', "expected a list of metrics"),
        ("[sets\n", "is not TOML"),
    ],
)
def test_a_file_that_cannot_be_used(run, here, text, problem):
    (here / "editmetrics.toml").write_text(text)
    ran = run("score", *PAIRS, "-m", "mse", "-q")
    assert ran.code == 2
    assert problem in ran.err
    assert not ran.out


def test_a_link_out_of_the_folder_is_not_followed(run, here, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "editmetrics.toml"
    (here / "editmetrics.toml").rename(elsewhere)
    (here / "editmetrics.toml").symlink_to(elsewhere)
    ran = run("score", *PAIRS)
    assert ran.code == 2
    assert "a link out of this folder, and is not followed" in ran.err
    assert metrics(run("score", *PAIRS, "--config", "editmetrics.toml", "--json")) == ["mse", "near"]
