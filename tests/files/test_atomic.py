"""Files and folders appear whole or not at all."""

import os
import stat

import pytest

from editmetrics.files.text import DataError
from editmetrics.files.writing import make_folder, replacing, replacing_folder, write_text


def test_a_failure_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(path) as temporary:
        temporary.write_text(f"half {1 / 0}")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("durable", [True, False])
def test_the_new_file_replaces_the_old_one_with_the_usual_permissions(tmp_path, durable):
    (tmp_path / "usual").touch()
    with replacing(tmp_path / "a.txt", durable=durable) as temporary:
        temporary.write_text("new")
    assert (tmp_path / "a.txt").read_text() == "new"
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == stat.S_IMODE((tmp_path / "usual").stat().st_mode)


def test_an_error_of_the_disk_names_the_file(tmp_path):
    with pytest.raises(OSError, match=r"missing/a\.txt"):
        write_text(tmp_path / "missing" / "a.txt", "x")


def test_what_is_not_text_is_written_as_an_escape(tmp_path):
    write_text(tmp_path / "a.txt", "caf\udce9\r\n")
    assert (tmp_path / "a.txt").read_bytes() == b"caf\\udce9\r\n"


def test_a_folder_appears_at_the_end(tmp_path):
    with replacing_folder(tmp_path / "a") as partial:
        (partial / "x").write_text("1")
        assert not (tmp_path / "a").exists()
    assert (tmp_path / "a" / "x").read_text() == "1"


def test_an_empty_folder_is_replaced_and_a_full_one_is_not(tmp_path):
    (tmp_path / "a").mkdir()
    with replacing_folder(tmp_path / "a") as partial:
        (partial / "x").touch()
    with pytest.raises(OSError, match="not empty"), replacing_folder(tmp_path / "a") as partial:
        (partial / "y").touch()
    assert os.listdir(tmp_path / "a") == ["x"]


def test_what_a_killed_process_left_is_removed(tmp_path):
    (tmp_path / ".a.partial").mkdir()
    (tmp_path / ".a.partial" / "half").touch()
    with replacing_folder(tmp_path / "a") as partial:
        (partial / "x").touch()
    assert os.listdir(tmp_path) == ["a"]
    assert os.listdir(tmp_path / "a") == ["x"]


def test_a_missing_folder_is_made_or_named(tmp_path):
    make_folder(tmp_path / "a.csv")
    make_folder(tmp_path / "new" / "inner" / "a.csv")
    assert (tmp_path / "new" / "inner").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"a\.csv: the folder .*/file/x cannot be created: not a directory"):
        make_folder(tmp_path / "file" / "x" / "a.csv")
