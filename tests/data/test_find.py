"""What the paths of a command line mean, and what is said of those that mean nothing; the shipped examples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from editmetrics.data import DataError, find_samples
from editmetrics.images import read_image, read_mask

EXAMPLES = Path("docs/examples")


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("s/a.png", "s/b.png", "e/a.png", "e/b.png", "f/a.jpg", "notes.txt", "one.png", "two.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "m.csv").write_text("edited,source\ne/a.png,s/a.png\n")
    (tmp_path / "root").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("paths", "ids"),
    [
        (["s", "e"], ["a", "b"]),
        (["s", "e", "f"], ["e/a", "e/b", "f/a"]),
        (["e"], ["a", "b"]),
        (["one.png", "two.jpg"], ["two"]),
        (["one.png"], ["one"]),
        (["m.csv"], ["e/a"]),
    ],
)
def test_what_paths_mean(place, paths, ids):
    assert [sample.id for sample in find_samples(paths)] == ids
    assert [sample.id for sample in find_samples([place / path for path in paths])] == ids


@pytest.mark.parametrize(
    ("paths", "options", "message"),
    [
        ([], {}, "no path; expected a source folder"),
        (["nowhere", "e"], {}, "nowhere does not exist; expected"),
        (["https://example.org/a.png"], {}, r"https://example\.org/a\.png is a URL; download it first"),
        (["s", "one.png"], {}, r"s \(a folder\), one\.png \(an image\)"),
        (["one.png", "two.jpg", "one.png"], {}, "nothing can be made of"),
        (["m.csv", "one.png"], {}, r"m\.csv is a manifest: expected folders of edited images behind it, not one\.png"),
        (["notes.txt"], {}, "a file of another kind"),
        (["root"], {}, "root holds no image"),
        (["s", "root"], {}, "root holds no image"),
        (["s", "e"], {"root": "s"}, "no manifest is given"),
        (["m.csv"], {"prompt": "red", "masks": "s"}, "put prompt, masks into its columns"),
    ],
)
@pytest.mark.usefixtures("place")
def test_what_paths_cannot_mean(paths, options, message):
    with pytest.raises(DataError, match=message):
        find_samples(paths, **options)


def test_options_are_passed_on(place):
    found = find_samples(["s", "e"], prompt="red", masks="s", references="e")
    assert {(s.prompt, Path(s.mask).parent.name, Path(s.reference).parent.name) for s in found} == {("red", "s", "e")}
    (place / "root" / "e").mkdir()
    (sample,) = find_samples(["m.csv"], root="root")
    assert Path(sample.edited) == Path("root/e/a.png")


def test_the_examples_are_complete_and_large_enough():
    found = find_samples(
        [EXAMPLES / "source", EXAMPLES / "edited", EXAMPLES / "edited_b"], prompts=EXAMPLES / "prompts.csv"
    )
    assert found.problems() == []
    assert len(found) == 18
    for sample in found:
        source, edited = read_image(sample.source), read_image(sample.edited)
        assert source.shape == edited.shape
        assert min(source.shape[:2]) >= 200  # MS-SSIM needs over 160
        assert max(source.shape[:2]) <= 384
    size = sum(path.stat().st_size for path in EXAMPLES.rglob("*") if path.is_file())
    assert size < 3_000_000


def test_the_local_edits_of_the_examples_are_where_their_masks_say():
    found = find_samples([EXAMPLES / "source", EXAMPLES / "edited"], masks=EXAMPLES / "masks")
    masked = [sample for sample in found if sample.mask]
    assert len(masked) == 6
    for sample in masked:
        change = np.abs(read_image(sample.edited).astype(float) - read_image(sample.source)).mean(axis=2)
        mask = read_mask(sample.mask)
        assert change[mask].mean() > 4 * change[~mask].mean(), sample.id


def test_notice_names_every_photograph():
    notice = Path("NOTICE").read_text(encoding="utf-8")
    for path in (EXAMPLES / "source").iterdir():
        assert f"docs/examples/*/{path.name}" in notice
