"""Many clients, bad samples among good ones, and a server that is killed: nothing is lost, nothing is changed."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

pytest.importorskip("fastapi")

from editmetrics import Sample, create_metric, score
from editmetrics.rewards import RewardError, as_reward
from editmetrics.serving import Client, ServerUnavailableError
from editmetrics.serving import client as client_module
from editmetrics.serving.tensor_wire import unpacked_request


def pictures(client, count=4):
    """The samples of one client: pairs of small pictures, every third of which cannot be scored."""
    random = np.random.default_rng(client)
    bad = (b"broken", np.full((12, 12, 3), 1.5), "nowhere.png", object())
    samples = []
    for index in range(count):
        source, edited = (random.integers(0, 256, (12, 12, 3), np.uint8) for _ in range(2))
        wrong = (client * count + index) % 3 == 0
        samples.append(
            Sample(f"{client}-{index}", source=source, edited=bad[(client + index) % 4] if wrong else edited)
        )
    return samples


def test_64_clients_with_mixed_bad_samples_get_what_score_gives(serve):
    metrics = ["ssim", "mae"]
    batches = [pictures(client) for client in range(64)]
    results = score([sample for batch in batches for sample in batch], metrics)
    expected = [float(s["ssim"]) - float(s["mae"]) if s["ssim"].ok else None for _, s in results]
    served = serve([create_metric(name, device="cpu") for name in metrics], batch_size=16)

    def rewards(batch):
        client = Client(served.url, batch=3, parallel=2)
        return as_reward(metrics, url=client, on_failure="none").rewards(batch)

    with ThreadPoolExecutor(64) as pool:
        answers = [reward for part in pool.map(rewards, batches) for reward in part]
    assert answers == expected
    assert sum(reward is None for reward in answers) == 86


def test_a_served_reward_is_the_local_one_and_knows_what_is_served(serve):
    served = serve([create_metric("mae", device="cpu")])
    samples = pictures(1)[:2]
    local, remote = as_reward("mae", device="cpu"), as_reward("mae", url=served.url)
    assert remote.rewards(samples) == local.rewards(samples)
    assert remote.needs == local.needs == {"source", "edited"}
    assert remote.identity["metrics"] == local.identity["metrics"]
    with pytest.raises(RewardError, match=r"does not serve msse; expected one of mae"):
        as_reward("msse", url=served.url).rewards(samples)


SERVER = """
import sys
import uvicorn
from editmetrics import create_metric
from editmetrics.serving.app import make_app
uvicorn.run(make_app([create_metric("mae", device="cpu")]), port=int(sys.argv[1]), log_level="error")
"""


@pytest.mark.slow
def test_a_server_that_is_killed_and_restarted_loses_nothing(monkeypatch):
    """Killed without a word in the middle of 200 samples, while four requests are under way."""
    monkeypatch.setattr(client_module, "LONGEST", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    samples = [sample for client in range(50) for sample in pictures(client)]
    expected = [dict(s["mae"]) for _, s in score(samples, ["mae"])]
    command = [sys.executable, "-c", SERVER, str(port)]
    processes = [subprocess.Popen(command)]
    half = threading.Event()
    answered = client_module._Patience.answered
    count = iter(range(1000))
    monkeypatch.setattr(
        client_module._Patience, "answered", lambda self: (answered(self), next(count) > 20 and half.set())
    )
    try:
        with ThreadPoolExecutor(1) as pool:
            scores = pool.submit(Client(f"http://127.0.0.1:{port}", batch=2, patience=120).score, samples)
            assert half.wait(120)
            os.kill(processes[0].pid, signal.SIGKILL)
            processes[0].wait()
            assert not scores.done()
            processes.append(subprocess.Popen(command))
            results = scores.result(timeout=120)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    assert [dict(one["mae"]) for one in results] == expected


class Flaky(BaseHTTPRequestHandler):
    """Answers `codes` in turn, with the scores of as many samples as asked for; None ends the connection."""

    codes: list
    bodies: list

    def do_POST(self):
        body = unpacked_request(self.rfile.read(int(self.headers["content-length"])))[0]["samples"]
        type(self).bodies.append([sample["id"] for sample in body])
        code = type(self).code_for(body)
        if code is None:
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        ok = [{"id": one["id"], "scores": {"mae": {"status": "ok", "values": {"mae": 0.5}}}} for one in body]
        answer = json.dumps({"samples": ok} if code == 200 else {"error": "a defect"}).encode()
        self.send_response(code)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def flaky(monkeypatch):
    monkeypatch.setattr(client_module, "SHORTEST", 0.0)
    monkeypatch.setattr(client_module, "LONGEST", 0.01)
    servers = []

    def start(code_for):
        handler = type("Handler", (Flaky,), {"bodies": [], "code_for": staticmethod(code_for)})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        return f"http://127.0.0.1:{server.server_address[1]}", handler

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def four():
    return [Sample(name, edited=np.zeros((2, 2, 3), np.uint8)) for name in "abcd"]


@pytest.mark.parametrize("code", [500, None])
def test_a_sample_that_breaks_the_server_fails_alone(flaky, code):
    """By an internal error, or by a lost connection: then after three attempts of each request that holds it."""
    url, handler = flaky(lambda body: code if any(sample["id"] == "c" for sample in body) else 200)
    scores = [one["mae"] for one in Client(url, batch=4).score(four())]
    assert [one.status for one in scores] == ["ok", "ok", "failed", "ok"]
    assert ("a defect" if code else "3 times in a row") in scores[2].reason
    assert handler.bodies.count(["a", "b", "c", "d"]) == (1 if code else 3)


def test_what_was_scored_before_the_server_went_for_good_is_kept(flaky, monkeypatch):
    url, handler = flaky(lambda body: 200 if body[0]["id"] == "a" else 503)
    scores = [one["mae"] for one in Client(url, batch=1, parallel=1, patience=0.05).score(four())]
    assert [one.status for one in scores] == ["ok", "unavailable", "unavailable", "unavailable"]
    assert "gave up after 0.05 s" in scores[1].reason
    assert len(handler.bodies) < 100
    assert handler.bodies.count(["d"]) == 1, "once one request gave up, the others try once"


def test_nothing_answered_is_an_error(flaky):
    url, _ = flaky(lambda body: 503)
    with pytest.raises(ServerUnavailableError, match="gave up after"):
        Client(url, batch=2, patience=0.05).score(four())
