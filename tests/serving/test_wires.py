"""The wires of other programs, tensors, the choice of metrics, deadlines, clients that leave, turns, and the token."""

import base64
import contextlib
import json
import pickle
import re
import socket
import subprocess
import sys
import threading

import httpx
import numpy as np
import pytest
import torch
from safetensors.numpy import save

from editmetrics import Dimension, Metric, Sample, Score, create_metric, score
from editmetrics.serving import Client, ServerError
from editmetrics.serving.access import is_local
from editmetrics.serving.batcher import Batcher, Order, ServingOptions
from editmetrics.serving.tensor_wire import CONTENT_TYPE, packed_request, packed_sample

from .bodies import json_of
from .test_serving import Brightness, examples, png


def metrics(*names):
    return [create_metric(name, device="cpu") for name in names]


def encoded(image):
    return base64.b64encode(image).decode()


def waiting(served):
    return httpx.get(f"{served.url}/ready").json()["waiting"]


class Sized(Metric):
    """Height of the edited image; the third dimension is infinite where it is odd, `note` missing where it is even."""

    name, version = "sized", 1
    dimensions = (
        Dimension("height", primary=True, low=0),
        Dimension("ratio", low=-np.inf),
        Dimension("note", optional=True),
    )

    def prepare(self, sample):
        from editmetrics.images import read_image

        return read_image(sample.edited).shape[0]

    def score_batch(self, batch):
        return [
            Score({"height": rows, "ratio": np.inf, "note": 1.0} if rows % 2 else {"height": rows, "ratio": 0.5})
            for rows in batch
        ]


@pytest.mark.parametrize(
    "pixels",
    [
        np.random.default_rng(0).random((9, 7, 3), np.float32),
        np.random.default_rng(1).integers(0, 2**16, (9, 7, 3), np.uint16),
        np.random.default_rng(2).integers(0, 256, (9, 7, 4), np.uint8),
        torch.rand(3, 9, 7, generator=torch.Generator().manual_seed(3)),
    ],
    ids=["float", "sixteen bits", "transparent", "tensor"],
)
def test_pixels_give_the_very_numbers_that_the_engine_gives(serve, pixels):
    """As PNG, which has eight bits here, the floats would give others."""
    pair = Sample("a", edited=pixels, source=np.full((9, 7, 3), 0.25, np.float32))
    (served,) = Client(serve(metrics("psnr", "ssim")).url).score([pair])
    expected = score([pair], metrics("psnr", "ssim"))
    assert {label: dict(one) for label, one in served.items()} == {
        label: dict(expected[label][0]) for label in ("psnr", "ssim")
    }


def test_a_request_may_choose_metrics(serve):
    served = serve(metrics("psnr", "mse"))
    (scores,) = Client(served.url, metrics=["mse"]).score(examples()[:1])
    assert list(scores) == ["mse"]
    (failed,) = Client(served.url, metrics=["mse"]).score([Sample("a", edited=b"broken", source=png(1))])
    assert (list(failed), failed["mse"].status) == (["mse"], "failed")
    form = {"edited": png(1), "source": png(2)}
    answer = httpx.post(f"{served.url}/v1/score", files=form, data={"metrics": "psnr", "timeout": "60"}).json()
    assert list(answer["identities"]) == list(answer["samples"][0]["scores"]) == ["psnr"]
    (unknown,) = Client(served.url, metrics=["lpips"]).score(examples()[:1])
    assert "this server has no metric 'lpips'; it serves psnr, mse" in unknown["lpips"].reason


@pytest.mark.parametrize("timeout", [0, -1, "soon", True, [1], float("nan")])
def test_a_deadline_is_a_number_of_seconds(serve, timeout):
    body = {"samples": [json_of(Sample("a", edited=png(1)))], "timeout": timeout}
    refused = httpx.post(f"{serve([Brightness()]).url}/v1/score", content=json.dumps(body))
    assert (refused.status_code, refused.json()["error"][:8]) == (422, "timeout:")


def test_what_comes_too_late_is_not_scored(serve):
    metric = Brightness()
    metric.go.clear()
    served = serve([metric], batch_size=1)
    late = {"samples": [json_of(Sample("late", edited=png(2)))], "timeout": 1e-6}
    with httpx.Client(timeout=60) as http, contextlib.ExitStack() as stack:
        first = threading.Thread(target=Client(served.url).score, args=([Sample("first", edited=png(1))],))
        first.start()
        stack.callback(first.join)
        assert metric.begun.wait(30)
        answers = []
        second = threading.Thread(target=lambda: answers.append(http.post(f"{served.url}/v1/score", json=late)))
        second.start()
        while waiting(served) < 2:
            pass
        metric.go.set()
        second.join()
    (sample,) = answers[0].json()["samples"]
    assert sample["scores"]["brightness"]["status"] == "unavailable"
    assert sample["scores"]["brightness"]["reason"] == "not scored within the time that the client waits"
    assert metric.batches == [1]


def test_what_a_client_asked_that_is_gone_is_not_scored(serve):
    metric = Brightness()
    metric.go.clear()
    served = serve([metric], batch_size=1)
    body = json.dumps({"samples": [json_of(Sample(str(i), edited=png(i))) for i in range(5)]}).encode()
    head = f"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", served.port)) as impatient:
        impatient.sendall(head + body)
        assert metric.begun.wait(30)
    while waiting(served) > 1:  # the one that is being scored
        pass
    metric.go.set()
    while waiting(served):
        pass
    (other,) = Client(served.url).score([Sample("other", edited=png(9))])
    assert (float(other["brightness"]), metric.batches) == (9.0, [1, 1])
    assert 'editmetrics_requests_total{code="499"} 1.0' in httpx.get(f"{served.url}/metrics").text


class Timed(Metric):
    """Advances a clock by `seconds` for each batch, and keeps the order in which metrics had their turn."""

    version = 1

    def __init__(self, name, seconds, clock, turns):
        self.name, self.seconds, self.clock, self.turns = name, seconds, clock, turns
        self.dimensions = (Dimension(name, primary=True),)

    def prepare(self, sample):
        return None

    def score_batch(self, batch):
        self.turns.append(self.name)
        self.clock[0] += self.seconds
        return [Score({self.name: 1.0})] * len(batch)


def test_a_slow_metric_does_not_starve_a_fast_one(monkeypatch):
    """By turns of time: after ten seconds of one, ten batches of one second of the other."""

    batcher, turns = batcher_of_two(monkeypatch)
    futures = batcher.submit([*orders("slow", 4), *orders("fast", 15)])
    with batcher:
        scores = [future.result(60) for future in futures]
    assert turns == ["slow", *["fast"] * 10, "slow", *["fast"] * 5, "slow", "slow"]
    assert [list(one) for one in scores] == [["slow"]] * 4 + [["fast"]] * 15


def test_who_was_away_has_no_claim_to_the_past(monkeypatch):
    """The slow metric had four turns, 40 s, alone: the fast one begins with its last turn, at 30."""
    batcher, turns = batcher_of_two(monkeypatch)
    with batcher:
        for future in batcher.submit(orders("slow", 4)):
            future.result(60)
        for future in batcher.submit([*orders("slow", 2), *orders("fast", 30)]):
            future.result(60)
    assert turns == [*["slow"] * 4, *["fast"] * 10, "slow", *["fast"] * 10, "slow", *["fast"] * 10]


def batcher_of_two(monkeypatch):
    from editmetrics.serving import batcher as module

    clock, turns = [0.0], []
    monkeypatch.setattr(module, "time", type("Clock", (), {"monotonic": staticmethod(lambda: clock[0])}))
    slow, fast = Timed("slow", 10.0, clock, turns), Timed("fast", 1.0, clock, turns)
    return Batcher([slow, fast], ServingOptions(batch_size=1, wait=0)), turns


def orders(label, count):
    return [Order(Sample(str(i), edited=png(1)), labels=frozenset({label})) for i in range(count)]


def test_a_client_alone_is_answered_at_once(serve):
    served = serve([Brightness()], wait=3600)
    for level in range(3):
        (scores,) = Client(served.url, timeout=60).score([Sample("a", edited=png(level))])
        assert float(scores["brightness"]) == level


@pytest.mark.parametrize("path", ["/", "/v1/score", "/score"])
def test_a_pickle_is_refused_unread_and_the_safe_client_named(serve, path, tmp_path):
    class Harmful:
        def __reduce__(self):
            return (tmp_path.joinpath("harm").write_text, ("done",))

    for protocol in (2, 3, 4, 5):
        refused = httpx.post(serve([Brightness()]).url + path, content=pickle.dumps(Harmful(), protocol))
        assert refused.status_code == 415
        assert "editmetrics.serving.Client" in refused.text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"\xff" * 40, save({"a": np.zeros(1)}), save({"a": np.zeros(1)}, {"request": "{"}),
     *(b"".join(packed_request([({"edited": {"tensor": name}}, {"a": np.zeros(1)})])) for name in ("b", ["a"]))],
)  # fmt: skip
def test_a_file_of_tensors_that_makes_no_sense_is_refused(serve, body):
    url = f"{serve([Brightness()]).url}/v1/score"
    refused = httpx.post(url, content=body, headers={"content-type": CONTENT_TYPE})
    assert (refused.status_code, "Traceback" in refused.text) == (422, False)


def test_a_tensor_that_is_no_image_costs_its_sample(serve):
    good, tensors = packed_sample(Sample("good", edited=np.full((4, 4, 3), 7, np.uint8)), "0")
    for array in (np.zeros((4, 4, 3), np.int64), np.full((4, 4, 3), np.nan, np.float32), np.zeros((2, 2, 2, 3), "u1")):
        body = b"".join(packed_request([(good, tensors), ({"id": "bad", "edited": {"tensor": "x"}}, {"x": array})]))
        url = f"{serve([Brightness()]).url}/v1/score"
        answer = httpx.post(url, content=body, headers={"content-type": CONTENT_TYPE})
        first, second = (one["scores"]["brightness"] for one in answer.json()["samples"])
        assert (first["values"], second["status"]) == ({"brightness": 7.0}, "failed")


def test_the_token(serve):
    served = serve([Brightness()], token="s3cret")
    sample = Sample("a", edited=png(5))
    assert float(Client(served.url, token="s3cret").score([sample])[0]["brightness"]) == 5.0
    for token in (None, "other", "s3cret2", "\u00e9"):
        with pytest.raises(ServerError, match="401: this server requires its token"):
            Client(served.url, token=token and token.encode("ascii", "replace").decode()).score([sample])
    for path in ("/v1/metrics", "/metrics", "/rewards", "/v1/models"):
        assert httpx.get(served.url + path).status_code == 401
    assert [httpx.get(served.url + path).status_code for path in ("/health", "/ready")] == [200, 200]


def test_the_token_of_the_environment_reaches_the_client(serve, monkeypatch):
    monkeypatch.setenv("EDITMETRICS_TOKEN", "s3cret")
    served = serve([Brightness()], token="s3cret")
    assert float(Client(served.url).score([Sample("a", edited=png(5))])[0]["brightness"]) == 5.0


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "gpu-7"])
def test_an_address_that_others_reach(host):
    assert not is_local(host)


def test_a_server_that_others_reach_prints_a_new_token():
    command = [sys.executable, "-m", "editmetrics", "serve", "-m", "psnr", "--port", "0"]
    for words, needed in ((["--host", "0.0.0.0"], True), (["--host", "0.0.0.0", "--no-token"], False), ([], False)):
        with subprocess.Popen([*command, *words], stderr=subprocess.PIPE, text=True) as server:
            lines = [server.stderr.readline() for _ in range(1 + needed)]
            port = re.search(r":(\d+)$", lines[-1].strip())[1]
            token = re.match(r"clients require the token EDITMETRICS_TOKEN=(\S{32})", lines[0])
            assert bool(token) is needed
            try:
                while True:
                    with contextlib.suppress(httpx.ConnectError):
                        code = httpx.get(f"http://127.0.0.1:{port}/rewards").status_code
                        break
                assert code == (401 if needed else 200)
                foreign = httpx.get(f"http://127.0.0.1:{port}/rewards", headers={"origin": "https://example.org"})
                assert foreign.status_code == (code if words else 403)
            finally:
                server.terminate()


def unirl(history, rewards):
    return {"requests": [{"history": history, "required_rewards": rewards, "metadata": None}]}


def turn(image, text="make it red"):
    return {"text": text, "image_b64": encoded(image)}


def test_unirls_requests_are_answered_with_the_engines_numbers(serve):
    """An edit's history has the source first; each request names its own rewards."""
    served = serve([*metrics("psnr"), Brightness()])
    source, edited = (image.read_bytes() for image in (examples()[0].source, examples()[0].edited))
    body = {
        "requests": [
            *unirl([turn(source), turn(edited)], ["psnr", "brightness"])["requests"],
            *unirl([turn(edited)], ["brightness"])["requests"],
            *unirl([turn(edited)], ["psnr"])["requests"],
            *unirl([turn(source), turn(source)], ["psnr"])["requests"],
            *unirl([turn(source), turn(b"broken")], ["psnr", "brightness"])["requests"],
        ]
    }
    answer = httpx.post(f"{served.url}/score", json=body, timeout=60).json()
    expected = score([Sample("a", source=source, edited=edited)], [*metrics("psnr"), Brightness()])
    psnr, brightness = dict(expected["psnr"][0]), dict(expected["brightness"][0])
    assert answer["results"] == [
        {"psnr": psnr, "brightness": brightness}, {"brightness": brightness}, {}, {}, {}
    ]  # fmt: skip
    assert answer["errors"][:2] == [{}, {}]
    assert answer["errors"][2]["psnr"].startswith("skipped: ")
    assert answer["errors"][3] == {"psnr": "psnr is inf, which JSON cannot hold"}
    assert answer["errors"][4].keys() == {"psnr", "brightness"}
    assert httpx.get(f"{served.url}/rewards").json() == {"rewards": ["psnr", "brightness"]}
    assert set(httpx.get(f"{served.url}/health").json()["rewards"]) == {"psnr", "brightness"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"samples": []}, "requests"),
        (unirl([], ["sized"]), "history"),
        (unirl([{"text": "a", "video_b64": "AAAA"}], ["sized"]), "videos are not scored"),
        (unirl([{"image_b64": "AAAA"}], ["sized"]), "text: expected the prompt"),
        (unirl([turn(b"x")], ["hpsv3"]), "no metric 'hpsv3'; it serves sized"),
        (unirl([turn(b"x")], []), "list of metrics"),
    ],
)
def test_unirls_requests_that_make_no_sense_are_told_why(serve, body, reason):
    refused = httpx.post(f"{serve([Sized()]).url}/score", json=body)
    assert refused.status_code == 422
    assert reason in refused.json()["detail"]


def conversation(*images, model="sized", text="make it red"):
    urls = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{encoded(one)}"}} for one in images]
    return {"model": model, "messages": [{"role": "user", "content": [*urls, {"type": "text", "text": text}]}]}


@pytest.mark.parametrize("path", ["/pooling", "/v1/pooling"])
def test_a_conversation_is_pooled_to_the_engines_numbers(serve, path):
    served = serve(metrics("psnr", "ssim"))
    source, edited = (image.read_bytes() for image in (examples()[1].source, examples()[1].edited))
    answer = httpx.post(served.url + path, json=conversation(source, edited, model="ssim"), timeout=60).json()
    expected = score([Sample("a", source=source, edited=edited)], metrics("ssim"))
    assert answer["data"] == [{"index": 0, "object": "pooling", "data": list(expected["ssim"][0].values())}]
    assert [one["id"] for one in httpx.get(f"{served.url}/v1/models").json()["data"]] == ["psnr", "ssim"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (conversation(png(1, (5, 4))), "ratio is inf, which a list of numbers cannot hold"),
        (conversation(png(1, (4, 4))), "note is missing, which a list of numbers cannot hold"),
        (conversation(b"broken"), "sized: failed: "),
        (conversation(), "no image_url"),
        (conversation(png(1), model="other"), "no metric 'other'"),
        ({"model": "sized", "input": ["a"]}, "messages"),
        (json.loads(json.dumps(conversation(png(1))).replace("data:image/png;base64,", "http://localhost/")), "opened"),
    ],
)
def test_what_has_no_numbers_is_not_pooled(serve, body, reason):
    refused = httpx.post(f"{serve([Sized()]).url}/pooling", json=body)
    assert refused.status_code == 422
    assert reason in refused.json()["error"]["message"]
