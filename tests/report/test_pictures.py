"""The pictures of a report: what is in them, whose they are, and which files are never looked at."""

import base64
import io
import os

import numpy as np
import pytest
from PIL import Image

from editmetrics.images import ImageError
from editmetrics.report.pictures import ImagePlaces, amplified_difference, encoded, relative_links, take_pictures

from .tables import column, table


def decoded(text):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a table in it, which is the current one."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def scored(sources, edits):
    made = table([column("x", np.arange(float(len(edits))))])
    return type(made)(**{**made.__dict__, "sources": sources, "edits": edits})


def take(made, places, thumbnail=160, enlarged=()):
    rows = range(len(made))
    return take_pictures(made, rows, places, thumbnail=thumbnail, larger=400, enlarged=set(enlarged), workers=2)


def test_the_difference_is_four_times_the_largest_of_three_channels():
    source = np.zeros((2, 2, 3), np.uint8)
    edited = np.array([[[1, 5, 2], [63, 0, 0]], [[64, 0, 0], [0, 0, 255]]], np.uint8)
    found, why = amplified_difference(source, edited)
    assert found.tolist() == [[20, 252], [255, 255]]
    assert why is None
    np.testing.assert_array_equal(amplified_difference(edited, source)[0], found)


def test_sizes_that_differ_are_compared_and_said():
    found, why = amplified_difference(np.zeros((4, 6, 3), np.uint8), np.zeros((8, 12, 3), np.uint8))
    assert found.shape == (4, 6)
    assert not found.any()
    assert why == "sizes differ: the edited image, 12 x 8, was scaled to 6 x 4"


def test_thumbnails_are_bounded_and_keep_their_shape():
    colour = np.full((300, 600, 3), (200, 40, 90), np.uint8)
    small = decoded(encoded(colour, 160, 60))
    assert small.shape == (80, 160, 3)
    assert np.abs(small.astype(int) - colour[0, 0]).max() <= 6  # WebP keeps one colour to a few levels
    assert decoded(encoded(colour[:50, :50], 160, 60)).shape == (50, 50, 3)  # nothing is blown up


def test_one_source_is_decoded_and_carried_once(folder, monkeypatch):
    from editmetrics.report import pictures

    for name in ("s.png", "a.png", "b.png"):
        Image.new("RGB", (20, 10), "red").save(folder / name)
    seen = []
    real = pictures.read_image
    monkeypatch.setattr(pictures, "read_image", lambda image, name: seen.append(name) or real(image, name=name))
    made = scored(["s.png", "s.png"], ["a.png", "b.png"])
    found = take(made, ImagePlaces(folder / "t.csv"))
    assert sorted(seen) == ["a.png", "b.png", "s.png"]
    assert sorted(found.small) == [(0, "difference"), (0, "edited"), (0, "source"), (1, "difference"), (1, "edited")]
    assert found.shared == {0: 0, 1: 0}


def test_what_is_missing_is_said(folder):
    Image.new("RGB", (20, 10), "red").save(folder / "s.png")
    (folder / "broken.png").write_bytes(b"no image")
    made = scored(["s.png", None, "gone.png"], ["broken.png", "s.png", "http://example.org/x.png"])
    found = take(made, ImagePlaces(folder / "t.csv"))
    assert "broken.png is not an image" in found.reasons[0, "edited"]
    assert found.reasons[0, "difference"] == "there is no edited image to compare"
    assert found.reasons[1, "source"] == "the table names no source image"
    assert "gone.png is neither below" in found.reasons[2, "source"]
    assert "is not a path" in found.reasons[2, "edited"]
    assert set(found.small) == {(0, "source"), (1, "edited")}


def test_several_sources_stand_side_by_side_and_have_no_difference(folder):
    Image.new("RGB", (40, 20), "red").save(folder / "a.png")
    Image.new("RGB", (50, 100), "blue").save(folder / "b.png")
    made = scored(['["a.png", "b.png"]', '["a.png", "gone.png"]'], ["a.png", "a.png"])
    pictures = take(made, ImagePlaces(folder / "t.csv"))
    shown = decoded(pictures.small[0, "source"]).astype(int)
    assert shown.shape[:2] == (20, 40 + 1 + 10)  # as high as the lowest, with one pixel between
    assert shown[10, 20].argmax() == 0
    assert shown[10, -5].argmax() == 2
    assert "2 sources have no difference" in pictures.reasons[0, "difference"]
    assert (0, "difference") not in pictures.small
    assert "gone.png is neither below" in pictures.reasons[1, "source"]
    assert set(relative_links(made, [0], ImagePlaces(folder / "t.csv"), folder)) == {(0, "edited")}


def test_no_picture_is_taken_from_elsewhere(folder, tmp_path):
    """A table that somebody sent must not put this machine's other pictures into a report."""
    secret = tmp_path / "secret.png"
    Image.new("RGB", (20, 10), "red").save(secret)
    os.symlink(secret, folder / "link.png")
    names = [str(secret), "../secret.png", "link.png"]
    places = ImagePlaces(folder / "t.csv")
    for name in names:
        with pytest.raises(ImageError, match="is outside"):
            places.find(name)
    assert places.outside == {str(tmp_path)}
    assert not take(scored([None] * 3, names), places).small
    allowed = ImagePlaces(folder / "t.csv", [tmp_path])
    for name in names:
        assert os.path.samefile(allowed.find(name), secret)
    assert ImagePlaces(folder / "t.csv", trusted=[str(secret)]).find(str(secret)) == secret


def test_paths_are_found_from_the_table_as_from_the_current_folder(folder, tmp_path, monkeypatch):
    (folder / "a name #1.png").write_bytes(b"")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    places = ImagePlaces(folder / "t.csv")
    assert os.path.samefile(places.find("a name #1.png"), folder / "a name #1.png")
    links = relative_links(scored([None], ["a name #1.png"]), [0], places, tmp_path / "reports")
    assert links == {(0, "edited"): "./../here/a%20name%20%231.png"}


def test_larger_pictures_are_for_the_chosen_ones(folder):
    for name in ("s.png", "a.png"):
        Image.new("RGB", (800, 400), "red").save(folder / name)
    made = scored(["s.png"] * 3, ["a.png"] * 3)
    found = take(made, ImagePlaces(folder / "t.csv"), enlarged=[1])
    assert set(found.large) == {(0, "source"), (1, "edited"), (1, "difference")}
    assert decoded(found.large[1, "edited"]).shape == (200, 400, 3)
