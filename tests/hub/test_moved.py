"""`editmetrics weights check --remote`: silent where all is as registered, and exact where it is not."""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner

from editmetrics import weights
from editmetrics.checkpoints import WeightsEntry, registered
from editmetrics.cli import cli

from .server import Repository
from .test_entries import REMOTE

CLIP = "timm/vit_base_patch32_clip_224.openai"


@pytest.fixture
def all_published(published, hub):
    """Every entry, with the licence that the registry has."""
    for name in REMOTE:
        licence = registered()[name].licence
        published(name, licence=None if licence.startswith("not stated") else re.split("[ ;]", licence)[0].lower())
    return hub


def check(*arguments: str) -> tuple[int, dict[str, tuple[str, str]]]:
    done = CliRunner().invoke(cli, ["weights", "check", *arguments, "--json"], catch_exceptions=False)
    return done.exit_code, {one["name"]: (one["state"], "; ".join(one["details"])) for one in json.loads(done.output)}


def test_nothing_has_moved(all_published, monkeypatch):
    code, found = check("--remote")
    assert (code, {state for state, _ in found.values()}) == (0, {"unchanged"})
    assert found.keys() == set(REMOTE)
    assert not all_published.downloads()
    asked = [one.path for one in all_published.requests if "/api/models/sparkling621/EditHF" in one.path]
    assert len(asked) == 1  # three entries, one repository
    assert {one.method for one in all_published.requests if one.path in all_published.plain} == {"HEAD"}


def changed_file(hub: Repository) -> None:
    hub.files["open_clip_model.safetensors"] = hub.files["open_clip_model.safetensors"][::-1]


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (changed_file, "open_clip_model.safetensors has sha256"),
        (
            lambda repository: repository.files.update({"open_clip_model.safetensors": b"1"}),
            "has 1 bytes, registered are",
        ),
        (lambda repository: repository.files.clear(), "has no open_clip_model.safetensors; it has no files"),
        (lambda repository: setattr(repository, "licence", "cc-by-nc-4.0"), "states the licence cc-by-nc-4.0"),
        (lambda repository: setattr(repository, "licence", None), "states no licence any more"),
        (lambda repository: setattr(repository, "commit", "e" * 40), "has no revision a6f597a"),
        (lambda repository: setattr(repository, "private", True), "does not exist, or is private"),
    ],
)
def test_one_thing_has_moved(all_published, change, part):
    change(all_published.repositories[CLIP])
    code, found = check("--remote")
    assert code == 3
    assert [name for name, (state, _) in found.items() if state == "moved"] == ["clip-vit-b-32-openai"]
    assert part in found["clip-vit-b-32-openai"][1]


def test_a_site_has_another_file_or_none(all_published):
    paths = {path.rpartition("/")[2]: path for path in all_published.plain}
    all_published.plain[paths["weights.pt"]] += b"more"
    del all_published.plain[paths["vgg16-397923af.pth"]]
    code, found = check("--remote")
    moved = {name: details for name, (state, details) in found.items() if state == "moved"}
    assert (code, moved.keys()) == (3, {"dists", "lpips-vgg16"})
    assert "weights.pt has 5004 bytes, registered are 5000" in moved["dists"]
    assert "404" in moved["lpips-vgg16"]


def test_notes_change_no_state(all_published):
    repository = all_published.repositories[CLIP]
    repository.later = Repository({}, commit="f" * 40, licence="other")
    repository.gated = True
    editing = all_published.repositories["sparkling621/EditHF"]
    for path in [path for path in editing.files if path.startswith("lora_checkpoints_editing/")]:
        editing.files[path.replace("_editing/", "_alignment/")] = editing.files.pop(path)
    code, found = check("--remote")
    assert code == 0
    assert "pinned at a6f597a; main is at fffffff" in found["clip-vit-b-32-openai"][1]
    assert "asks for consent" in found["clip-vit-b-32-openai"][1]
    assert "mlp_head.pth is at lora_checkpoints_alignment/mlp_head.pth there" in found["edit_hf.alignment"][1]


def test_a_hub_that_is_down_is_asked_once_and_moves_nothing(all_published, monkeypatch):
    all_published.status["/api/models/"] = (503, {})
    code, found = check("--remote")
    assert code == 4
    assert {name for name, (state, _) in found.items() if state == "unchanged"} == {
        name for name in REMOTE if registered()[name].source.url
    }
    assert len([one for one in all_published.requests if one.path.startswith("/api/models/")]) <= 6  # retries of one
    monkeypatch.setenv("EDITMETRICS_OFFLINE", "1")
    code, found = check("--remote", "dists")
    assert (code, found["dists"]) == (4, ("not asked", "EDITMETRICS_OFFLINE=1 forbids the network"))


def test_a_token_that_is_not_valid_moves_nothing(all_published, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "wrong")
    code, found = check("--remote", "clip-vit-b-32-openai")
    assert (code, found["clip-vit-b-32-openai"][0]) == (4, "not asked")
    assert "is not valid" in found["clip-vit-b-32-openai"][1]


def test_the_table_fits_a_terminal_of_80_columns(all_published):
    changed_file(all_published.repositories[CLIP])
    done = CliRunner().invoke(cli, ["weights", "check", "--remote"])
    assert done.exit_code == 3
    assert max(map(len, done.output.splitlines())) <= 80
    assert f"{len(REMOTE)} checkpoints: " in done.output
    assert "1 moved" in done.output


def test_doubtful_entries_say_so_in_the_list_and_when_used(published, caplog):
    code, found = check()
    assert code == 0
    doubtful = {name for name, (state, _) in found.items() if state == "doubtful"}
    assert doubtful == {name for name, entry in registered().items() if entry.doubts}
    assert {"edit_hf.visual", "lmm4edit.alignment", "dino-vit-s-16"} <= doubtful
    assert "clip-vit-b-32-openai" not in doubtful
    weights._doubted.clear()
    for name in ("dino-vit-s-16", "dino-vit-b-16"):
        published(name)
        for _ in range(2):
            weights.pull(name)
    said = [record.getMessage() for record in caplog.records if "not confirmed" in record.getMessage()]
    assert len(said) == 1
    assert "dino-vit-s-16: not confirmed: no public record of its sha256" in said[0]


def test_every_unseen_fact_of_the_registry_is_marked():
    """A file of the hub without a checksum is one that was not seen; so is one that no branch is pinned for."""
    small = {"config.json"}  # of lmm4lmm: its page shows the model's kind, which is read from it
    for name in REMOTE:
        entry: WeightsEntry = registered()[name]
        unseen = [file.path for file in entry.files if file.sha256 is None and file.path not in small]
        assert bool(entry.doubts) == bool(unseen or not (entry.source.url or entry.source.revision != "main")), name
