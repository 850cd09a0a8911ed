"""`editmetrics list` and `info` beside a plugin that breaks when it is asked about itself."""

import json
import subprocess
import sys

import pytest

from editmetrics import create_metric, list_metrics, metric_class, registry
from editmetrics.checkpoints import registry_file
from editmetrics.listing import downloads, listed
from editmetrics.sample import FIELDS
from editmetrics.unknown_names import ELSEWHERE, OTHER_NAMES, SETS
from tests.broken_metrics import MeanError


class Unwilling(MeanError):
    name = "unwilling"

    def required(self):
        raise RuntimeError("required() is broken")


class Unborn(MeanError):
    name = "unborn"

    def __init__(self):
        raise OSError("no file of mine")


class Unweighted(MeanError):
    name = "unweighted"

    def checkpoints(self):
        return 5


@pytest.fixture(params=[Unwilling, Unborn, Unweighted], ids=lambda metric: metric.name)
def broken(request, monkeypatch):
    name, usual, known = request.param.name, registry.metric_class, registry.list_metrics
    for module in ("editmetrics.registry", "editmetrics.describe", "editmetrics.listing"):
        monkeypatch.setattr(f"{module}.metric_class", lambda asked: request.param if asked == name else usual(asked))
    monkeypatch.setattr(registry, "list_metrics", lambda: [*known(), name])
    return name


def test_a_plugin_that_cannot_be_described_costs_itself(run, broken):
    ran = run("list")
    assert ran.code == 0
    assert "psnr" in ran.out
    assert f"unusable: {broken} of tests: it cannot be described: " in ran.err
    listed = json.loads(run("list", "--json").out)
    assert "psnr" in {metric["name"] for metric in listed["metrics"]}
    assert broken in {plugin["name"] for plugin in listed["broken"]}


def test_a_plugin_that_cannot_be_described_is_said_to_be_so(run, broken):
    ran = run("info", broken)
    assert ran.code == 2
    assert f"error: {broken} cannot be described: " in ran.err
    assert "Traceback" not in ran.err


def names_in(out):
    """The metrics of a list: the first word of each indented line that has a direction."""
    return [
        line.split()[0] for line in out.splitlines() if line.startswith("  ") and {"higher", "lower"} & {*line.split()}
    ]


@pytest.mark.parametrize("fields", [("prompt",), ("source", "prompt"), ("source_prompt",)])
def test_needs_lists_the_metrics_that_require_every_field(run, fields):
    expected = {name for name in list_metrics() if set(fields) <= create_metric(name).required()}
    assert set(names_in(run("list", "--needs", ",".join(fields)).out)) == expected
    repeated = [part for field in fields for part in ("--needs", field)]
    assert set(names_in(run("list", *repeated).out)) == expected


def test_needs_refuses_what_is_not_a_field(run):
    ran = run("list", "--needs", "promt")
    assert ran.code == 2
    assert "Did you mean 'prompt'?" in ran.err
    assert all(field in ran.err for field in FIELDS)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        (("CLIP-T",), ["clip_text"]),
        (("structural", "similarity"), ["cw_ssim", "ms_ssim", "ssim"]),
        (("gradient",), ["gmsd", "mdsi"]),
        (("lpisp",), ["lpips"]),
    ],
)
def test_a_query_looks_at_names_and_descriptions(run, query, names):
    assert names_in(run("list", *query).out) == names
    assert [metric["name"] for metric in json.loads(run("list", *query, "--json").out)["metrics"]] == names


def test_weights_are_listed_with_size_and_licence(run):
    """The sizes and licences are those that the registry file states."""
    out = " ".join(run("list", "--weights").out.split())
    entries = json.loads(registry_file().read_text(encoding="utf-8"))["checkpoints"]
    assert "lpips-alexnet 244 MB" in out
    assert f"for lpips; licence: {entries['lpips-alexnet']['licence']}" in out
    assert "Qwen/Qwen3-VL-8B-Instruct 17.5 GB" in out
    assert "vie_score gpt-4.1;" in out
    assert "lpips" not in run("list", "vie_score", "--weights").out


def test_options_choose_what_is_downloaded(tmp_path):
    """With options: another network, a model that is a folder, one of the registry, none of the hub for own weights."""
    wanted = {
        "lpips:net=vgg": ["lpips-vgg16"],
        "psnr": [],
        "vqa_score:backbone=me/mine": ["me/mine"],
        f'vqa_score:backbone="{tmp_path}"': [],
        "ds_ieqa:weights=toy": [],
        "vie_score": [],
        "vie_score:backbone=me/mine": ["me/mine"],
        "edit_hf:dimension=visual_quality": ["edit_hf.visual", "OpenGVLab/InternVL3_5-8B-HF"],
    }
    assert {spec: [one.name for one in downloads(create_metric(spec))] for spec in wanted} == wanted


@pytest.mark.parametrize("name", list_metrics())
def test_a_title_fits_its_column(name):
    assert 0 < len(listed(name).title) <= 38
    assert listed(name).needs == tuple(field for field in FIELDS if field in metric_class(name)().required())


def test_the_list_imports_nothing_heavy():
    code = (
        "import sys; from editmetrics.listing import listed; from editmetrics import list_metrics;"
        "[listed(name) for name in list_metrics()];"
        "print({'torch', 'pydantic', 'rich', 'numpy', 'huggingface_hub'} & sys.modules.keys())"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("hyperiqa", "pyiqa has it: -m pyiqa/hyperiqa"),
        ("srsim", "-m piq/srsim"),
        ("FID", "Did you mean 'fid'"),
        ("fdd", "Did you mean 'fd_dinov2'?"),
        ("mifid", "compares sets of images, as fid,"),
        ("psnr,ssim", "-m psnr -m ssim;"),
        ("clip-i", "Did you mean 'clip_image'?"),
        ("musik", "'pyiqa/musiq'"),
        ("lpisp", "Did you mean 'lpips'? "),
        ("zzzz", "Metrics: aesthetic, "),
    ],
)
def test_an_unknown_name_is_answered_with_what_to_write(name, advice):
    with pytest.raises(registry.UnknownMetricError) as error:
        create_metric(name)
    assert advice in str(error.value)


def test_other_names_lead_to_metrics_and_hide_none():
    assert set(OTHER_NAMES.values()) <= registry.BUILTIN.keys()
    assert not registry.BUILTIN.keys() & (OTHER_NAMES.keys() | SETS)


@pytest.mark.parametrize("library", ELSEWHERE)
def test_metrics_of_other_libraries_are_offered_by_their_bridges(library):
    pytest.importorskip(library)
    assert set(ELSEWHERE[library]) <= set(registry.bridge(library).offers)


def test_metrics_without_their_option_are_not_folders(run, folders):
    ran = run("score", folders / "source", folders / "edited", "-m", "psnr", "ssim")
    assert ran.code == 2
    assert "-m psnr -m ssim" in ran.err
    ran = run("score", folders / "source", folders / "edited", "-m", "psnr:channels=y,ssim")
    assert "write -m ssim for another metric" in ran.err


@pytest.mark.parametrize("spec", [["psnr"], None, metric_class("psnr")])
def test_create_metric_takes_one_name(spec):
    with pytest.raises(TypeError, match="create_metric takes one name"):
        create_metric(spec)
