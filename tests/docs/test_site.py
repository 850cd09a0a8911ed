"""The pages that are made when the site is built: the Python reference, the commands, the gallery."""

import importlib
import re
import sys
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def made(monkeypatch):
    """Import a module of docs/, as mkdocs does."""
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    yield importlib.import_module
    for name in ("api", "gallery", "markup", "pages", "terminal"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(
    "module", ["editmetrics", "editmetrics.testing", "editmetrics.agreement", "editmetrics.judge", "editmetrics.pairs"]
)
def test_the_reference_has_every_public_name(made, module):
    headings = "\n".join(made("api").page(name) for name in made("api").PAGES)
    skipped = {"rehearsal", "toys"}  # modules
    missing = [
        name
        for name in set(importlib.import_module(module).__all__) - skipped
        if f"{{#{module}.{name}}}" not in headings
    ]
    assert not missing


def test_the_reference_has_methods_signatures_and_examples(made):
    text = made("api").page("bases")
    assert "### `compare` {#editmetrics.bases.full_reference.FullReference.compare}" in text
    assert "compare(source: Tensor, edited: Tensor, mask: Tensor | None) -> Tensor" in text
    assert "- `region`: Which pixels count" in text
    assert "```pycon\n>>>" in text


def test_docstrings_as_markdown(made):
    text = made("markup").documented(
        """Return a_b, in [0, 1].

        Options:
            one: First line
                of two.
            two: The *second*.

        - an item
          of two lines

        >>> 1 + 1
        2
        """
    )
    assert text.split("\n\n") == [
        r"Return a\_b, in \[0, 1].", "**Options**", "- `one`: First line of two.\n- `two`: The \\*second\\*.",
        "- an item of two lines", "```pycon\n>>> 1 + 1\n2\n```",
    ]  # fmt: skip


def test_long_signatures_are_broken(made):
    def long(first_of_many_parameters: "int", *, second_of_many_parameters: "str | None" = None, third=3) -> "float":
        pass

    assert made("markup").signature("long", long) == (
        "long(\n    first_of_many_parameters: int,\n    *,\n    second_of_many_parameters: str | None = None,\n"
        "    third=3,\n) -> float"
    )


def test_the_page_of_commands_has_every_option(made):
    from editmetrics.cli import cli

    text = made("terminal").commands()
    for name in cli.list_commands(click.Context(cli)):
        assert f"### editmetrics {name}\n" in text
        for option in cli.get_command(click.Context(cli), name).params:
            if isinstance(option, click.Option) and not option.hidden:
                assert option.opts[-1] in text, f"{name} {option.opts}"


def test_blocks_of_code_with_a_file_have_it_as_their_title(made):
    text = "```python file=a/b.py\nx\n```\n```sh fails\ny\n```\n```toml append=c.toml\nz\n```\n"
    expected = '```python title="a/b.py"\nx\n```\n```sh\ny\n```\n```toml title="c.toml"\nz\n```\n'
    assert made("pages").on_page_markdown(text, None, None, None) == expected
    for page in (ROOT / "docs").rglob("*.md"):
        shown = made("pages").on_page_markdown(page.read_text(encoding="utf-8"), None, None, None)
        assert not re.search(r"(?m)^```\w+ (?!title=)", shown), page


def test_links_of_the_landing_page_lead_somewhere():
    links = re.findall(r"\{\{ '([^']+)' \| url \}\}(?:#([\w-]+))?", (ROOT / "docs/theme/main.html").read_text("utf-8"))
    assert len(links) == 6
    for path, anchor in links:
        target = ROOT / "docs" / (f"{path[:-1]}.md" if path.endswith("/") else path)
        assert target.exists(), path
        if anchor:
            headings = re.findall(r"(?m)^#+ (.+)$", target.read_text(encoding="utf-8"))
            assert anchor in [re.sub(r"\W+", "-", heading.lower()) for heading in headings], anchor


def test_the_gallery_shows_what_its_page_says(made, monkeypatch):
    gallery = made("gallery")
    scores = {}
    monkeypatch.setattr(gallery, "row", lambda metric, values, title: scores.setdefault(metric, values) and "")
    photo = gallery.photograph("cat")
    gallery.cards({name: (photo, image) for name, image in gallery.changed().items()}, lambda name: [])
    values = {metric: {title: float(score) for title, score in those.items()} for metric, those in scores.items()}
    gmsd = {title: -value for title, value in values.pop("gmsd").items()}
    likeness = {**values, "gmsd": gmsd}
    assert all(max(those, key=those.get) == "Nothing" for metric, those in likeness.items() if metric != "vif")
    assert likeness["vif"]["More contrast"] > 1
    for metric in ("ssim", "ms_ssim", "fsim"):
        assert min(likeness[metric]["Greyscale"], likeness[metric]["Another hue"]) > 0.99
    psnr = sorted(likeness["psnr"], key=likeness["psnr"].get, reverse=True)
    assert psnr[:2] == ["Nothing", "Blurred"]
    assert sorted(psnr[-2:]) == ["Another hue", "Another photograph"]
    assert sum(those["Shifted by 3 pixels"] < those["Compressed"] for those in likeness.values()) == 6
