"""How images travel: JPEG with coarse colours, a file's own bytes under a declared type, each encoded once."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image as Pillow

from editmetrics.images import ImageError
from editmetrics.judge import EncodedImage, Encoding, Image, JudgeError, Message, Question, open_judge

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)


def asked(*parts):
    return Question((Message("user", parts),))


def sent(request):
    """The parts of the last message: texts, and images as (type, bytes, detail)."""
    parts = []
    for part in request.body["messages"][-1]["content"]:
        if part["type"] == "text":
            parts.append(part["text"])
            continue
        head, data = part["image_url"]["url"].split(",")
        parts.append((head, base64.b64decode(data), part["image_url"].get("detail")))
    return parts


def saved(form, **options):
    file = io.BytesIO()
    Pillow.fromarray(PIXELS).save(file, form, **options)
    return file.getvalue()


def test_coarse_colours_are_what_pillow_writes_by_itself():
    assert Encoding("jpeg", quality=75, subsampling="4:2:0").encode(PIXELS).data == saved("JPEG")
    assert Encoding("jpeg", quality=75).encode(PIXELS).data == saved("JPEG", quality=75, subsampling=0)


def test_texts_and_images_keep_their_order_and_each_image_its_encoding(judge, server, tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(saved("JPEG", quality=90))
    as_png = Image(str(path), Encoding("bytes", mime="image/png", detail="high"))
    question = asked("Before:", as_png, "After:", Image(path.read_bytes(), Encoding("bytes")), "Same?", Image(PIXELS))
    judge(cache=False).ask(question)
    first, declared, second, true, last, pixels = sent(server.requests[0])
    assert (first, second, last) == ("Before:", "After:", "Same?")
    assert declared == ("data:image/png;base64", path.read_bytes(), "high")
    assert true == ("data:image/jpeg;base64", path.read_bytes(), None)
    assert pixels[0] == "data:image/png;base64"
    np.testing.assert_array_equal(np.asarray(Pillow.open(io.BytesIO(pixels[1]))), PIXELS)


def test_pixels_without_a_file_are_sent_as_png(judge, server):
    judge(cache=False).ask(asked("?", Image(PIXELS, Encoding("bytes", mime="image/jpeg"))))
    head, data, _ = sent(server.requests[0])[1]
    assert head == "data:image/jpeg;base64"
    assert data.startswith(b"\x89PNG")


def test_what_is_no_image_is_not_sent(judge, server, tmp_path):
    (tmp_path / "text.png").write_text("not an image")
    (answer,) = judge(cache=False).ask_all([asked("?", Image(str(tmp_path / "text.png"), Encoding("bytes")))])
    assert answer.status == "failed"
    assert "text.png" in answer.reason
    assert not server.requests
    with pytest.raises(ImageError):
        Encoding("bytes").encode(saved("JPEG")[:200])


def test_the_cache_knows_an_encoded_image_by_bytes_and_type(judge, server, tmp_path):
    data = saved("JPEG", quality=90)
    for image in (
        Image(data, Encoding("bytes")),
        Image(EncodedImage(data, "image/jpeg")),  # the same, encoded before
        Image(data, Encoding("bytes", mime="image/png")),
        Image(data),  # its pixels as PNG
        Image(data, Encoding("jpeg", quality=75)),
        Image(data, Encoding("jpeg", quality=75, subsampling="4:2:0")),
    ):
        judge().ask(asked("?", image))
    assert len(server.requests) == 5


def test_the_limit_has_the_name_that_is_asked_for(judge, server):
    judge(cache=False, max_tokens=7, limit_name="max_completion_tokens").ask("?")
    judge(cache=False, max_tokens=7).ask("?")
    assert server.requests[0].body["max_completion_tokens"] == server.requests[1].body["max_tokens"] == 7
    assert "max_tokens" not in server.requests[0].body


def test_the_identity_of_older_encodings_is_what_it_was():
    assert Encoding().identity() == {"form": "png", "max_side": None, "detail": None}
    assert Encoding("jpeg").identity() == {"form": "jpeg", "quality": 95, "max_side": None, "detail": None}
    assert Encoding("jpeg", subsampling="4:2:0").identity()["subsampling"] == "4:2:0"
    assert Encoding("bytes", mime="image/png").identity()["mime"] == "image/png"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"form": "gif"}, "expected 'png', 'jpeg' or 'bytes'"),
        ({"form": "jpeg", "subsampling": "4:1:1"}, "expected '4:4:4' or '4:2:0'"),
        ({"form": "bytes", "max_side": 10}, "leave one out"),
    ],
)
def test_an_impossible_encoding_is_refused(options, problem):
    with pytest.raises(ValueError, match=problem):
        Encoding(**options)


def test_bytes_are_for_single_images(server):
    with pytest.raises(JudgeError, match="single images"):
        open_judge("judge", endpoint=server.url, images=Encoding("bytes"))
