"""A run on the hub: what is shown first, what leaves, and what never does."""

import io
import json
import re

import numpy as np
import pytest

from editmetrics.publishing import PublishingError, plan_push, upload
from editmetrics.runs.read_scores import read_scores

from .conftest import TOKEN, altered, encoded

FILES = ["README.md", "scores.csv", "scores.record.jsonl", "leaderboard.json", "report.html"]


def pushed(hub, name="datasets/ada/run"):
    files = dict(hub.repositories[name].files)
    files.pop(".gitattributes")
    return files


def kept(files, folder):
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return read_scores(folder / "scores.csv")


def test_a_dry_run_shows_every_file_and_asks_the_hub_nothing(run, writable, scored):
    ran = run("push", scored, "--repo", "ada/run", "--dry-run", "--private")
    assert ran.code == 0, ran.err
    plan = plan_push(scored, "ada/run")
    assert [file.path for file in plan.files] == FILES
    for file in plan.files:
        assert re.search(rf"^{file.path} +[\d.]+ (?:[kM]B|bytes)$", ran.out, re.MULTILINE), file.path
    assert f"to {writable.url}/datasets/ada/run (private)" in ran.out
    assert "no image leaves" in ran.out
    out = run("push", scored, "--repo", "ada/run", "--dry-run", "--public").out
    assert "(public if the repository does not exist; one that is private stays so)" in " ".join(out.split())
    assert writable.requests == []


def test_nothing_leaves_without_a_yes(run, writable, scored, monkeypatch):
    ran = run("push", scored, "--repo", "ada/run")
    assert (ran.code, "--yes" in ran.err) == (2, True)
    for answer, code in (("\n", 1), ("n\n", 1), ("y\n", 0)):
        assert writable.requests == []
        stdin = io.StringIO(answer)
        stdin.isatty = lambda: True
        monkeypatch.setattr("sys.stdin", stdin)
        ran = run("push", scored, "--repo", "ada/run", "--as", "record")
        assert ran.code == code, ran.err
    assert sorted(pushed(writable)) == sorted(FILES)


def test_what_arrives_is_the_run_without_paths_and_images(run, writable, scored, tmp_path):
    ran = run("push", scored, "--repo", "ada/run", "--yes", "-q")
    assert ran.code == 0, ran.err
    assert f"sent 5 files to {writable.url}/datasets/ada/run" in ran.out
    (asked,) = writable.created
    assert asked.get("visibility", asked.get("private")) in ("private", True)
    files = pushed(writable)
    for name, content in files.items():
        text = content.decode()
        assert str(scored.parent) not in text, name
        assert "Elsewhere" not in text, name
        assert "UklGR" not in text, name
    arrived, here = kept(files, tmp_path / "arrived"), read_scores(scored)
    assert arrived.notes == here.notes == []
    assert arrived.system_names == here.system_names
    assert [set(map(arrived.sources.index, arrived.sources))] == [set(map(here.sources.index, here.sources))]
    for one, other in zip(arrived.columns, here.columns, strict=True):
        assert np.array_equal(one.values, other.values)
        assert arrived.identity_of(one) == here.identity_of(other)
    board = json.loads(files["leaderboard.json"])
    assert board["systems"][0]["scores"]["psnr"]["mean"] == pytest.approx(here.columns[0].values[::2].mean())
    assert "folder-1/0.png" in files["scores.csv"].decode()
    assert "a 0.png" in files["scores.csv"].decode()  # below the table's folder
    assert files["README.md"].startswith(b"---\ntags:\n- editmetrics\n")
    assert TOKEN not in ran.out + ran.err


def test_images_hide_in_texts_and_leave_only_with_consent(run, writable, own, scored, monkeypatch):
    details = {"raw": f"see data:image/png;base64,{encoded()} there", "jpeg": "/9j/" + "A1b2" * 40, "n": [encoded(1)]}
    altered(own, details=details, explanation=f"![]({encoded(2)})")
    assert "4 images" in run("push", own, "--repo", "ada/run", "--dry-run").out
    assert run("push", own, "--repo", "ada/run", "--yes").code == 0
    text = b"".join(pushed(writable).values()).decode()
    assert "[image removed]" in text
    assert "iVBORw0KGgo" not in text
    assert "/9j/" not in text
    ran = run("push", own, "--repo", "ada/run", "--yes", "--include-images")
    assert "9 pictures cannot be shown" in ran.out  # neither below this folder nor the table's
    assert str(scored.parent) not in pushed(writable)["report.html"].decode()
    monkeypatch.chdir(scored.parent.parent)
    ran = run("push", own, "--repo", "ada/run", "--yes", "--include-images")
    assert ran.code == 0, ran.err
    files = pushed(writable)
    assert encoded() in files["scores.record.jsonl"].decode()
    assert b"UklGR" in files["report.html"]  # thumbnails
    assert b"UklGR" not in files["scores.csv"]


def test_a_name_of_this_machine_is_refused_with_its_line(run, writable, own, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "lovelace")
    line = altered(own, explanation="as Lovelace said")
    for more in ((), ("--dry-run",)):
        ran = run("push", own, "--repo", "ada/run", "--yes", *more)
        assert ran.code == 2
        assert f"scores.record.jsonl, line {line}: 'Lovelace', the name of this user or machine" in ran.err
    assert writable.requests == []
    assert run("push", own, "--repo", "ada/run", "--yes", "--allow", "Lovelace").code == 0  # as the message had it
    monkeypatch.setattr("getpass.getuser", lambda: "gallery")  # a word of the page's own script
    assert plan_push(own, "ada/run").files


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("token hf_" + "a" * 30, "a secret that begins with hf_aaa"),
        ("see (/home/grace/x.png)", None),
        ("failed:/home/grace/x.png)", None),
        ("--output/home/hopper/x.png", "the folder of this user, /home/hopper"),
        ("Bearer abcdefghijklmnop", "a secret"),
        ("either and/or neither /help", None),
        ("/words with / a slash", None),
    ],
)
def test_secrets_are_refused_and_paths_shortened(own, text, says, monkeypatch):
    monkeypatch.setenv("HOME", "/home/hopper")
    altered(own, explanation=text)
    if says:
        with pytest.raises(PublishingError, match=says):
            plan_push(own, "ada/run")
        return
    texts = "".join(file.content.decode() for file in plan_push(own, "ada/run").files)
    assert "grace" not in texts
    assert "/x.png)" in texts or json.dumps(text) in texts


def test_parquet_becomes_csv_and_its_images_stay(own, tmp_path):
    import polars

    table = polars.read_csv(own).with_columns(image=polars.lit(b"\x89PNG\r\n\x1a\n" + b"0" * 90))
    table.write_parquet(own.with_suffix(".parquet"))
    files = {file.path: file.content for file in plan_push(own.with_suffix(".parquet"), "ada/run").files}
    assert files["scores.csv"].count(b"[image removed]") == 6
    assert np.array_equal(kept(files, tmp_path / "p").columns[0].values, read_scores(own).columns[0].values)


def test_what_cannot_be_published_is_said(own, tmp_path):
    own.rename(tmp_path / "own.csv")
    with pytest.raises(PublishingError, match=r"own\.csv has no record beside it \(own\.record\.jsonl\)"):
        plan_push(tmp_path / "own.csv", "ada/run")
    for name in ("typo.csv", "./typo"):
        with pytest.raises(PublishingError, match=r"typo.* does not exist"):
            plan_push(name, "ada/run")
    for name in ("ada", "ada/", "/x", "a da/x", "ada/x.git", "ada/../x", "ada/a--b", "https://hub/ada/x"):
        with pytest.raises(PublishingError, match="expected OWNER/NAME"):
            plan_push(tmp_path / "own.csv", name)
    with pytest.raises(PublishingError, match="one record goes to one repository"):
        plan_push([str(tmp_path / "own.csv"), "psnr"], "ada/run")


@pytest.mark.parametrize(
    ("plant", "code", "says"),
    [
        (lambda hub, env: env.delenv("HF_TOKEN"), 4, "hf auth login"),
        (lambda hub, env: env.setenv("HF_TOKEN", "wrong"), 2, "is not valid"),
        (lambda hub, env: hub.owners.clear(), 2, "may not write there"),
        (lambda hub, env: hub.status.update({"/api/": (503, {})}), 4, "has a problem now"),
        (lambda hub, env: env.setenv("HF_ENDPOINT", "http://127.0.0.1:9"), 4, "cannot be reached"),
        (lambda hub, env: env.setenv("HF_HUB_OFFLINE", "1"), 4, "forbids the network"),
        (lambda hub, env: hub.status.update({"/commit/": (400, {})}), 2, "the hub refused the upload"),
    ],
    ids=["no login", "wrong token", "foreign owner", "hub down", "no network", "offline", "refused"],
)
def test_what_goes_wrong_on_the_way(run, writable, scored, monkeypatch, plant, code, says):
    plant(writable, monkeypatch)
    ran = run("push", scored, "--repo", "ada/run", "--yes")
    assert (ran.code, says in ran.err) == (code, True), ran.err
    assert "Traceback" not in ran.err
    assert "HF_TOKEN" in ran.err or TOKEN not in ran.err.split()


def test_a_repository_with_other_content_is_left_alone(run, writable, scored):
    from tests.hub.server import Repository

    command = ("push", scored, "--repo", "ada/run", "--yes")
    other = writable.repositories["datasets/ada/run"] = Repository({"mine.bin": b"1"}, private=True, members={TOKEN})
    ran = run(*command)
    assert (ran.code, "holds other files: mine.bin" in ran.err) == (2, True), ran.err
    assert other.files == {"mine.bin": b"1"}
    assert run(*command, "--overwrite").code == 0
    assert {"mine.bin", "scores.csv"} <= other.files.keys()
    other.files, other.card = {"README.md": b"my own words"}, {}
    assert "holds other files: README.md" in run(*command).err
    other.private = False
    assert "is public" in run(*command, "--overwrite").err


def test_public_is_announced_where_it_will_be_so(run, writable, scored, monkeypatch):
    command = ("push", scored, "--repo", "ada/run", "--yes", "--public")
    public, private = (
        "(public: everybody can see it)",
        "(private: the repository exists, and --public does not change it)",
    )
    for existing, shown in ((None, public), (False, public), (True, private)):
        if existing is not None:
            writable.repositories["datasets/ada/run"].private = existing
        ran = run(*command)
        assert (ran.code, shown in " ".join(ran.out.split())) == (0, True), ran.out
    assert writable.repositories["datasets/ada/run"].private
    monkeypatch.delenv("HF_TOKEN")
    assert run(*command).code == 4


def test_an_earlier_upload_is_updated(writable, scored, own):
    assert upload(plan_push(scored, "ada/run")) == f"{writable.url}/datasets/ada/run"
    before = pushed(writable)
    altered(own, explanation="seen again")
    upload(plan_push(own, "ada/run"))
    assert b"seen again" in pushed(writable)["scores.record.jsonl"] != before["scores.record.jsonl"]
    assert len(writable.created) == 1
