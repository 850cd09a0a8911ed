"""Ratings as spreadsheets, forms and other programs write them: each form gives the numbers of the plain one."""

from __future__ import annotations

import pytest
from scipy import stats

from editmetrics import evaluate
from editmetrics.agreement.join import on_pairs
from editmetrics.agreement.measure import AgreementError
from editmetrics.agreement.ratings import RatingsError, rating_column, read_ratings
from editmetrics.files.text import DataError

NAMES = ("cat", "dog", "eel", "owl", "ape", "fox")
PSNR = (20.0, 25.0, 31.0, 24.0, 28.0, 22.0)
MOS = (3.5, 2.0, 4.25, 3.0, 4.5, 1.0)
SRCC = stats.spearmanr(PSNR, MOS).statistic
SCORES = {"id": list(NAMES), "psnr": list(PSNR)}


def comma(number):
    return str(number).replace(".", ",")


RATED = {
    "plain.csv": "id,mos\n" + "".join(f"{n},{m}\n" for n, m in zip(NAMES, MOS, strict=True)),
    "excel.csv": "Image;Score;StdDev\r\n"
    + "".join(f"{n}.jpg;{comma(m)};0,5\r\n" for n, m in zip(NAMES, MOS, strict=True)),
    "paths.tsv": "file_path\tMOS\n" + "".join(f"data/src/{n}.png\t{m}\n" for n, m in zip(NAMES, MOS, strict=True)),
    "foreign.csv": "Bild,Note\n" + "".join(f"{n}.webp,{m}\n" for n, m in zip(NAMES, MOS, strict=True)),
}


@pytest.mark.parametrize("name", RATED)
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_ratings_of_file_names_are_joined(tmp_path, name, encoding):
    (tmp_path / name).write_text(RATED[name], encoding=encoding, newline="")
    agreement = evaluate(SCORES, tmp_path / name, measures=["srcc"])
    (line,) = agreement.lines
    assert (line.n, line.excluded, line.value) == (6, 0, pytest.approx(SRCC))
    how = {"plain.csv": "id", "paths.tsv": "the last parts of id"}.get(name, "id, without suffixes")
    assert f"joined by {how}: 6 of 6 rated items" in agreement.notes


def test_on_names_a_column_of_each_table():
    scores = {"key": [f"out/{name}.png" for name in NAMES], "psnr": PSNR}
    ratings = {"Bild": [*NAMES], "mos": MOS, "time": range(6)}
    for on in (["key=Bild"], [("key", "Bild")]):
        agreement = evaluate(scores, ratings, pairs={"psnr": "mos"}, on=on)
        assert agreement.value("psnr", "srcc") == pytest.approx(SRCC)
        assert "joined by the last parts of key = Bild: 6 of 6 rated items" in agreement.notes
    assert on_pairs(["id", "a=b", ("c", "d")]) == [("id", "id"), ("a", "b"), ("c", "d")]
    with pytest.raises(AgreementError, match="the table of ratings has no column 'Bild2'"):
        evaluate(scores, ratings, on=["key=Bild2"])


def test_columns_are_read_as_others_in_the_table_that_has_them():
    ratings = {"Bild": [*NAMES], "Modell": ["m"] * 6, "Note": MOS}
    agreement = evaluate({**SCORES, "key": [1] * 6}, ratings, columns={"id": "Bild", "mos": "Note"}, measures=["srcc"])
    assert {(line.score, line.rating) for line in agreement.lines} == {("psnr", "mos"), ("key", "mos")}
    assert agreement.settings["columns_read_as"] == {"id": "Bild", "mos": "Note"}
    with pytest.raises(AgreementError, match="neither the table of scores nor the table of ratings has a column 'Bil'"):
        evaluate(SCORES, ratings, columns={"id": "Bil"})


def test_names_stay_apart_where_their_last_parts_are_equal():
    ratings = {"id": ["a/cat.png", "b/cat.png", "a/dog.png"], "mos": [1, 2, 3]}
    with pytest.raises(AgreementError, match="cannot be joined: no id of the table of ratings"):
        evaluate({"id": ["cat", "dog", "eel"], "psnr": [1, 2, 3]}, ratings)


def two_systems():
    ids = [f"{system}/{name}" for system in ("a", "b") for name in NAMES]
    return {"id": ids, "system": ["a"] * 6 + ["b"] * 6, "psnr": [*PSNR, *PSNR[::-1]]}


def test_ids_with_their_system_match_names_beside_a_system():
    """Ratings in another order, of which one column, whatever it is called, is the system."""
    rows = [(f"{name}.jpg", system, mos) for name, mos in zip(NAMES, MOS, strict=True) for system in ("b", "a")]
    image, model, mos = (list(column) for column in zip(*rows, strict=True))
    expected = stats.spearmanr([*PSNR, *PSNR[::-1]], [*MOS, *MOS]).statistic
    agreement = evaluate(two_systems(), {"Image": image, "model": model, "mos": mos})
    assert agreement.value("psnr", "srcc") == pytest.approx(expected)
    ratings = {"id": image, "M": model, "mos": mos}
    assert evaluate(two_systems(), ratings, columns={"system": "M"}).value("psnr", "srcc") == pytest.approx(expected)


def test_ids_with_their_system_alone_name_the_remedy():
    with pytest.raises(AgreementError, match=r"the system \(a/ape, a/cat and 10 more\).*--map system=COLUMN"):
        evaluate(two_systems(), {"Image": [f"{name}.jpg" for name in NAMES], "mos": MOS})


def test_two_columns_that_may_name_the_image_are_refused():
    with pytest.raises(DataError, match="'image' and 'file' may both be id; choose one: --map id=image"):
        evaluate(SCORES, {"image": [*NAMES], "file": [*NAMES], "mos": MOS})


# ---------------------------------------------------------------- raw ratings

LONG = "subject,item,value\nann,cat.jpg,4\nann,dog.jpg,2\nbob,cat.jpg,5\nbob,dog.jpg,3.5\neve,cat.jpg,3\n"
SHAPES = {
    "long": LONG,
    "headings": LONG.replace("subject,item,value", "Annotator,Image Name,Score"),
    "id": LONG.replace("subject,item,value", "rater_id,id,rating"),
    "foreign item": LONG.replace("subject,item,value", "participant,Bild,grade"),
    "raters": "image,ann,bob,eve\ncat.jpg,4,5,3\ndog.jpg,2,3.5,\n",
    "excel": "Image;Comment;ann;bob;eve\ncat.jpg;;4;5;3\ndog.jpg;so, so;2;3,5;\n",
    "form": "Timestamp,Name,cat.jpg,dog.jpg\n1,ann,4,2\n2,bob,5,3.5\n3,eve,3,\n",
}


def as_dict(ratings):
    names = zip(ratings.subject.tolist(), ratings.item.tolist(), strict=True)
    keys = [(ratings.subjects[subject], ratings.items[item]) for subject, item in names]
    return dict(zip(keys, ratings.value.tolist(), strict=True))


@pytest.mark.parametrize("shape", SHAPES)
def test_raw_ratings_of_every_shape_are_the_same(tmp_path, shape):
    (tmp_path / "raw.csv").write_text(SHAPES[shape])
    (tmp_path / "long.csv").write_text(LONG)
    raters = ["ann,bob", "e*"] if shape in ("raters", "excel") else []
    column = rating_column(tmp_path / "raw.csv", raters=raters)
    expected = read_ratings(tmp_path / "long.csv", "value")
    assert as_dict(read_ratings(tmp_path / "raw.csv", column, raters=raters)) == as_dict(expected)


@pytest.mark.parametrize("names", [("rater_1", "rater_2"), ("R1", "R2"), ("Rater A", "Rater B"), ("p01", "p02")])
def test_columns_of_raters_are_detected_and_said(tmp_path, names, caplog):
    path = tmp_path / "raw.csv"
    path.write_text(f"image,age,{','.join(names)}\ncat.jpg,30,4,5\ndog.jpg,31,2,3\n")
    ratings = read_ratings(path, rating_column(path))
    assert (ratings.subjects, ratings.items, ratings.value.tolist()) == (names, ("cat.jpg", "dog.jpg"), [4, 5, 2, 3])
    assert f"read as one column for each rater: {', '.join(names)} (--raters NAMES chooses)" in caplog.text


@pytest.mark.parametrize("header", ["image,mos,sd", "image,quality,alignment", "image,q1,q2", "image,ann,bob"])
def test_other_columns_of_numbers_are_no_raters(tmp_path, header):
    (tmp_path / "raw.csv").write_text(f"{header}\ncat.jpg,4,5\ndog.jpg,2,3\n")
    with pytest.raises(RatingsError, match=r"no column 'subject'; .*if each rater has a column, name these: --raters"):
        rating_column(tmp_path / "raw.csv")


def test_several_columns_may_name_an_item(tmp_path):
    path = tmp_path / "raw.csv"
    path.write_text("rater,model,image,score\nann,a,cat,1\nann,b,cat,2\n")
    with pytest.raises(RatingsError, match=r"--item system,image"):
        read_ratings(path, "score")
    assert read_ratings(path, "score", item="model, image").items == ("a/cat", "b/cat")


def test_all_that_is_wrong_is_said_at_once_in_the_order_of_lines(tmp_path):
    path = tmp_path / "raw.csv"
    path.write_text("rater,image,score\nann,cat,4\n,dog,2\nbob,,3\nann,dog,2,5\n,,1\n")
    with pytest.raises(RatingsError) as caught:
        read_ratings(path, "score")
    assert str(caught.value).splitlines() == [
        f"{path} has 4 problems:",
        "  line 3: column 'subject' is empty; fill it in",
        "  line 4: column 'item' is empty; fill it in",
        "  line 5: has 4 cells where the first line names 3 columns; correct or remove the row",
        "  line 6: column 'subject' and 'item' is empty; fill it in",
    ]
    path.write_text("who,what,score\nann,cat,4\n")
    with pytest.raises(RatingsError, match=r"2 problems:\n.*no column 'subject'.*\n.*no column 'item'"):
        read_ratings(path, "score")
    with pytest.raises(RatingsError, match="has no column x for --raters; its columns are who, score"):
        read_ratings(path, "value", raters=["x"], item="what")
