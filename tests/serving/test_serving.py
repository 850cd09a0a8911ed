"""`editmetrics serve`: the command line's numbers, limits, backpressure, and clients that behave badly."""

import base64
import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from editmetrics import Dimension, Metric, Sample, Score, create_metric, score
from editmetrics.files.score_json import score_from_json, score_to_json
from editmetrics.images import read_image
from editmetrics.sample import UnavailableError
from editmetrics.serving import Client, ServerError

from .bodies import json_of

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
NAMES = ("cat", "coffee", "stars")


def examples():
    return [
        Sample(
            name,
            edited=EXAMPLES / "edited" / f"{name}.jpg",
            source=EXAMPLES / "source" / f"{name}.jpg",
            prompt="make it red",
        )
        for name in NAMES
    ]


def png(level, size=(6, 8)):
    file = io.BytesIO()
    Image.fromarray(np.full((*size, 3), level, np.uint8)).save(file, "PNG")
    return file.getvalue()


class Brightness(Metric):
    """Mean of the edited image, in grey levels. Holds each batch until `go` is set; keeps their sizes."""

    name, version = "brightness", 1
    dimensions = (Dimension("brightness", low=0, high=255, primary=True),)

    def __init__(self):
        self.go, self.begun, self.batches = threading.Event(), threading.Event(), []
        self.go.set()

    def prepare(self, sample):
        return read_image(sample.edited)

    def score_batch(self, batch):
        self.batches.append(len(batch))
        self.begun.set()
        assert self.go.wait(30)
        return [Score({"brightness": item.mean()}) for item in batch]


def test_answers_equal_the_command_lines(serve):
    metrics = [create_metric(name, device="cpu") for name in ("psnr", "ssim", "ds_ieqa:weights=toy")]
    expected = score(examples(), metrics)
    served = serve([create_metric(name, device="cpu") for name in ("psnr", "ssim", "ds_ieqa:weights=toy")])
    found = Client(served.url, batch=2).score(examples())
    for index, scores in enumerate(found):
        for metric in metrics:
            one, other = scores[metric.label], expected[metric.label][index]
            # psnr and ssim go sample by sample, to the bit; a model's sums depend on the batch that forms, to rounding
            assert dict(one) == pytest.approx(dict(other), rel=0 if metric.concurrent else 1e-4)
            assert one.status == other.status
    identities = {one["label"]: one["identity"] for one in Client(served.url).metrics()}
    assert identities["ds_ieqa:weights=toy"]["weights"] == metrics[2].identity()["weights"]


def test_an_upload_gives_what_json_gives(serve):
    served = serve([create_metric("psnr", device="cpu")])
    sample = examples()[0]
    files = {"edited": sample.edited.read_bytes(), "source": sample.source.read_bytes()}
    said = httpx.post(f"{served.url}/v1/score", files=files, data={"prompt": "red", "id": "a"}, timeout=60).json()
    by_json = httpx.post(f"{served.url}/v1/score", json={"samples": [json_of(sample)]}, timeout=60).json()
    assert said["samples"][0]["scores"] == by_json["samples"][0]["scores"]
    assert said["identities"] == by_json["identities"]
    twice = [("edited", files["edited"]), ("source", files["source"]), ("source", files["source"])]
    skipped = httpx.post(f"{served.url}/v1/score", files=twice, timeout=60).json()["samples"][0]["scores"]["psnr"]
    assert skipped["reason"] == "psnr takes one source image; this sample has 2"
    twice = [("edited", files["edited"]), *twice]
    assert httpx.post(f"{served.url}/v1/score", files=twice).status_code == 422


def test_images_by_path_only_below_the_folder_that_is_allowed(serve, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(png(7))
    (tmp_path / "secret.png").write_bytes(png(9))
    (tmp_path / "images" / "link.png").symlink_to(tmp_path / "secret.png")
    closed, open_ = serve([Brightness()]), serve([Brightness()], folder=tmp_path / "images")

    def ask(served, path):
        body = json.dumps({"samples": [{"edited": {"path": path}}]})  # in ASCII, which carries half characters
        return httpx.post(f"{served.url}/v1/score", content=body, timeout=60)

    assert ask(closed, "a.png").status_code == 422
    assert "reads no files" in ask(closed, "a.png").json()["error"]
    assert ask(open_, "a.png").json()["samples"][0]["scores"]["brightness"]["values"] == {"brightness": 7.0}
    assert ask(open_, 5).status_code == 422
    for path in ("../secret.png", str(tmp_path / "secret.png"), "link.png", "a/../../secret.png", "\0", "x" * 5000,
                 "\ud800.png"):  # fmt: skip
        refused = ask(open_, path).json()["samples"][0]["scores"]["brightness"]
        assert (refused["status"], refused["values"]) == ("failed", {}), path
        assert str(tmp_path) not in refused["reason"].replace(f"{path!r:.80}", "")  # what the client itself sent
    missing = ask(open_, "none.png").json()["samples"][0]["scores"]["brightness"]
    assert missing["status"] == "failed"
    assert "none.png" in missing["reason"]
    assert str(tmp_path) not in missing["reason"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "invalid JSON"),
        (b"[]", 'expected {"samples"'),
        (b'{"samples": []}', "contains no samples"),
        (b'{"samples": [5]}', "expected a sample"),
        (b'{"samples": [{"edited": "cat.png"}]}', "expected"),
        (b'{"samples": [{"prompt": "x"}]}', "requires the image edited"),
        (b'{"samples": [{"edit": {"base64": ""}}]}', "has no field 'edit'"),
        (b'{"samples": [{"edited": {"base64": ""}, "questions": "x"}]}', "expected a list of texts"),
        (b'{"samples": [{"edited": {"base64": ""}, "prompt": ["x"]}]}', "expected text"),
        (b"\xff\xfe", "invalid JSON"),
        (b"[" * 100_000, "invalid JSON"),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(serve, body, said):
    answer = httpx.post(f"{serve([Brightness()]).url}/v1/score", content=body)
    assert answer.status_code == 422
    assert said in answer.json()["error"]


def test_a_bad_form_is_told_what_is_wrong(serve):
    served = serve([Brightness()])
    headers = {"content-type": "multipart/form-data; boundary=x"}
    broken = httpx.post(f"{served.url}/v1/score", content=b"--y\r\n nonsense", headers=headers)
    assert broken.status_code == 422
    assert httpx.post(f"{served.url}/v1/score", files={"source": png(1)}).status_code == 422


def test_a_corrupt_image_fails_alone(serve):
    served = serve([Brightness()])
    samples = [Sample("a", edited=png(3)), Sample("b", edited=b"broken"), Sample("c", edited=png(5))]
    found = [scores["brightness"] for scores in Client(served.url).score(samples)]
    assert [one.status for one in found] == ["ok", "failed", "ok"]
    assert (found[0]["brightness"], found[2]["brightness"]) == (3.0, 5.0)


def test_too_large_a_request_is_refused_however_it_is_sent(serve):
    served = serve([Brightness()], max_bytes=1000)
    body = json.dumps({"samples": [{"edited": {"base64": base64.b64encode(bytes(2000)).decode()}}]}).encode()
    assert httpx.post(f"{served.url}/v1/score", content=body).status_code == 413
    assert httpx.post(f"{served.url}/v1/score", content=iter([body[:900], body[900:]])).status_code == 413  # chunked


def test_what_waits_is_scored_in_full_batches(serve):
    metric = Brightness()
    metric.go.clear()
    served = serve([metric], batch_size=4)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(Client(served.url).score, [Sample("0", edited=png(0))])
        assert metric.begun.wait(30)
        rest = [pool.submit(Client(served.url).score, [Sample(str(i), edited=png(i))]) for i in range(1, 9)]
        while httpx.get(f"{served.url}/ready").json()["waiting"] < 9:
            pass
        metric.go.set()
        found = [one.result()[0]["brightness"]["brightness"] for one in [first, *rest]]
    assert found == [float(i) for i in range(9)]
    assert metric.batches == [1, 4, 4]


def test_a_full_queue_refuses_and_patient_clients_get_through(serve):
    metric = Brightness()
    metric.go.clear()
    served = serve([metric], capacity=3, batch_size=1)
    waiting = [Sample(str(i), edited=png(i)) for i in range(3)]
    with ThreadPoolExecutor(2) as pool:
        taken = pool.submit(Client(served.url, batch=3).score, waiting)
        assert metric.begun.wait(30)
        refused = httpx.post(f"{served.url}/v1/score", json={"samples": [json_of(Sample("x", edited=png(9)))]})
        assert refused.status_code == 503
        assert int(refused.headers["Retry-After"]) >= 1
        assert httpx.get(f"{served.url}/ready").status_code == 503
        assert httpx.get(f"{served.url}/health").status_code == 200
        with pytest.raises(ServerError, match="gave up after 0 s"):
            Client(served.url, patience=0).score([Sample("x", edited=png(9))])
        patient = pool.submit(Client(served.url).score, [Sample("x", edited=png(9))])
        metric.go.set()
        assert float(patient.result()[0]["brightness"]) == 9.0
        assert [float(one["brightness"]) for one in taken.result()] == [0.0, 1.0, 2.0]


def test_slow_and_broken_clients_harm_no_other_and_nothing_is_lost(serve):
    served = serve([Brightness()], body_timeout=2.0)
    head = b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"
    slow = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(8)]
    for each in slow:
        each.sendall(head)  # and never the rest
    for cut in (head, head[:30], b"\0\1\2\3\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", served.port)) as each:
            each.sendall(cut)
    samples = [Sample(str(i), edited=png(i % 256)) for i in range(300)]
    found = Client(served.url, batch=1, parallel=16).score(samples)
    assert [float(one["brightness"]) for one in found] == [float(i % 256) for i in range(300)]
    for each in slow:
        assert each.recv(4096).startswith(b"HTTP/1.1 408")
        each.close()
    text = httpx.get(f"{served.url}/metrics").text
    counted = dict(re.findall(r'editmetrics_requests_total\{code="(\d+)"\} (\S+)', text))
    assert counted["200"] == "300.0"
    assert 'editmetrics_scores_total{metric="brightness",status="ok"} 300.0' in text
    assert re.search(r"editmetrics_batch_samples_sum 300.0", text)


def test_infinite_scores_and_all_that_a_score_carries_survive_the_wire():
    whole = Score({"a": np.inf, "b": 2.5}, uncertainty={"a": 0.5}, explanation="ü <b>", details={"x": [1]})
    for one in (whole, Score.unscored("refused", "no"), Score({"a": 1.0}, "unparseable", "half", details={"y": 2})):
        assert score_from_json(json.loads(json.dumps(score_to_json(one), allow_nan=False))) == one


def test_pixels_in_memory_arrive_as_they_are(serve):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    (found,) = Client(serve([create_metric("psnr", device="cpu")]).url).score(
        [Sample("a", edited=pixels, source=pixels)]
    )
    assert float(found["psnr"]) == np.inf


def test_weights_that_cannot_be_loaded_end_the_command_and_say_why(tmp_path):
    command = [sys.executable, "-m", "editmetrics", "serve", "-m", "hpe_lsa", "--port", "0"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ})
    assert ran.returncode == 2
    assert "hpe_lsa has no published weights" in ran.stderr
    assert "Traceback" not in ran.stderr


BAD = {
    "a file that is not there": Sample("x", edited="nowhere.png"),
    "pixels that overshoot": Sample("x", edited=np.full((4, 4, 3), 1.02, np.float32)),
    "a batch of images": Sample("x", edited=np.zeros((2, 4, 4, 3), np.uint8)),
    "an image that cannot be decoded": Sample("x", edited=b"broken"),
    "half a character": Sample("x", edited=png(1), prompt="\ud83d"),
    "no image at all": Sample("x", edited=object()),
    "more than fits into a request": Sample("x", edited=bytes(3000)),
    "a small file of many pixels": Sample("x", edited=png(1, size=(300, 300))),
}


@pytest.mark.parametrize("kind", BAD)
def test_one_bad_sample_costs_no_other_of_its_batch(serve, kind):
    served = serve([Brightness()], max_pixels=50_000, max_bytes=3000)
    samples = [Sample("a", edited=png(3)), BAD[kind], Sample("b", edited=png(5)), Sample("c", edited=png(7))]
    found = [scores["brightness"] for scores in Client(served.url, batch=4).score(samples)]
    assert [one.status for one in found] == ["ok", "failed", "ok", "ok"]
    assert [float(found[index]) for index in (0, 2, 3)] == [3.0, 5.0, 7.0]
    assert found[1].reason
    (alone,) = Client(served.url).score([BAD[kind]])  # no other answer says what is served
    assert alone["brightness"].status == "failed"


def test_an_id_comes_back_as_it_was_whatever_it_is(serve):
    ids = ["\ud800", "a\x1b[2J", "\u202e", "", "x" * 1000]
    body = {"samples": [json_of(Sample(name, edited=png(4))) for name in ids]}
    answer = httpx.post(f"{serve([Brightness()]).url}/v1/score", content=json.dumps(body))
    assert answer.status_code == 200
    assert [one["id"] for one in json.loads(answer.text)["samples"]] == ids


@pytest.mark.parametrize("damage", [{"base64": "!"}, {"base64": 5}, {"base64": "AAA"}])
def test_what_is_no_base64_costs_its_sample(serve, damage):
    body = {"samples": [json_of(Sample("a", edited=png(4))), {"edited": damage}]}
    good, bad = httpx.post(f"{serve([Brightness()]).url}/v1/score", json=body).json()["samples"]
    assert good["scores"]["brightness"]["status"] == "ok"
    assert bad["scores"]["brightness"]["status"] == "failed"
    assert "invalid base64" in bad["scores"]["brightness"]["reason"]


def test_a_metric_that_breaks_for_one_sample_costs_that_sample(serve, monkeypatch):
    from editmetrics.serving import batcher

    whole = batcher.score_loaded

    def broken(metrics, samples, **options):
        if any(sample.id == "bad" for sample in samples):
            raise ZeroDivisionError("a defect")
        return whole(metrics, samples, **options)

    monkeypatch.setattr(batcher, "score_loaded", broken)
    samples = [Sample("a", edited=png(3)), Sample("bad", edited=png(4)), Sample("c", edited=png(5))]
    found = [scores["brightness"] for scores in Client(serve([Brightness()]).url).score(samples)]
    assert [one.status for one in found] == ["ok", "failed", "ok"]
    assert found[1].reason == "ZeroDivisionError: a defect"


def test_a_small_request_cannot_claim_more_pixels_than_the_server_decodes(serve):
    """0.7 MB of PNG once became 4 GB of pixels: what the headers claim is added up before anything is decoded."""
    metric = Brightness()
    served = serve([metric], max_pixels=1_000_000)
    large, fitting = png(1, size=(900, 900)), png(2, size=(600, 600))
    pair = json_of(Sample("pair", edited=large, source=large))
    (scores,) = httpx.post(f"{served.url}/v1/score", json={"samples": [pair]}).json()["samples"]
    assert scores["scores"]["brightness"]["status"] == "failed"
    assert "1620000 pixels; this server decodes 1000000" in scores["scores"]["brightness"]["reason"]
    both = {"samples": [json_of(Sample(str(i), edited=fitting)) for i in range(4)]}
    refused = httpx.post(f"{served.url}/v1/score", json=both)
    assert (refused.status_code, metric.batches) == (413, [])
    found = Client(served.url, batch=4).score([Sample(str(i), edited=fitting) for i in range(4)])  # in halves
    assert [float(one["brightness"]) for one in found] == [2.0] * 4
    assert max(metric.batches) <= 3  # 360,000 pixels each: a batch is full when it has a million


def test_one_request_has_no_more_samples_than_the_queue(serve):
    metric = Brightness()
    served = serve([metric], capacity=5)
    body = {"samples": [{"edited": {"base64": ""}}] * 6}
    refused = httpx.post(f"{served.url}/v1/score", json=body)
    assert refused.status_code == 413
    assert "6 samples in one request; this server takes 5" in refused.json()["error"]
    assert metric.batches == []
    found = Client(served.url, batch=20).score([Sample(str(i), edited=png(i)) for i in range(20)])
    assert [float(one["brightness"]) for one in found] == [float(i) for i in range(20)]


@pytest.mark.parametrize("begun", [b"", b"POST /v1/score HT", b"POST /v1/score HTTP/1.1\r\nHost: x\r\nX: ",
                                   b"GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /hea"])  # fmt: skip
def test_headers_that_never_end_do_not_hold_a_connection(serve, begun):
    served = serve([Brightness()], header_timeout=0.5)
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as slow:
        slow.sendall(begun)
        while slow.recv(4096):  # an answer to what was whole; then the server hangs up
            pass
    assert httpx.get(f"{served.url}/health").status_code == 200


def test_headers_that_arrive_in_time_are_answered(serve):
    served = serve([Brightness()], header_timeout=5)
    with httpx.Client() as http:
        for _ in range(3):  # one connection
            assert http.get(f"{served.url}/health").status_code == 200


@pytest.mark.parametrize("answer", [b"<html>", b'{"samples": []}', b'{"samples": [{"scores": 5}]}', b"[]"])
def test_an_answer_that_makes_no_sense_is_an_error(answer):
    import http.server

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.handle_request).start()
        with pytest.raises(ServerError, match="answered"):
            Client(f"http://127.0.0.1:{server.server_address[1]}").score([Sample("a", edited=png(1))])


def test_a_server_that_is_not_there_is_unavailable_and_named():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for sample in (Sample("a", edited=png(1)), Sample("a", edited="nowhere.png")):
        with pytest.raises(UnavailableError, match=f"127.0.0.1:{port} cannot be reached"):
            Client(f"http://127.0.0.1:{port}", patience=0).score([sample])
