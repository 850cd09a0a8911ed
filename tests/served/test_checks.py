"""A server is checked before it is asked: its program and version, its model by name and by probe, known traps."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import replace

import pytest
import torch

from editmetrics import EditMetricsError, Sample, create_metric
from editmetrics.conventions import metric_class_of
from editmetrics.conventions.exported import merged_adapter
from editmetrics.file_hashes import sha256_of_json
from editmetrics.judge import JudgeError, JudgeUnavailableError
from editmetrics.mllm.backbone import Backbone
from editmetrics.mllm.lora import add_lora
from editmetrics.options import OptionError
from editmetrics.registry import metric_class
from editmetrics.served import each_of, open_server
from editmetrics.served.probe import EXACT_TOLERANCE, FILE, TOLERANCE, make_probe, read_probe, write_probe
from editmetrics.testing import tiny_backbone
from tests.conventions.test_levels import conventions
from tests.judge.server import Reply, completion

from .fake import Model, pages, serve

CACHE = {"mm_processor_cache_gb": 4}
ANSWER = '{"reasoning": "fine", "score": [20, 25]}'


def checked(server, program="vllm", probe=None, **options):
    """The server's backend after its checks."""
    backend = open_server(program, "judge", endpoint=server.url, retries=0, probe=probe, **options)
    backend.check()
    return backend


@pytest.fixture(scope="session")
def probe(base, tmp_path_factory):
    """The file of the probe that the tiny model's own backbone made."""
    backbone = Backbone.load(str(base), device="cpu")
    file = tmp_path_factory.mktemp("probe") / FILE
    write_probe(make_probe(backbone, backbone.identity()["sha256"]), file)
    return file


@pytest.mark.parametrize("program", ["vllm", "sglang"])
def test_the_model_of_the_probe_passes_and_its_identity_says_so(server, model, probe, program):
    serve(server, model, program)
    shown = checked(server, program, str(probe)).identity()["server"]
    version = {"vllm": "0.33.0", "sglang": "0.5.23"}[program]
    assert shown == {"program": program, "version": version, "probe": read_probe(probe).digest}
    assert checked(server, program).identity()["server"]["probe"].startswith("none")


@pytest.mark.parametrize("program", ["vllm", "sglang"])
def test_another_model_is_refused_by_the_probe(server, probe, tmp_path, program):
    other = Model(tiny_backbone("qwen2_5_vl", tmp_path, seed=1))
    serve(server, other, program)
    with pytest.raises(JudgeUnavailableError, match=r"serves another model than the checkpoint: .* differs by"):
        checked(server, program, str(probe.parent))


def test_the_tolerance_is_between_what_differs_and_what_does_not(server, model, probe, tmp_path):
    serve(server, model)
    known = read_probe(probe)
    assert known.tolerance == EXACT_TOLERANCE < TOLERANCE
    for shift, passes in ((0.9 * EXACT_TOLERANCE, True), (1.1 * EXACT_TOLERANCE, False)):
        moved = replace(known, logprobs=(known.logprobs[0] + shift, *known.logprobs[1:]))
        write_probe(moved, tmp_path / FILE)
        if passes:
            checked(server, probe=tmp_path)
        else:
            with pytest.raises(JudgeUnavailableError, match="another model"):
                checked(server, probe=tmp_path)


def test_another_chat_template_is_refused_by_the_probe(server, base, probe):
    served = Model(base)
    served.processor.chat_template = "Be brief. " + served.processor.chat_template
    serve(server, served)
    with pytest.raises(JudgeUnavailableError, match="another chat template"):
        checked(server, probe=str(probe))


def test_a_vision_adapter_that_a_server_leaves_out_is_seen(server, tmp_path):
    """What vLLM before 0.14 did with an adapter of the vision tower."""
    base = tiny_backbone("qwen3_vl", tmp_path / "base")
    backbone = Backbone.load(str(base), device="cpu", own=True)
    add_lora(backbone, "mine", parts=("vision",), rank=4)
    for name, parameter in backbone.model.named_parameters():
        if ".lora_B." in name:
            parameter.data.copy_(4 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    made = make_probe(backbone, "sha", "mine")
    assert made.tells_adapter
    assert not replace(made, moved=0.05).tells_adapter
    write_probe(made, tmp_path / FILE)
    serve(server, Model(base), parent="base-model")
    with pytest.raises(JudgeUnavailableError, match="another model"):
        checked(server, probe=tmp_path)


@pytest.mark.parametrize(
    ("shown", "problem"),
    [
        ({"version": "0.13.9"}, r"it is vllm 0\.13\.9; expected 0\.14 or newer"),
        ({"version": "dev"}, r"it is vllm dev; expected 0\.14"),
        ({"models": ("a", "b")}, r"it serves a, b, and not judge; name it with model="),
        ({"parent": "judge-base"}, r"is an adapter that the server applies.*editmetrics export"),
        (
            {
                "config": {
                    "model_config": {"enable_sleep_mode": True, "multimodal_config": {"mm_processor_cache_gb": 4}}
                }
            },
            r"keeps 4 GB of processed images.*--mm-processor-cache-gb 0",
        ),
        ({"config": {"model_config": {"logprobs_mode": "processed_logprobs"}}}, "in place of raw_logprobs"),
    ],
)
def test_a_server_that_would_give_other_numbers_is_not_asked(server, model, shown, problem):
    serve(server, model)
    server.pages = pages(**shown)
    with pytest.raises(JudgeUnavailableError, match=problem):
        checked(server)
    assert not any("completions" in request.path for request in server.requests)


@pytest.mark.parametrize(
    "config",
    [
        {"enable_sleep_mode": True, "multimodal_config": {"mm_processor_cache_gb": 0}},
        {
            "enable_sleep_mode": False,
            "multimodal_config": {"mm_processor_cache_gb": 4},
            "logprobs_mode": "raw_logprobs",
        },
    ],
)
def test_settings_without_a_trap_pass(server, model, config, caplog):
    serve(server, model, config={"model_config": config})
    with caplog.at_level(logging.WARNING):
        checked(server)
    assert "probe=FILE checks it" in caplog.text


def test_other_programs_are_told_apart(server, model):
    serve(server, model, "sglang")
    server.pages["/version"] = Reply({"detail": "Not Found"}, status=404)
    with pytest.raises(JudgeUnavailableError, match="is it vLLM"):
        checked(server)
    serve(server, model)
    server.pages["/server_info"] = Reply({"detail": "Not Found"}, status=404)
    with pytest.raises(JudgeUnavailableError, match="is it SGLang"):
        checked(server, "sglang")
    serve(server, model, "sglang")
    server.pages["/model_info"] = Reply({"has_image_understanding": False})
    with pytest.raises(JudgeUnavailableError, match="for text alone"):
        checked(server, "sglang")
    with pytest.raises(JudgeUnavailableError, match=r"cannot be reached: .*, and is the address right\?$"):
        open_server("vllm", "judge", endpoint="http://127.0.0.1:1/v1", retries=0).check()


def test_a_server_that_sleeps_is_not_asked(server, model):
    serve(server, model)
    server.pages["/is_sleeping"] = Reply({"is_sleeping": True})
    with pytest.raises(JudgeUnavailableError, match=r"it sleeps.*POST /wake_up"):
        checked(server)
    server.pages["/is_sleeping"] = Reply({"is_sleeping": False})
    checked(server)


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"format": 2}', '{"format": 1, "tokens": [1], "logprobs": []}', '{"format": 1, "tokens": "ab"}'],
)
def test_a_damaged_probe_is_named(tmp_path, text):
    file = tmp_path / FILE
    file.write_text(text, encoding="utf-8")
    with pytest.raises(JudgeError, match=f"{FILE} is not a probe"):
        read_probe(tmp_path)


@pytest.mark.parametrize(
    "change", [{"logprobs": [-1.0, float("nan")]}, {"tolerance": float("inf")}, {"tolerance": float("nan")}]
)
def test_a_probe_that_every_model_would_pass_is_damaged(probe, tmp_path, change):
    data = json.loads(probe.read_text(encoding="utf-8"))
    (tmp_path / FILE).write_text(json.dumps({**data, "tokens": data["tokens"][:2], "logprobs": [-1, -2], **change}))
    with pytest.raises(JudgeError, match="is not a probe"):
        read_probe(tmp_path)


def test_a_model_without_probabilities_gets_no_probe(base):
    backbone = Backbone.load(str(base), device="cpu", own=True)
    backbone.model.lm_head.weight.data[7] = torch.inf
    with pytest.raises(JudgeError, match="gives no probabilities in"):
        make_probe(backbone, "sha")


def test_a_probe_is_read_as_it_was_written(probe):
    known = read_probe(probe)
    assert json.loads(probe.read_text(encoding="utf-8"))["logprobs"] == list(known.logprobs)
    assert sorted(known.logprobs, reverse=True) == list(known.logprobs)
    assert 3 <= len(known.tokens) <= 12
    assert known.moved is None


def test_options_for_several_models_are_one_each(server):
    assert each_of("model", "a; b", ["x", "y"]) == ["a", "b"]
    with pytest.raises(JudgeError, match="model names 3; expected one for all, or one for each of x, y in this order"):
        each_of("model", "a;b;c", ["x", "y"])
    for value in ("", "http://a/v1;"):  # without an address, OpenAI would be asked
        with pytest.raises(JudgeError, match="has an empty part"):
            each_of("endpoint", value, ["x", "y"])


# ---------------------------------------------------------------------- text through a checked server


def test_text_is_asked_with_all_sampling_named(server, model):
    serve(server, {"EditScore/EditScore-7B": model})
    model.text = ANSWER
    sample = {"source": "docs/examples/source/cat.jpg", "edited": "docs/examples/edited/cat.jpg", "prompt": "a hat"}
    spec = f"edit_score:backend=vllm,endpoint={server.url},cache=false,parallel=1"
    metric = create_metric(spec)
    assert float(metric(Sample("cat", **sample))) == pytest.approx(8)
    body = next(request.body for request in server.requests if request.body)
    assert (body["temperature"], body["top_p"], body["top_k"]) == (0.7, 0.9, 20)  # the authors'
    assert (body["repetition_penalty"], body["min_p"], body["presence_penalty"]) == (1, 0, 0)  # not the checkpoint's
    assert metric.identity()["judge"]["server"]["program"] == "vllm"
    other = create_metric(spec.replace("backend=vllm", "backend=endpoint"))
    other.load()
    assert other.identity()["judge"] != metric.identity()["judge"]
    model.text = "fine"


def test_a_server_with_another_model_ends_a_run_with_one_message(run, server, probe, tmp_path):
    serve(server, {"tiny": Model(tiny_backbone("qwen2_5_vl", tmp_path / "other", seed=1))})
    spec = f"mllm_rating:backend=vllm,model=tiny,endpoint={server.url},probe={probe}"
    ran = run("score", "docs/examples/source/cat.jpg", "docs/examples/edited/cat.jpg", "--prompt", "a hat", "-m", spec)
    assert ran.code == 4, ran.err
    assert " ".join(f"{ran.out} {ran.err}".split()).count("serves another model than the checkpoint") == 1


def test_a_probe_of_another_metric_or_adapter_is_refused_unasked(base, probe, tmp_path):
    """Nothing listens at the address, so that an error of another kind would come after the probe was accepted."""
    levels = metric_class_of(conventions(tmp_path, base), __name__)
    where = {"backend": "vllm", "model": "judge", "endpoint": "http://127.0.0.1:1/v1", "retries": 0}
    for kind in (levels, metric_class("mllm_rating")):
        for facts, error, reason in (
            (
                {"metric": "edit_score"},
                OptionError,
                f"{kind.name}: the probe .* was made for edit_score; 'editmetrics ex",
            ),
            ({"metric": kind.name, "merged": "0" * 64}, OptionError, "another adapter than the one"),
            ({"metric": kind.name}, JudgeUnavailableError, "127.0.0.1:1"),
        ):
            write_probe(replace(read_probe(probe), **facts), tmp_path / FILE)
            with pytest.raises(error, match=reason):
                kind(probe=str(tmp_path / FILE), **where).load()


def test_the_checksum_of_an_adapter_is_that_of_its_files(tmp_path):
    assert (merged_adapter(""), merged_adapter(str(tmp_path))) == ("", None)
    files = {"adapter_config.json": b"{}", "adapter_model.safetensors": b"weights"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    expected = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    assert merged_adapter(str(tmp_path)) == sha256_of_json(expected)


def test_options_say_what_they_are_for():
    with pytest.raises(OptionError, match="probe=x is for backend=vllm or sglang"):
        create_metric("edit_score:probe=x")
    with pytest.raises(OptionError, match="endpoint=http://a is for backend=vllm or sglang"):
        create_metric("ds_ieqa:endpoint=http://a")
    with pytest.raises(Exception, match="requires the address of the server"):
        create_metric("ds_ieqa:backend=vllm").load()
    for name in ("ds_ieqa", "edit_score"):
        with pytest.raises(EditMetricsError, match="requires the address of"):
            create_metric(name, backend="vllm", endpoint="").load()
    with pytest.raises(OptionError, match="loaded on this machine for that; leave out backend=vllm"):
        create_metric("ds_ieqa:backend=vllm,endpoint=http://127.0.0.1:1/v1").models_to_serve()
    with pytest.raises(OptionError, match="q_align has no option 'backend'"):
        create_metric("q_align:backend=vllm")  # no chat template is around its question


def test_text_that_a_server_does_not_write_is_no_score(server, model):
    serve(server, {"EditScore/EditScore-7B": model})
    server.answer = lambda request: Reply(completion("I like it: 9 of 10."))
    metric = create_metric(f"edit_score:backend=sglang,endpoint={server.url},cache=false,retries=0")
    with pytest.raises(JudgeUnavailableError, match="is it SGLang"):
        metric.load()
