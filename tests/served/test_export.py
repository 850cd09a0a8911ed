"""Models for a server: an adapter is merged into what transformers then loads by itself, and the commands name it."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace

import numpy as np
import pytest
import torch

from editmetrics import EditMetricsError, Sample, create_metric
from editmetrics.mllm import checkpoint_writing
from editmetrics.mllm.backbone import Backbone
from editmetrics.mllm.checkpoint import CheckpointError
from editmetrics.mllm.families import BackboneError
from editmetrics.mllm.lora import adapters, add_lora, using
from editmetrics.mllm.merging import write_merged_model
from editmetrics.options import OptionError
from editmetrics.served.export import Exported, LocalModel, export, start_command
from editmetrics.served.probe import FILE, make_probe, read_probe, write_probe
from editmetrics.testing import tiny_backbone

from .fake import Model, serve


@pytest.mark.parametrize("family", ["qwen3_vl", "internvl"])
def test_a_merged_model_says_what_the_adapter_says(family, tmp_path):
    backbone = Backbone.load(str(tiny_backbone(family, tmp_path / "base")), device="cpu", own=True)
    for name in ("other", "mine"):
        add_lora(backbone, name, parts=("language", "vision"), rank=4)
    dice = torch.Generator().manual_seed(0)
    for name, parameter in backbone.model.named_parameters():
        if ".lora_B." in name:
            parameter.data.copy_(0.1 * torch.randn(parameter.shape, generator=dice))
    before = {name: value.clone() for name, value in backbone.model.state_dict().items()}
    write_merged_model(backbone, "mine", tmp_path / "merged")
    assert all(torch.equal(value, before[name]) for name, value in backbone.model.state_dict().items())
    assert adapters(backbone) == ["other", "mine"]
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    prompt = backbone.prompt([("user", [backbone.IMAGE, "Well?"])], [backbone.see(picture)])
    told = {}
    for adapter in ("mine", "other", None):
        with using(backbone, adapter):
            told[adapter] = backbone.next_logits([prompt])
    merged = Backbone.load(str(tmp_path / "merged"), device="cpu").next_logits([prompt])
    torch.testing.assert_close(merged, told["mine"], atol=1e-4, rtol=0)  # float32 sums in another order
    assert (merged - told["other"]).abs().max() > 0.1
    assert (merged - told[None]).abs().max() > 0.1
    with pytest.raises(BackboneError, match="is not empty"):
        write_merged_model(backbone, "mine", tmp_path / "merged")


def test_a_command_shows_how_to_start_and_to_ask_a_server(run, tmp_path, base):
    ran = run("export", f"mllm_rating:backbone={base}", "-o", tmp_path / "served", "--port", "9000")
    assert ran.code == 0, ran.err
    start, ask = ran.out.splitlines()
    words = shlex.split(start)
    assert words[:3] == ["vllm", "serve", str(base)]
    assert words[words.index("--served-model-name") + 1] == "Qwen/Qwen3-VL-8B-Instruct"
    assert words[words.index("--dtype") + 1] == "float32"
    assert words[words.index("--limit-mm-per-prompt") + 1] == '{"image": 2, "video": 0}'
    assert words[words.index("--port") + 1] == "9000"
    folder = tmp_path / "served" / "Qwen--Qwen3-VL-8B-Instruct"
    assert f"backend=vllm,endpoint=http://localhost:9000/v1,model=Qwen/Qwen3-VL-8B-Instruct,probe={folder}" in ask
    assert (read_probe(folder).moved, read_probe(folder).metric) == (None, "mllm_rating")
    assert [path.name for path in folder.iterdir()] == ["editmetrics_probe.json"]  # 16 GB are not copied
    again = run("export", f"mllm_rating:backbone={base}", "-o", tmp_path / "served", "--server", "sglang")
    assert shlex.split(again.out.splitlines()[0])[:3] == ["python", "-m", "sglang.launch_server"]
    assert "no model that a server serves" in run("export", "psnr", "-o", tmp_path / "x").err


def test_the_command_that_is_shown_asks_a_server(run, server, tmp_path, base, model):
    ran = run("export", f"mllm_rating:backbone={base},model=tiny,rounds=2", "-o", tmp_path / "it's")
    spec = shlex.split(ran.out.splitlines()[-1])[-1]
    serve(server, {"tiny": model})
    metric = create_metric(spec.replace("http://localhost:8000/v1", server.url))
    metric.load()
    assert (metric.model, metric.rounds, metric.backbone) == ("tiny", 2, None)


def test_nothing_is_written_outside_the_folder_or_over_another_model(run, tmp_path, base):
    served = tmp_path / "served"
    for name in (".", ".."):
        ran = run("export", f"mllm_rating:backbone={base},model={name}", "-o", served)
        assert "cannot name a folder" in ran.err
    assert not served.exists()
    (served / "tiny").mkdir(parents=True)
    (served / "tiny" / "notes.txt").write_text("mine")
    ran = run("export", f"mllm_rating:backbone={base},model=tiny", "-o", served)
    assert "holds another model or other files" in " ".join(ran.err.split())
    assert [path.name for path in (served / "tiny").iterdir()] == ["notes.txt"]


def test_an_export_goes_on_where_it_was_killed(tmp_path, monkeypatch):
    backbone = Backbone.load(str(tiny_backbone("qwen3_vl", tmp_path / "base")), device="cpu", own=True)
    for seed, name in enumerate(("a", "b")):
        add_lora(backbone, name, rank=2, seed=seed)
    models = [LocalModel(name, backbone, name, "sha", 1, name) for name in ("a", "b")]
    full = [True]

    def save(model, processor, folder):
        write_model(model, processor, folder)
        if ".b.partial" in str(folder) and full.pop():
            raise OSError(28, "No space left on device")

    write_model = checkpoint_writing.save_model
    monkeypatch.setattr(checkpoint_writing, "save_model", save)
    with pytest.raises(CheckpointError, match=r"served/b cannot be written: .*No space left on device; make room"):
        export(models, tmp_path / "served")
    assert [path.name for path in (tmp_path / "served").iterdir()] == ["a"]
    before = (tmp_path / "served" / "a" / "model.safetensors").stat().st_mtime_ns
    full.append(False)
    assert len(export(models, tmp_path / "served")) == 2
    assert (tmp_path / "served" / "a" / "model.safetensors").stat().st_mtime_ns == before
    with pytest.raises(EditMetricsError, match="holds another model"):
        export([replace(models[0], sha256="other")], tmp_path / "served")


def test_a_model_of_the_hub_is_served_in_its_revision(tmp_path, base):
    backbone = Backbone.load(str(base), device="cpu")
    probe = make_probe(backbone, "sha")
    model = LocalModel("tiny", backbone, None, "sha", 1)
    words = shlex.split(start_command("vllm", Exported(model, "a/b", "c0ffee", tmp_path, probe), 1))
    assert words[words.index("--revision") + 1] == "c0ffee"
    (one,) = export([model], tmp_path / "served")
    assert (one.source, one.revision) == (str(base), None)
    assert "--revision" not in start_command("sglang", one, 1)


def test_a_trained_assessor_is_served_as_it_was_trained(run, server, tmp_path):
    """The toy weights of ds_ieqa: three adapters, three models, the digits of a photograph."""
    tmp_path = tmp_path / "served"
    ran = run("export", "ds_ieqa:weights=toy", "-o", tmp_path, "--device", "cpu")
    assert ran.code == 0, ran.err
    *starts, asking = map(shlex.split, ran.out.splitlines())
    spec = asking[-1]
    names = [f"ds_ieqa-{name}" for name in ("visual_quality", "editing_fidelity", "content_preservation")]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    models = {}
    for start in starts:
        limits = json.loads(start[start.index("--mm-processor-kwargs") + 1])
        models[start[start.index("--served-model-name") + 1]] = Model(start[2], limits=limits)
    serve(server, models)
    options = dict(option.split("=", 1) for option in spec.split(":", 1)[1].split(","))
    assert options["model"] == ";".join(names)
    options["endpoint"] = server.url
    there = create_metric("ds_ieqa:" + ",".join(f"{name}={value}" for name, value in options.items()))
    here = create_metric("ds_ieqa:weights=toy").to("cpu")
    images = {"source": "docs/examples/source/cat.jpg", "edited": "docs/examples/edited/cat.jpg"}
    sample = Sample("cat", **images, prompt="give it a hat")
    one, other = there(sample), here(sample)
    assert dict(one) == pytest.approx(dict(other), abs=1e-9)
    assert (one.status, one.reason) == (other.status, other.reason)
    assert one.uncertainty == pytest.approx(other.uncertainty, abs=1e-3)
    assert one.details["digit_mass"] == pytest.approx(other.details["digit_mass"], abs=1e-4)
    assert there.identity()["weights"] == here.identity()["weights"]
    swapped = {**options, **{name: ";".join(reversed(options[name].split(";"))) for name in ("model", "probe")}}
    with pytest.raises(OptionError, match="is of the model for content_preservation; expected the one for visual_qual"):
        create_metric("ds_ieqa", **swapped).load()
    file = tmp_path / names[0] / FILE
    write_probe(replace(read_probe(file), model="other"), file)
    with pytest.raises(OptionError, match="was made of other weights than these"):
        create_metric("ds_ieqa", **options).load()
    with pytest.raises(Exception, match="each is a model of its own"):
        create_metric(f"ds_ieqa:weights=toy,backend=vllm,endpoint={server.url}").load()
