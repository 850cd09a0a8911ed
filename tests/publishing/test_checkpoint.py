"""A checkpoint on the hub and back: the same files, the same score; and nothing that is none of its files."""

import json
import shutil

import pytest

from editmetrics import create_metric
from editmetrics.mllm.checkpoint import CheckpointError
from editmetrics.publishing import PublishingError, plan_push, upload
from editmetrics.sample import UnavailableError
from editmetrics.testing import toys
from editmetrics.weights import WeightsError, sha256

from .conftest import TOYS

NAME = "image_regressor"
SPEC = f"{NAME}:weights=hub:ada/mine"


@pytest.fixture
def toy(tmp_path):
    return shutil.copytree(TOYS / NAME / "toy", tmp_path / "toy")


def described(folder):
    return json.loads((folder / "metric.json").read_text())


def test_what_was_pushed_comes_back_and_gives_the_same_score(run, writable, toy):
    (toy / "training").mkdir()
    (toy / "training" / "optimizer.pt").write_bytes(b"pickle")
    ran = run("push", toy, "--repo", "ada/mine", "--yes")
    assert ran.code == 0, ran.err
    assert "stays here: training/optimizer.pt" in ran.out
    files = writable.repositories["ada/mine"].files
    assert files.keys() - {".gitattributes"} == {"README.md", "metric.json", *described(toy)["files"]}
    assert files["metric.json"] == (toy / "metric.json").read_bytes()
    card = files["README.md"].decode()
    assert card.startswith("---\nlibrary_name: editmetrics\n")
    assert 'weights="hub:ada/mine"' in card
    assert writable.leaks == []  # the token never reached the storage
    sample = toys.sample(0, 64, 64)
    here, there = create_metric(NAME, weights=str(toy), device="cpu"), create_metric(SPEC, device="cpu")
    assert float(there(sample)) == float(here(sample))
    assert there.identity()["weights"] == here.identity()["weights"]
    for specs, count in (([SPEC], "1 checkpoint"), ([f"mine={SPEC}", f"again={SPEC}@main"], "2 checkpoints")):
        words = [word for spec in specs for word in ("-m", spec)]
        ran = run("score", "docs/examples/source", "docs/examples/edited", *words, "--dry-run")
        said = " ".join(ran.out.split())
        assert f"nothing was computed, loaded or downloaded, except {count} of the hub." in said


def test_a_commit_that_is_here_needs_no_network(writable, toy, monkeypatch):
    upload(plan_push(toy, "ada/mine"))
    commit = writable.repositories["ada/mine"].commit
    assert create_metric(SPEC).trained
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    writable.requests.clear()
    assert create_metric(f"{SPEC}@{commit}").trained
    assert writable.requests == []
    with pytest.raises(UnavailableError, match=f"or name the commit that is here: hub:ada/mine@{commit}"):
        assert create_metric(SPEC).dimensions


def test_a_commit_that_is_none_names_no_folder(writable, toy, tmp_path):
    upload(plan_push(toy, "ada/mine"))
    repository = writable.repositories["ada/mine"]
    for commit in ("../../../outside", None):
        repository.commit = commit
        with pytest.raises(WeightsError, match="expected 40 hexadecimal digits"):
            assert create_metric(SPEC).dimensions
    assert not list(tmp_path.rglob("outside*"))


def test_paths_in_its_description_are_shortened_and_it_still_loads(run, writable, toy):
    changed = described(toy)
    changed["recipe"]["manifest"] = "/home/grace/secret project/train.csv"
    (toy / "card.md").write_text((toy / "card.md").read_text() + "\nfrom /home/grace/data/train.csv\n")
    changed["files"]["card.md"] = sha256(toy / "card.md")  # as if the training had written it so
    (toy / "metric.json").write_text(json.dumps(changed))
    ran = run("push", toy, "--repo", "ada/mine", "--dry-run")
    assert "3 absolute paths" in ran.out
    assert f"in the place of {sha256(toy / 'metric.json')[:16]}" in " ".join(ran.out.split())
    upload(plan_push(toy, "ada/mine"))
    texts = b"".join(body for name, body in writable.repositories["ada/mine"].files.items() if name[-4:] != "sors")
    assert b"grace" not in texts
    assert create_metric(SPEC).trained[0].recipe["manifest"] == "folder-2/train.csv"


def test_only_files_that_cannot_run_code_leave_or_come(writable, toy, tmp_path):
    changed = described(toy)
    (toy / "extra.pkl").write_bytes(b"x")
    changed["files"]["extra.pkl"] = sha256(toy / "extra.pkl")
    (toy / "metric.json").write_text(json.dumps(changed))
    with pytest.raises(PublishingError, match=r"metric\.json names extra\.pkl"):
        plan_push(toy, "ada/mine")
    clean = TOYS / NAME / "toy"
    upload(plan_push(clean, "ada/mine"))
    repository = writable.repositories["ada/mine"]
    for path, says in (("extra.pkl", "names extra.pkl"), ("../outside.json", "is damaged")):
        repository.files |= {path: b"x", "metric.json": json.dumps({**changed, "files": {path: "0" * 64}}).encode()}
        repository.commit = sha256(toy / "extra.pkl")[:39] + str(len(path) % 10)
        with pytest.raises(WeightsError, match=says):
            assert create_metric(SPEC).dimensions
    repository.files.pop("metric.json")
    repository.commit = "e" * 40
    with pytest.raises(WeightsError, match="holds no checkpoint"):
        assert create_metric(SPEC).dimensions


def test_no_link_is_followed_out_of_the_folder(toy, tmp_path):
    (part,) = toy.glob("*.safetensors")
    part.rename(tmp_path / "outside.safetensors")
    part.symlink_to(tmp_path / "outside.safetensors")
    with pytest.raises(CheckpointError, match="outside of it"):
        plan_push(toy, "ada/mine")


def named_too(folder, path, content):
    """Write a file, and name it in the checkpoint's description."""
    (folder / path).write_bytes(content)
    changed = described(folder)
    changed["files"][path] = sha256(folder / path)
    (folder / "metric.json").write_text(json.dumps(changed))


def test_a_file_that_changes_after_it_was_shown_is_not_sent(writable, toy):
    plan = plan_push(toy, "ada/mine")
    (part,) = toy.glob("*.safetensors")
    part.write_bytes(part.read_bytes() + b"more")
    with pytest.raises(PublishingError, match="changed since the files were listed"):
        upload(plan)
    part.unlink()
    with pytest.raises(PublishingError, match="cannot be read"):
        upload(plan)
    assert (writable.created, writable.stored) == ([], {})


@pytest.mark.parametrize(
    ("path", "content", "says"),
    [
        ("more.json", b"{x", r"more\.json is damaged; expected JSON"),
        ("more.txt", b"\xe9", r"more\.txt is damaged; expected text in UTF-8"),
        ("more.safetensors", b"\xff" * 9, r"more\.safetensors is damaged; expected safetensors"),
        ("more.safetensors", b"\2\0\0\0\0\0\0\0[]", "its head lacks an object"),
        ("README.md", b"# mine", r"names README\.md"),
    ],
)
def test_a_damaged_or_odd_file_is_named(toy, path, content, says):
    named_too(toy, path, content)
    with pytest.raises(PublishingError, match=says):
        plan_push(toy, "ada/mine")


def test_a_vocabulary_need_not_be_text(toy):
    named_too(toy, "sentencepiece.bpe.model", b"\xff\x00")
    assert "sentencepiece.bpe.model" in [file.path for file in plan_push(toy, "ada/mine").files]


def test_metadata_of_weights_are_read(toy, monkeypatch):
    from safetensors.torch import load_file, save_file

    (part,) = toy.glob("*.safetensors")
    save_file(load_file(part), part, metadata={"from": "/home/grace/weights"})
    changed = described(toy)
    changed["files"][part.name] = sha256(part)
    (toy / "metric.json").write_text(json.dumps(changed))
    with pytest.raises(PublishingError, match=r"metadata of part_network.safetensors, line 1: a path of this machine"):
        plan_push(toy, "ada/mine")
    monkeypatch.setattr("getpass.getuser", lambda: "gräce")
    save_file(load_file(part), part, metadata={"by": "gräce"})
    named_too(toy, part.name, part.read_bytes())
    with pytest.raises(PublishingError, match="'gräce', the name of this user"):
        plan_push(toy, "ada/mine")
    assert plan_push(toy, "ada/mine", allowed=["gräce"]).files


@pytest.mark.parametrize("name", ["hub:ada", "hub:/x", "hub:ada/x@", "hub:../x"])
def test_a_name_that_is_none_is_refused(name, writable):
    with pytest.raises(WeightsError, match="expected hub:OWNER/NAME"):
        assert create_metric(NAME, weights=name).dimensions
    assert writable.requests == []


def test_a_space_is_the_page_its_requirements_and_a_card(run, writable, toy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    metrics = ("psnr", "ds_ieqa:weights=hub:ada/mine@main")
    ran = run("push", *metrics, "--repo", "ada/judge", "--yes", "--public")
    assert ran.code == 0, ran.err
    files = writable.repositories["spaces/ada/judge"].files
    assert files.keys() == {".gitattributes", "README.md", "app.py", "requirements.txt"}
    assert writable.created[-1]["sdk"] == "gradio"
    assert "models:\n- ada/mine\n" in files["README.md"].decode()
    assert files["requirements.txt"].startswith(b"editmetrics[demo]==")
    app: dict = {"__name__": "app"}
    source = compile(files["app.py"].replace(b"page = build_page(METRICS)", b"page = None"), "app.py", "exec")
    exec(source, app)
    assert app["METRICS"] == list(metrics)
    ran = run("push", "psnr", "ds_ieqa:weights=toy", "image_regressor:weights=./toy", "--repo", "ada/judge")
    assert (ran.code, "./toy is on this machine" in ran.err) == (2, True), ran.err
    assert "holds no images" in run("push", "psnr", "--repo", "ada/judge", "--include-images").err
    assert "pnsr" in run("push", "pnsr", "--repo", "ada/judge", "--as", "space").err
