"""The append-only journal: what is written is read again, and a cut last line costs that line alone."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from editmetrics.files.writing import BLOCK, Journal, JournalError, complete_lines, write_all

ENTRIES = st.lists(st.dictionaries(st.text(), st.text() | st.integers() | st.none()), max_size=5)


def entries_of(path):
    return [json.loads(line) for line in complete_lines(path)]


@given(entries=ENTRIES, cut=st.integers(0, 200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_journal_cut_at_any_byte_goes_on_with_its_whole_lines(tmp_path, entries, cut):
    path = tmp_path / "a.jsonl"
    path.unlink(missing_ok=True)
    with Journal(path) as journal:
        for entry in entries:
            journal.append(entry)
    whole = path.read_bytes() if path.exists() else b""
    path.write_bytes(whole[: len(whole) - min(cut, len(whole))])
    left = path.read_bytes().count(b"\n")
    assert entries_of(path) == entries[:left]
    with Journal(path) as journal:
        journal.append({"next": 1})
    assert entries_of(path) == [*entries[:left], {"next": 1}]


def test_reading_changes_nothing(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": 1}\n{"b"')
    with Journal(path) as journal:
        assert list(journal.lines()) == [b'{"a": 1}\n']
    assert path.read_bytes() == b'{"a": 1}\n{"b"'


def test_a_cut_line_longer_than_a_block_is_removed(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": 1}\n"' + b"x" * (3 * BLOCK))
    with Journal(path) as journal:
        journal.append({"b": 2})
    assert entries_of(path) == [{"a": 1}, {"b": 2}]


def test_one_process_at_a_time(tmp_path):
    with Journal(tmp_path / "a.jsonl"), pytest.raises(JournalError, match="another run is writing it"):
        Journal(tmp_path / "a.jsonl")
    Journal(tmp_path / "a.jsonl").close()


@pytest.mark.parametrize("content", [b'{"kind": "run"}\n', b'{"ki', b""])
def test_the_beginning_of_a_journal_is_its_own(tmp_path, content):
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with Journal(path, beginning=b'{"kind":') as journal:
        assert list(journal.lines()) == content.splitlines(keepends=True)[: content.count(b"\n")]


@pytest.mark.parametrize("content", [b"id,score\n", b'{"other": 1}\n', b"\n"])
def test_a_file_of_another_kind_is_left_alone(tmp_path, content):
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with Journal(path, beginning=b'{"kind":') as journal, pytest.raises(JournalError, match="move it away"):
        list(journal.lines())
    assert path.read_bytes() == content


def test_nan_never_gets_into_a_journal(tmp_path):
    with Journal(tmp_path / "a.jsonl") as journal, pytest.raises(ValueError, match="JSON"):
        journal.append({"value": float("nan")})
    assert not (tmp_path / "a.jsonl").exists()


def test_names_that_are_not_utf8_can_be_written(tmp_path):
    with Journal(tmp_path / "a.jsonl") as journal:
        journal.append({"id": "caf\udce9"})
    assert entries_of(tmp_path / "a.jsonl") == [{"id": "caf\udce9"}]


def test_a_full_disk_names_the_journal(tmp_path):
    with open("/dev/full", "ab", buffering=0) as full, pytest.raises(OSError, match=r"a\.jsonl"):
        write_all(full, b"a line\n", tmp_path / "a.jsonl")
