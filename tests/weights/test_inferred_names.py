"""Names of files that nobody has seen: their alternatives are tried, and a failure says why the name was a guess."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from editmetrics import weights
from editmetrics.cli import cli

from .toy import BODY, DIGEST, entry

WHY = "the README says so in an earlier version"
COMMIT = "a" * 40


@pytest.fixture
def published(server, packages, monkeypatch):
    """A hub that has these paths of a repository, and a checkpoint of two files that is registered under `folder/`."""

    def publish(*paths, **more):
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        for path in paths:
            for revision in ("main", COMMIT):
                address = f"/some/thing/resolve/{revision}/{path}"
                server.bodies[address] = BODY
                server.headers[address] = {"X-Repo-Commit": COMMIT, "ETag": f'"{DIGEST}"'}
        files = [{"path": f"folder/{name}"} for name in ("one.bin", "inner/two.bin")]
        packages("mine", {"toy": entry({"repository": "some/thing"}, *files, **more)})

    return publish


@pytest.mark.parametrize("found", ["folder", "elsewhere/folder", "other"])
def test_the_first_name_that_is_there_is_taken(published, home, found):
    published(f"{found}/one.bin", f"{found}/inner/two.bin", inferred=WHY, alternatives=["elsewhere/folder", "other"])
    folder = weights.pull("toy")
    assert (
        (folder / "folder" / "one.bin").read_bytes() == (folder / "folder" / "inner" / "two.bin").read_bytes() == BODY
    )
    record = json.loads((home / "toy" / "record.json").read_text())["files"]
    assert record["folder/one.bin"]["origin"].endswith(f"/some/thing/resolve/main/{found}/one.bin")
    assert record["folder/inner/two.bin"]["commit"] == COMMIT
    assert weights.verify("toy").keys() == {"folder/one.bin", "folder/inner/two.bin"}


def test_where_none_is_there_the_error_says_what_was_tried_and_why(published):
    published("nowhere/one.bin", inferred=WHY, alternatives=["other"])
    with pytest.raises(weights.WeightsError) as said:
        weights.pull("toy")
    for part in ("no folder/one.bin and no other/one.bin", f"inferred: {WHY}", "some/thing/tree/main", "by hand"):
        assert part in str(said.value)


def test_a_name_that_is_known_has_no_alternatives_and_no_excuse(published):
    published("other/one.bin")
    with pytest.raises(weights.WeightsError) as said:
        weights.pull("toy")
    assert "404" in str(said.value)
    assert "inferred" not in str(said.value)


@pytest.mark.parametrize(
    "more", [{"alternatives": ["other"]}, {"inferred": WHY, "alternatives": ["../other"]},
             {"inferred": WHY, "alternatives": ["/other"]}],
)  # fmt: skip
def test_alternatives_without_a_reason_or_outside_the_folder_are_refused(published, more):
    published(**more)
    assert "toy" not in weights.registered()
    assert len(weights.broken_registries()) == 1


def test_the_names_that_were_guessed():
    """Files of the hub without a checksum that nobody has seen; tests/hub/test_moved.py has the rule."""
    guessed = {name for name, each in weights.registered().items() if each.inferred}
    parts = ("visual", "alignment", "preservation")
    assert guessed == {f"{metric}.{part}" for metric in ("lmm4edit", "edit_hf") for part in parts} | {
        "lmm4lmm.correspondence"
    }
    alignment = weights.checkpoint("edit_hf.alignment")
    assert {path.split("/")[0] for file in alignment.files for path in alignment.paths_of(file)} == {
        "lora_checkpoints_editing", "lora_checkpoints_alignment",
    }  # fmt: skip
    assert "6ae5a46" in alignment.inferred
    assert weights.checkpoint("lmm4edit.visual").paths_of(weights.checkpoint("lmm4edit.visual").files[0]) == [
        "visual/adapter_config.json", "weights/visual/adapter_config.json",
    ]  # fmt: skip


def test_the_list_shows_which_names_are_inferred():
    listed = CliRunner().invoke(cli, ["weights", "list"], env={"COLUMNS": "200"}).output
    assert "edit_hf.alignment *" in listed
    assert "dists *" not in listed
    assert "some facts are not confirmed, such as file names" in listed
    said = json.loads(CliRunner().invoke(cli, ["weights", "list", "--json"]).output)["checkpoints"]
    (one,) = [each for each in said if each["name"] == "edit_hf.alignment"]
    assert (one["alternatives"], "earlier versions" in one["inferred"]) == (["lora_checkpoints_alignment"], True)
