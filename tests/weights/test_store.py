"""Trust on first use, files put there by hand, and when a file is hashed again."""

from __future__ import annotations

import os

import pytest

from editmetrics import weights

from .toy import BODY, DIGEST, OTHER, left_behind, put_by_hand, record


def test_what_was_recorded_first_is_expected_ever_after(toy, server, home):
    toy()
    assert weights.checksums(["toy"]) == {"toy": {"toy.bin": "unknown until downloaded"}}
    weights.pull("toy")
    assert weights.checksums(["toy"]) == {"toy": {"toy.bin": DIGEST}}
    weights.path("toy").unlink()
    assert weights.checksums(["toy"]) == {"toy": {"toy.bin": DIGEST}}
    server.bodies["/models/toy.bin"] = OTHER
    with pytest.raises(
        weights.WeightsError, match=f"{DIGEST} was recorded on .*if the change is meant, delete .*record"
    ):
        weights.pull("toy")
    (home / "toy" / "record.json").unlink()
    weights.pull("toy")
    assert weights.path("toy").read_bytes() == OTHER


@pytest.mark.parametrize("known", [{}, {"sha256": DIGEST[:12]}])
def test_a_file_put_there_by_hand_is_verified_and_recorded(toy, server, home, known):
    toy(**known)
    file = put_by_hand(home)
    assert weights.path("toy", "toy.bin") == weights.pull("toy") / "toy.bin" == file
    assert record(home).items() >= {"sha256": DIGEST, "origin": "put there by hand"}.items()
    assert server.requests == []


def test_a_wrong_file_put_there_by_hand_is_not_used(toy, home):
    toy(sha256=DIGEST)
    put_by_hand(home, OTHER)
    for use in (weights.path, weights.pull, weights.verify, lambda name: weights.checksums([name])):
        with pytest.raises(weights.WeightsError, match=r"toy\.bin is not used: its sha256 is .* Delete it and run"):
            use("toy")


def test_a_file_that_changed_is_not_used(toy, home):
    toy()
    file = weights.pull("toy") / "toy.bin"
    file.write_bytes(OTHER)
    with pytest.raises(weights.WeightsError, match="was recorded on"):
        weights.path("toy")


def test_a_copied_store_is_hashed_again_and_then_known(toy, home):
    toy()
    file = weights.pull("toy") / "toy.bin"
    origin = record(home)["origin"]
    os.utime(file, ns=(1, 1))
    assert weights.path("toy") == file
    assert (record(home)["mtime_ns"], record(home)["origin"]) == (1, origin)


def test_a_change_that_keeps_size_and_time_is_noticed(toy, home):
    toy()
    file = weights.pull("toy") / "toy.bin"
    before = file.stat()
    file.write_bytes(OTHER)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    with pytest.raises(weights.WeightsError, match="was recorded on"):
        weights.path("toy")


def test_a_store_that_cannot_be_written_is_hashed_once_all_the_same(toy, home, hashed):
    toy(sha256=DIGEST)
    file = put_by_hand(home)
    (home / "toy.lock").mkdir()  # no lock can be had, as in a folder without write permission
    assert [weights.path("toy"), weights.path("toy")] == [file, file]
    assert hashed == [file]
    assert left_behind(home) == {"toy/toy.bin"}


def test_a_store_that_cannot_be_written_cannot_be_pulled_into(toy, home):
    toy()
    home.parent.mkdir()
    home.write_text("a file, where the store should be")
    with pytest.raises(weights.WeightsError, match=r"toy cannot be stored.*EDITMETRICS_HOME"):
        weights.pull("toy")


@pytest.mark.parametrize(
    "text",
    ["{", "{}", "null", '{"files": null}', '{"files": []}', '{"files": {"toy.bin": null}}',
     '{"files": {"toy.bin": {}}}', '{"files": {"toy.bin": {"sha256": null}}}',
     '{"files": {"toy.bin": {"sha256": "no"}}}',
     "[" * 100_000],
)  # fmt: skip
def test_a_damaged_record_is_a_clear_error(toy, home, text):
    toy()
    (weights.pull("toy") / "record.json").write_text(text)
    for use in (weights.path, weights.pull, weights.verify, lambda name: weights.checksums([name])):
        with pytest.raises(weights.WeightsError, match=r"record\.json cannot be read.*delete it"):
            use("toy")
    (home / "toy" / "record.json").unlink()
    assert weights.path("toy").read_bytes() == BODY


def test_a_record_without_what_no_one_needs_is_enough(toy, home):
    toy()
    file = weights.pull("toy") / "toy.bin"
    (home / "toy" / "record.json").write_text(f'{{"files": {{"toy.bin": {{"sha256": "{DIGEST}"}}}}}}')
    assert weights.path("toy") == file
    file.write_bytes(OTHER)
    (home / "toy" / "record.json").write_text(f'{{"files": {{"toy.bin": {{"sha256": "{DIGEST}"}}}}}}')
    with pytest.raises(weights.WeightsError, match="was recorded on an unknown date"):
        weights.path("toy")


def test_a_substitute_is_used_and_named_by_its_true_checksum(tmp_path):
    file = tmp_path / "alexnet-owt-7be5be79.pth"
    file.write_bytes(BODY)
    with weights.substitute("lpips-alexnet", tmp_path):
        assert weights.path("lpips-alexnet") == file
        assert weights.checksums(["lpips-alexnet"]) == {"lpips-alexnet": {file.name: DIGEST}}
    assert weights.find("lpips-alexnet") is None
    assert weights.checksums(["lpips-alexnet"])["lpips-alexnet"][file.name].startswith("7be5be79")
    assert [kept.name for kept in tmp_path.iterdir() if kept.is_file()] == [file.name]
