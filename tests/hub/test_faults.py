"""What goes wrong on the way: each error names the repository and the file, what was expected, and what to do."""

from __future__ import annotations

import hashlib

import pytest

from editmetrics import weights
from editmetrics.sample import UnavailableError

from .conftest import body
from .server import sha256

NAME, ID, FILE = "dino-vit-b-8", "timm/vit_base_patch8_224.dino", "model.safetensors"
SITE, SITE_FILE = "lpips-squeezenet", "squeezenet1_1-b8a52dc0.pth"


def failure(name: str = NAME, *, unavailable: bool) -> str:
    """What `pull` says, and that it left nothing that could be used."""
    with pytest.raises(weights.WeightsError) as caught:
        weights.pull(name)
    assert isinstance(caught.value, UnavailableError) == unavailable
    assert weights.find(name) is None
    entry = weights.checkpoint(name)
    message = str(caught.value)
    for part in (name, entry.source.url_of(entry.files[0])):
        assert part in message
    return message


@pytest.mark.parametrize(
    ("more", "token", "parts"),
    [
        ({"gated": True}, None, ("ask for consent", f"/{ID}", "HF_TOKEN")),
        ({"gated": True, "members": {"good"}}, "stranger", ("ask for consent", "HF_TOKEN")),
        ({"private": True}, None, ("does not exist, or is private", "HF_TOKEN")),
        ({"private": True}, "stranger", ("does not exist, or is private", "HF_TOKEN")),
        ({}, "no such token", ("HF_TOKEN", "is not valid")),
    ],
)
def test_access_that_is_denied_says_whom_to_ask(published, hub, monkeypatch, more, token, parts):
    published(NAME, **more)
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    message = failure(unavailable=False)
    for part in (f"{ID}/{FILE} at ", *parts):
        assert part in message
    assert token is None or token not in message
    assert hub.downloads() == []


def test_what_is_gone_is_named(published, hub):
    published(NAME)
    repository = hub.repositories[ID]
    revision = weights.checkpoint(NAME).source.revision
    del repository.files[FILE]
    assert f"has no file {FILE}; see {hub.url}/{ID}/tree/{revision}" in failure(unavailable=False)
    repository.revisions, repository.commit = ("trunk",), "f" * 40
    assert f"has no revision {revision}; see {hub.url}/{ID}/commits/main" in failure(unavailable=False)
    hub.repositories.clear()
    assert "does not exist, or is private" in failure(unavailable=False)


def test_a_guessed_name_is_blamed_only_where_the_repository_and_its_revision_exist(published, hub):
    """Without them the alternatives are not tried, and the message does not speak of a guess."""
    published("edit_hf.alignment")
    repository = hub.repositories["sparkling621/EditHF"]
    repository.files.clear()
    assert "The name was inferred" in failure("edit_hf.alignment", unavailable=False)
    repository.revisions = ("trunk",)
    asked = len(hub.requests)
    message = failure("edit_hf.alignment", unavailable=False)
    assert "has no revision main" in message
    assert "inferred" not in message
    assert len(hub.requests) == asked + 1


def test_a_file_that_was_changed_is_refused_before_it_is_fetched(published, hub):
    before = published("clip-vit-b-32-openai")["open_clip_model.safetensors"]
    files = hub.repositories["timm/vit_base_patch32_clip_224.openai"].files
    for changed in (before[::-1], before + b"more"):
        files["open_clip_model.safetensors"] = changed
        message = failure("clip-vit-b-32-openai", unavailable=False)
        assert "is not the file that was registered" in message
        assert "weights check --remote" in message
        facts = (sha256(changed), sha256(before)) if len(changed) == len(before) else (str(len(changed)), "5000")
        assert all(fact in message for fact in facts)
    assert hub.downloads() == []


@pytest.mark.parametrize(("name", "file"), [("clip-vit-b-32-openai", "open_clip_model.safetensors"), (SITE, SITE_FILE)])
def test_a_body_that_is_not_what_was_stated_is_thrown_away(published, hub, home, name, file):
    content = published(name)[file]
    hub.altered[file] = content[::-1]
    message = failure(name, unavailable=False)
    assert "was thrown away" in message
    assert hashlib.sha256(content[::-1]).hexdigest() in message
    assert sha256(content) in message
    assert not list(home.rglob("*.safetensors")) + list(home.rglob("*.pth"))
    del hub.altered[file]
    weights.pull(name)


def test_a_download_of_the_hub_that_is_cut_off_resumes(published, hub, monkeypatch):
    content = published(NAME)[FILE]
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)
    hub.broken_after[FILE] = 3000
    try:
        weights.pull(NAME)
    except weights.WeightsUnavailableError:  # older versions of huggingface_hub resume at the next call
        weights.pull(NAME)
    assert [one.range for one in hub.downloads()] == [None, "bytes=3000-"]
    assert weights.path(NAME).read_bytes() == content


def test_a_download_of_a_site_that_is_cut_off_is_this_machines_matter_and_starts_over(published, hub):
    content = published(SITE)[SITE_FILE]
    hub.broken_after[SITE_FILE] = 3000
    assert "3000" in failure(SITE, unavailable=True)
    weights.pull(SITE)
    assert weights.path(SITE).read_bytes() == content


@pytest.mark.parametrize(
    ("status", "headers", "part"),
    [
        (429, {"RateLimit": '"resolvers";r=0;t=55'}, "quota for this address or account is used up"),
        (503, {}, "the hub has a problem now"),
        (500, {}, "the hub has a problem now"),
    ],
)
def test_a_hub_that_is_busy_is_asked_again_later(published, hub, status, headers, part):
    published(NAME)
    hub.status["/resolve/"] = (status, headers)
    assert part in failure(unavailable=True)
    hub.status.clear()
    weights.pull(NAME)


@pytest.mark.parametrize(("status", "part"), [(403, "access is denied"), (451, "the download failed; see ")])
def test_other_answers_are_no_matter_of_this_machine(published, hub, status, part):
    published(NAME)
    hub.status["/resolve/"] = (status, {})
    assert part in failure(unavailable=False)


@pytest.mark.parametrize("status", [429, 503, 404, 403])
def test_the_same_of_an_ordinary_site(published, hub, status):
    published(SITE)
    hub.status["/models/"] = (status, {})
    assert str(status) in failure(SITE, unavailable=status in (429, 503))


def test_a_server_that_is_slow_is_this_machines_matter(published, hub, monkeypatch):
    published(NAME)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DOWNLOAD_TIMEOUT", 0.2)
    hub.released.clear()
    assert "the hub cannot be reached; check the network" in failure(unavailable=True)
    hub.released.set()
    weights.pull(NAME)


def test_a_hub_that_is_down_is_this_machines_matter(published, hub, monkeypatch):
    published(NAME)
    published(SITE)
    hub.stop()
    message = failure(unavailable=True)
    assert "check the network, HF_ENDPOINT and HTTPS_PROXY" in message
    assert hub.url in message
    failure(SITE, unavailable=True)


def test_a_mirror_that_is_none_is_named(published, hub):
    published(NAME)
    hub.mirror = True
    assert f"{hub.url} does not answer as the hub does" in failure(unavailable=False)


def test_no_room_is_this_machines_matter(published, hub, monkeypatch):
    published(NAME)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", full)
    assert "No space left on device" in failure(unavailable=True)


def test_bodies_differ_by_name():
    assert body("a") != body("b")
    assert body("a") == body("a")
