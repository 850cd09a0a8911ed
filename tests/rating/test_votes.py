"""Votes over HTTP: what is asked, what is written, and what other commands make of it."""

import errno
import io
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from PIL import Image

from editmetrics.agreement.ratings import rating_column, read_ratings
from editmetrics.files.writing import JournalError
from editmetrics.pairs import read_battles
from editmetrics.rating import RatingError, RatingSession, trials_of

from .conftest import COLOURS, SOURCES, serving, write


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def judge_all(client, rater, preferred="secret-red"):
    """Prefer one system throughout, by the colours that are shown; returns the sides that it was on."""
    sides = []
    while trial := client.next(rater)["trial"]:
        systems = [client.colour(address) for address in trial["edits"]]
        sides.append("AB"[systems.index(preferred)])
        status, answer = client.post("vote", rater=rater, trial=trial["token"], answer=sides[-1])
        assert status == 200, answer
    return sides


def test_two_raters_at_once_give_a_log_of_battles(manifest, tmp_path):
    output = tmp_path / "new" / "votes.jsonl"
    with serving(manifest, output, seed=3) as (client, server), ThreadPoolExecutor(2) as pool:
        sides = [*pool.map(judge_all, [client] * 2, ["ann", "ben"], ["secret-red", "secret-blue"])]
        assert client.next("ann") == {"done": SOURCES, "total": SOURCES, "trial": None}
        turned = [["AB"[is_turned] for _, _, is_turned in server.session.order(rater)] for rater in ("ann", "ben")]
        assert b"secret" not in b"".join(client.seen)
        assert b".png" not in b"".join(client.seen)
    assert sides == [turned[0], ["BA"["AB".index(side)] for side in turned[1]]]  # red comes first in the manifest
    assert {*turned[0]} | {*turned[1]} == {"A", "B"}
    votes = lines(output)
    assert len(votes) == 2 * SOURCES
    for vote in votes:
        preferred = {"ann": "secret-red", "ben": "secret-blue"}[vote["rater"]]
        side = "a" if vote["winner"] == "image_a" else "b"
        assert (vote[f"system_{side}"], vote[f"item_{side}"].split("/")[0]) == (preferred, preferred)
        assert (vote["seed"], vote["source"]) == (3, f"source{vote['item_a'][-1]}.png")
        assert datetime.fromisoformat(vote["time"]).utcoffset().total_seconds() == 0
    for rater, shown in zip(("ann", "ben"), sides, strict=True):
        assert [vote["position"] for vote in votes if vote["rater"] == rater] == [1, 2, 3, 4]
        assert [vote["winner"][-1].upper() for vote in votes if vote["rater"] == rater] == shown
    battles = read_battles(output)
    assert len(battles) == 2 * SOURCES
    assert battles.systems == ("secret-blue", "secret-red")
    assert battles.wins().tolist() == [[0, SOURCES], [SOURCES, 0]]
    assert {*battles.judges} == {"ann", "ben"}


def test_orders_and_sides_are_balanced_repeatable_and_each_raters_own(manifest, tmp_path):
    trials = trials_of(from_samples(manifest))
    with RatingSession(trials, tmp_path / "v.jsonl", seed=1) as session:
        orders = {f"r{n}": session.order(f"r{n}") for n in range(200)}
        assert session.order("r0") == orders["r0"]
    with RatingSession(trials[::-1], tmp_path / "v.jsonl", seed=1) as again:  # whatever the order of the rows
        assert [(p, t.key, turned) for p, t, turned in again.order("r0")] == [
            (p, t.key, turned) for p, t, turned in orders["r0"]
        ]
    with RatingSession(trials, tmp_path / "v.jsonl", seed=2) as other:
        assert [other.order(name) for name in orders] != [*orders.values()]
    first = [sum(order[0][1].key == trial.key for order in orders.values()) for trial in trials]
    turned = sum(side for order in orders.values() for _, _, side in order)
    assert min(first) > 25  # of 50 expected, four standard deviations of 6 below
    assert abs(turned - 400) < 57  # of 800 coins, four standard deviations of 14.1


def from_samples(manifest):
    from editmetrics.data import from_manifest

    return from_manifest(manifest)


def test_a_session_resumes_after_a_cut_line(manifest, tmp_path):
    output = tmp_path / "votes.jsonl"
    with serving(manifest, output) as (client, _):
        shown = client.next("ann")["trial"]
        assert client.next(" ann ")["trial"] == shown  # another window of the same rater
        assert client.post("vote", rater="ann", trial=shown["token"], answer="tie")[1]["done"] == 1
        with pytest.raises(JournalError, match="another run is writing it"):
            RatingSession(trials_of(from_samples(manifest)), output)
    whole = output.read_bytes()
    output.write_bytes(whole + b'{"rater": "ann", "id"')
    with serving(manifest, output) as (client, server):
        assert server.session.votes == 1
        answer = client.next("ann")
        assert (answer["done"], answer["total"]) == (1, SOURCES)
        assert client.next("ben")["done"] == 0
        judge_all(client, "ann")
    assert output.read_bytes().startswith(whole)
    assert len({vote["id"] for vote in lines(output)}) == len(lines(output)) == SOURCES


def test_grades_of_single_edits_are_raw_ratings(manifest, tmp_path):
    output = tmp_path / "grades.jsonl"
    with serving(manifest, output, "single") as (client, _):
        for rater, grades in (
            ("ann", {"secret-red": 5, "secret-blue": 2}),
            ("ben", {"secret-red": 4, "secret-blue": 1}),
        ):
            while trial := client.next(rater)["trial"]:
                (address,) = trial["edits"]
                grade = str(grades[client.colour(address)])
                assert client.post("vote", rater=rater, trial=trial["token"], answer=grade)[0] == 200
    ratings = read_ratings(output, rating_column(output))
    subjects, items = ratings.subjects, ratings.items
    values = {(subjects[s], items[i]): v for s, i, v in zip(ratings.subject, ratings.item, ratings.value, strict=True)}
    expected = {"ann": (5, 2), "ben": (4, 1)}
    assert values == {(rater, f"{system}/{n}"): grade for rater, grades in expected.items()
                      for system, grade in zip(COLOURS, grades, strict=True) for n in range(SOURCES)}  # fmt: skip
    with pytest.raises(RatingError, match=r"line 1: expected a vote with rater, id and winner, as --mode pairs"):
        RatingSession(trials_of(from_samples(manifest)), output)


def test_a_rival_is_a_pair_and_what_cannot_be_shown_is_left_out(tmp_path):
    for name in ("a", "b"):
        Image.new("RGB", (4, 4)).save(tmp_path / f"{name}.png")
    (tmp_path / "broken.png").write_bytes(b"no image")
    rows = [
        ["1", "x", "y", "a.png", "b.png"],
        ["2", "x", "y", "broken.png", "b.png"],
        ["3", "x", "y", "../a.png", "b.png"],
    ]
    path = write(tmp_path / "m.csv", ["id", "system", "rival_system", "edited", "rival"], rows)
    trials = trials_of(from_samples(path), root=tmp_path)
    assert [[(e.item, e.system) for e in trial.edits] for trial in trials[:1]] == [[("a.png", "x"), ("b.png", "y")]]
    assert [trial.problem() is None for trial in trials] == [True, True, False]
    reasons = []
    with serving(path, tmp_path / "v.jsonl", on_problem=reasons.append) as (client, _):
        answer = client.next("ann")
        while answer["trial"]:
            assert client.request("GET", answer["trial"]["edits"][0])[0] == 200
            answer = client.post("vote", rater="ann", trial=answer["trial"]["token"], answer="A")[1]
        client.next("ben")
        assert (answer["done"], answer["total"]) == (1, 1)
    assert [reason.split(" is not shown: ")[0] for reason in sorted(reasons)] == ["2", "3"]
    assert "lies outside" in max(reasons)


@pytest.mark.parametrize(
    ("rows", "mode", "message"),
    [
        (
            [["1", "x", "s.png", "a.png"], ["2", "x", "s.png", "b.png"], ["3", "y", "t.png", "c.png"]],
            "pairs", "the samples form no pair",
        ),
        ([["1", "tie", "s.png", "a.png"], ["2", "y", "s.png", "b.png"]], None, "called tie, which is an answer"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused(tmp_path, rows, mode, message):
    path = write(tmp_path / "m.csv", ["id", "system", "source", "edited"], rows)
    with pytest.raises(RatingError, match=message):
        trials_of(from_samples(path), mode)


def test_pictures_carry_pixels_and_nothing_else(tmp_path):
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Software", "secret-red")
    Image.new("RGB", (4, 4), (1, 2, 3)).save(tmp_path / "a.png", pnginfo=info)
    path = write(tmp_path / "m.csv", ["id", "edited"], [["1", "a.png"]])
    with serving(path, tmp_path / "v.jsonl") as (client, _):
        data = client.request("GET", client.next("ann")["trial"]["edits"][0])[1]
    assert b"secret" not in data
    assert Image.open(io.BytesIO(data)).getpixel((0, 0)) == (1, 2, 3)


def test_only_this_page_with_its_tokens_is_answered(manifest, tmp_path):
    output = tmp_path / "votes.jsonl"
    with serving(manifest, output, raters=["ann", "ben"]) as (client, server):
        trial, other = client.next("ann")["trial"], client.next("ben")["trial"]
        vote = {"rater": "ann", "trial": trial["token"], "answer": "A"}
        assert server.server_address[0] == "127.0.0.1"
        for path in ("/", "/page.js", f"/{'x' * 22}/", f"/{server.token}"):
            assert client.request("GET", path)[0] == 404
        for route in (
            "../",
            "page.html",
            "image/",
            "image/../../manifest.csv",
            "image/%2e%2e/manifest.csv",
            "manifest.csv",
        ):
            assert client.request("GET", route)[0] == 404
        assert client.request("POST", "/wrong/vote", vote)[0] == 404
        assert client.request("POST", "elsewhere", vote)[0] == 404
        for host in ("evil.example", f"evil.example:{server.server_address[1]}", "127.0.0.1"):
            assert client.request("GET", "", Host=host)[0] == 403
            assert client.request("POST", "vote", vote, Host=host)[0] == 403
        assert client.request("POST", "vote", vote, Origin="http://evil.example")[0] == 403
        assert client.request("POST", "vote", vote, Content_Type="text/plain")[0] == 400
        for body in ("[]", "{", '{"rater": 1}', "[" * 3000, {"rater": "ann"}, {**vote, "more": "\ud800"}, "x" * 9999):
            assert client.request("POST", "vote", body)[0] == 400
        for wrong in (
            {"trial": other["token"]}, {"trial": "unknown"}, {"trial": "é"}, {"answer": "C"}, {"answer": ""},
            {"rater": "eve"}, {"rater": " "}, {"rater": "a\nb"}, {"rater": "x" * 65},
        ):  # fmt: skip
            assert client.post("vote", **{**vote, **wrong})[0] == 409
        assert client.post("next", rater="eve") == (
            409,
            {"error": "unknown rater eve; enter the name that you were told"},
        )
        assert not output.exists()
        assert client.request("POST", "vote", vote, Origin=server.url.partition(f"/{server.token}")[0])[0] == 200
        assert client.post("vote", **vote)[0] == 409  # a vote is final
        assert client.request("GET", trial["edits"][0])[0] == 404  # shown no longer
        assert client.request("GET", other["edits"][0])[0] == 200
    assert len(lines(output)) == 1


def test_a_full_disk_stops_the_page_and_counts_no_vote(manifest, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with serving(manifest, tmp_path / "votes.jsonl") as (client, server):
        trial = client.next("ann")["trial"]
        monkeypatch.setattr("editmetrics.files.writing.write_all", full)
        status, answer = client.post("vote", rater="ann", trial=trial["token"], answer="A")
        assert (status, answer["error"]) == (500, "the vote could not be written; the program has stopped")
        assert server.session.progress("ann")[0] == 0
        assert server.failure.errno == errno.ENOSPC


def test_the_command_takes_its_options(run, manifest, tmp_path, monkeypatch):
    from editmetrics.rating import RatingServer

    asked = {}

    def stop(server, poll_interval):
        session = server.session
        showing = session.next("ann")
        session.vote("ann", showing.token, "tie")
        asked.update(seed=session.seed, raters=session.raters, url=server.url, page=server.page().decode())
        if server.failure is None and "fail" in asked:
            server.failure = OSError(errno.ENOSPC, "No space left on device", "votes.jsonl")
        raise KeyboardInterrupt

    monkeypatch.setattr(RatingServer, "serve_forever", stop)
    line = ["rate", manifest, "--mode", "pairs", "--question", "Which <keeps> more?", "--rater", "ann", "--seed", "5",
            "--port", "0", "--root", tmp_path]  # fmt: skip
    ran = run(*line)
    assert ran.code == 0, ran.err
    assert (asked["seed"], asked["raters"]) == (5, {"ann"})
    assert "Which &lt;keeps&gt; more?" in asked["page"]
    assert f"open {asked['url']}" in ran.err
    votes = tmp_path / "manifest.votes.jsonl"
    assert f"1 vote in {votes}; next: editmetrics arena --battles {votes}" in ran.err
    asked["fail"] = True
    assert run(*line).code == 1
    assert len(lines(votes)) == 2
    wrong = run("rate", manifest, "-o", tmp_path / "votes.csv")
    assert wrong.code == 2
    assert "expected a file name that ends in .jsonl" in wrong.err
