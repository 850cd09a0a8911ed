"""The page in a real browser: what it shows, sorts, filters and opens, by mouse, keyboard and on a phone."""

import json

import numpy as np
import polars
import pytest

from editmetrics.report.content import report_content
from editmetrics.report.standing import orders
from editmetrics.report.write import write_report
from editmetrics.runs.read_scores import read_scores
from editmetrics.tables.table import digits_of, rounded

from ..scoring.toys import write_images
from .conftest import HOSTILE, SYSTEMS

Keys = pytest.importorskip("selenium.webdriver.common.keys", reason="pip install selenium").Keys
PAGES = ("overview", "gallery", "failures")


@pytest.fixture(scope="session")
def table(run_folder):
    return polars.read_csv(run_folder / "scores.csv")


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_without_a_complaint_and_calls_nobody(page, report, name):
    page.open(report, name)
    assert page.value(f"document.getElementById('page-{name}').innerText.length") > 50
    assert [address.partition("#")[0] for address in page.requests()] == [report.resolve().as_uri()]
    assert page.console() == []


def test_hostile_text_is_text(page, report):
    page.open(report, "gallery")
    shown = page.value("[...document.querySelectorAll('#cards .prompt')].map((line) => line.textContent)")
    assert set(shown) == set(HOSTILE)
    page.open(report, "failures")
    page.open(report)
    assert page.value("document.documentElement.dataset.hacked ?? null") is None
    assert page.value("document.querySelectorAll('script:not([type]), img[onerror], i:not(.meter i), b').length") == 1
    assert set(SYSTEMS) <= set(
        page.value("[...document.querySelectorAll('.board tbody th')].map((cell) => cell.textContent)")
    )


def test_the_policy_stops_a_script_that_got_in(browser_page, report):
    browser_page.open(report)
    browser_page.run(
        "const got = document.createElement('script'); got.textContent = 'document.documentElement.dataset.got = 1';"
        "document.head.append(got)"
    )
    assert browser_page.value("document.documentElement.dataset.got ?? null") is None
    assert "Content Security Policy" in " ".join(browser_page.console())


def test_the_leaderboard_has_the_means_of_the_table(page, report, table):
    page.open(report)
    for line, system in enumerate(SYSTEMS):
        values = table.filter(polars.col("system") == system)["psnr"].drop_nulls()
        mean = values.filter(values.is_finite()).mean()
        cell = page.value(f"document.querySelectorAll('.board')[0].tBodies[0].rows[{line}].cells[2].innerText")
        low, high = (float(end) for end in cell.split("\n")[-1 if "to" in cell.split("\n")[-1] else 1].split(" to "))
        assert low <= mean <= high
        assert cell.split()[0] == rounded(mean, digits_of(low, high))
    assert "1 failed" in page.value("document.querySelectorAll('.board')[0].tBodies[0].rows[1].cells[2].innerText")


def test_columns_sort_by_mouse_and_keyboard_and_say_so(page, report):
    """From the best: of mse the lowest; system by name; again, the other way."""
    page.open(report)
    head, first = (
        "document.querySelectorAll('.board thead th')",
        "document.querySelector('.board tbody th').textContent",
    )
    page.run(f"{head}[3].querySelector('button').click()")
    assert (page.value(f"{head}[3].ariaSort"), page.value(first)) == ("ascending", SYSTEMS[0])
    page.run(f"{head}[3].querySelector('button').focus()")
    page.press(Keys.ENTER)
    assert (page.value(f"{head}[3].ariaSort"), page.value(first)) == ("descending", SYSTEMS[1])
    page.run(f"{head}[0].querySelector('button').focus()")
    page.press(Keys.SPACE)
    assert page.value(f"[...{head}].map((cell) => cell.ariaSort).slice(0, 4)") == ["ascending", "none", "none", "none"]
    assert page.value(first) == SYSTEMS[0]


@pytest.mark.parametrize(
    ("how", "column"), [("worst 0", "psnr"), ("best 0", "psnr"), ("worst 1", "mse"), ("best 1", "mse")]
)
def test_sorting_knows_the_direction(page, report, table, how, column):
    page.open(report, "gallery")
    page.choose("sort", how)
    values = table[column].to_numpy()
    badness = -values if column == "psnr" else values
    badness = badness if how.startswith("worst") else -badness
    order = [place for place in np.argsort(-badness, kind="stable") if not np.isnan(values[place])]
    order += np.flatnonzero(np.isnan(values)).tolist()  # what has no score comes last, never as a 0
    assert page.cards() == order


def test_filters_by_system_status_score_and_text(page, report, table):
    page.open(report, "gallery")
    page.choose("system", SYSTEMS[1])
    assert set(page.ids()) == set(table.filter(polars.col("system") == SYSTEMS[1])["id"])
    page.choose("status", "failed")
    assert page.ids() == [f"{SYSTEMS[1]}/1"]
    page.run("document.getElementById('reset').click()")
    assert len(page.cards()) == len(table)
    page.choose("status", "refused")
    assert len(page.cards()) == 2
    page.choose("status", "")
    page.choose("low", "20")
    page.choose("high", "40")
    wanted = table.filter((polars.col("psnr") >= 20) & (polars.col("psnr") <= 40))["id"]
    assert set(page.ids()) == set(wanted)
    page.run("document.getElementById('reset').click()")
    page.choose("text", "INPUT{/etc")
    assert len(page.cards()) == 2
    assert page.value("document.getElementById('found').textContent") == "2 of 12 pairs"
    page.choose("text", "no such words")
    assert page.cards() == []


def test_a_pair_opens_by_the_keyboard_and_closes_where_it_was(page, report, table):
    page.open(report, "gallery")
    page.choose("sort", "table")
    page.run("document.querySelector('#cards .card').focus()")
    page.press(Keys.ARROW_RIGHT)
    assert page.value("document.activeElement.dataset.index") == "1"
    page.press(Keys.ENTER)
    assert page.value("document.getElementById('pair').open")
    assert page.value("document.getElementById('pair-title').textContent") == table["id"][1]
    assert page.value("document.querySelector('.asked').textContent") == HOSTILE[0]
    assert page.value("document.querySelectorAll('#pair .large img').length") == 4  # the other system's, too
    assert page.value("document.querySelector('#pair .said').textContent") == f"read {HOSTILE[0]!r}"
    assert "± 0.5" in page.value("document.getElementById('pair').innerText")
    page.press(Keys.ARROW_RIGHT)
    page.press(Keys.ARROW_RIGHT)
    assert page.value("document.getElementById('pair-title').textContent") == table["id"][3]
    assert page.value("document.querySelectorAll('#pair .large img').length") == 2  # the corrupt edit has a placeholder
    assert "1 60.png" in page.value("document.querySelectorAll('#pair .frame')[1].textContent")  # that says why
    page.press(Keys.ESCAPE)
    assert not page.value("document.getElementById('pair').open")
    assert page.value("document.activeElement.dataset.index") == "3"
    page.press(Keys.END)
    assert page.value("document.activeElement.dataset.index") == str(len(table) - 1)
    page.press(Keys.HOME)
    assert page.value("document.activeElement.dataset.index") == "0"


def test_an_open_pair_compares_any_two_pictures_of_its_source(page, report, table):
    page.open(report, "gallery")
    page.choose("sort", "table")
    edit_of = {name: list(table["id"]).index(f"{system}/2") for name, system in zip("ab", SYSTEMS, strict=True)}
    page.run(f"document.querySelectorAll('#cards .card')[{edit_of['a']}].click()")
    drawn = "document.querySelector('#pair canvas')"
    brightness = (
        f"[...{drawn}.getContext('2d').getImageData(0, 0, {drawn}.width, {drawn}.height).data]"
        ".filter((_, place) => place % 4 < 3).reduce((a, b) => Math.max(a, b))"
    )
    page.wait(f"{drawn}.width > 0 && {drawn}.width !== 300")
    assert page.value(brightness) == 0  # this edit is its source
    names = page.value(
        "[...document.querySelectorAll('#pair .choose select')[1].options].map((one) => one.textContent)"
    )
    assert names == ["source", *SYSTEMS]
    page.run(
        "const right = document.querySelectorAll('#pair .choose select')[1]; right.value = '2';"
        "right.dispatchEvent(new Event('change'))"
    )
    page.wait(f"{brightness} > 100")
    page.run("document.querySelector('#pair .stage input').focus()")
    page.press(Keys.ARROW_LEFT)
    assert page.value("document.querySelector('#pair .stage .over').style.clipPath") == "inset(0px 51% 0px 0px)"
    assert page.value("document.getElementById('pair-title').textContent") == f"{SYSTEMS[0]}/2"  # the arrow was its own
    page.run("document.querySelector('#pair .other button').click()")
    assert page.value("document.getElementById('pair-title').textContent") == f"{SYSTEMS[1]}/2"
    assert [line for line in page.console() if "Canvas2D" not in line] == []  # that one is of the readings above


def test_the_default_metrics_fit_and_say_what_they_reward(page, default_report):
    """Eight columns at 1280 px; no room for prompts that no sample has; hidden scores are counted; who leads."""
    page.open(default_report)
    assert page.value("document.querySelector('.board').parentElement.scrollWidth") <= 1280
    assert page.overflow() == 0
    assert page.value("document.querySelectorAll('.board thead th').length") == 10
    text = page.value("document.getElementById('page-overview').innerText")
    assert "These measure how little changed, not whether the instruction was followed." in text
    assert page.value("document.title") == "good and poor, 12 edits each"
    content = report_content(read_scores(default_report.with_name("scores.csv")))
    best = {contest.column: contest.best for contest in content.boards[0].comparisons[0]}
    assert set(best.values()) == {"good", None}
    stars = page.value(
        "[...document.querySelectorAll('.board tbody tr')].map((r) => [...r.cells].map((c) => c.className))"
    )
    assert [[name for name, cell in zip(best, row[2:], strict=True) if cell == "best"] for row in stars] == [
        [name for name, winner in best.items() if winner == system] for system in ("good", "poor")
    ]
    verdicts = page.value(
        "[...document.querySelectorAll('.stacked:not(.board) tbody tr')].map((r) => r.lastChild.textContent)"
    )
    assert verdicts == [winner or "cannot be told apart" for winner in best.values()]
    page.open(default_report, "gallery")
    assert page.value("document.querySelectorAll('.prompt').length") == 0
    assert page.value("document.querySelector('#cards .more').textContent") == "+2"
    assert page.value("document.querySelector('#cards .more').title").startswith("ssim 0.")


def test_everything_is_reached_by_tab_and_the_focus_is_seen(page, report):
    page.open(report, "gallery")
    seen = []
    for _ in range(60):
        page.press(Keys.TAB)
        name = page.value("document.activeElement.id || document.activeElement.className")
        if name in ("", "card") and page.value("document.activeElement.closest('#cards') !== null"):
            seen.append("cards")
            break
        seen.append(name)
        assert page.value("getComputedStyle(document.activeElement).outlineStyle") == "solid", name
    for wanted in (
        "skip",
        "to-overview",
        "sort",
        "system",
        "status",
        "metric",
        "low",
        "high",
        "text",
        "reset",
        "cards",
    ):
        assert wanted in seen


def test_failures_have_their_page(page, report):
    page.open(report, "failures")
    text = page.value("document.getElementById('page-failures').innerText")
    for said in ("would rather not", "1 60.png", "2 refused", "1 failed"):
        assert said in text
    page.run("document.querySelector('#page-failures .ids button').click()")
    assert page.value("document.getElementById('pair').open")


def test_the_foot_has_the_identity_of_every_number(page, report, run_folder):
    page.open(report, "gallery")
    shown = page.value("[...document.querySelectorAll('#provenance details > pre')].map((text) => text.textContent)")
    run = json.loads((run_folder / "scores.record.jsonl").read_text(encoding="utf-8").splitlines()[0])
    identities = [json.loads(text) for text in shown]
    for metric in run["metrics"]:
        assert run["identities"][metric["identity"]] in identities
        assert metric["identity"] in page.value("document.getElementById('provenance').textContent")


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_needs_no_sideways_scrolling(page, report, name):
    page.open(report, name, width=375, height=812)
    page.frame()
    assert page.overflow() == 0
    if name == "gallery":
        page.run("document.querySelector('#cards .card').click()")
        assert page.value("document.getElementById('pair').scrollWidth") <= 375
        assert page.overflow() == 0


def test_light_and_dark(page, report):
    def colours():
        style = "getComputedStyle(document.documentElement)"
        return [page.value(f"{style}.{name}.match(/[0-9]+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0)")
                for name in ("backgroundColor", "color")]  # fmt: skip

    paper, ink = colours() if page.open(report, scheme="light") else ()
    assert paper > 700 > 200 > ink
    paper, ink = colours() if page.open(report, scheme="dark") else ()
    assert paper < 200 < 600 < ink


def test_thousands_of_pairs_are_a_few_cards(page, many_report):
    page.open(many_report, "gallery")
    page.choose("sort", "worst 0")
    numbers = []
    for part in (0, 0.5, 1):
        page.run(
            "const cards = document.getElementById('cards').getBoundingClientRect();"
            "scrollTo(0, scrollY + cards.top + (cards.height - innerHeight) * arguments[0])",
            part,
        )
        page.frame()
        cards = page.cards()
        assert 0 < len(cards) < 100
        values = [(number * 7919) % 3000 for number in cards]
        assert values == sorted(values)
        numbers.append(values[0])
    assert numbers == sorted(numbers)
    page.run("document.querySelector('#cards .card').focus()")
    page.press(Keys.END)
    assert page.value("document.activeElement.closest('li').getAttribute('aria-posinset')") == "3000"
    page.choose("text", "prompt 2999")
    assert page.ids() == ["c/999"]


def test_generated_images_have_no_source_to_show(page, tmp_path):
    write_images(tmp_path / "images", 3)
    lines = ["id,edited,clip_score", *(f"{n},images/{n:02d}.png,{n / 10}" for n in range(3))]
    (tmp_path / "scores.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert write_report(tmp_path / "scores.csv", tmp_path / "report.html").missing == 0
    page.open(tmp_path / "report.html", "gallery")
    assert page.value("document.querySelectorAll('#cards img').length") == 3
    assert page.value("document.querySelector('#cards').innerText.includes('source')") is False
    page.open(tmp_path / "report.html")
    assert "measure how little" not in page.value("document.getElementById('page-overview').innerText")
    assert "nothing is ranked" in page.value("document.getElementById('page-overview').innerText")
    assert "identities, uncertainties and details are unknown" in page.value("document.body.innerText")


def test_the_worst_the_best_and_the_most_disputed_stand_first(page, report, run_folder):
    found = report_content(read_scores(run_folder / "scores.csv"))
    page.open(report, "gallery")
    for strip, name in enumerate(("worst", "best", "disputed")):
        shown = page.value(
            f"[...document.querySelectorAll('.first')[{strip}].children].map((c) => Number(c.dataset.index))"
        )
        assert shown == orders(found.standing)[name][:4]
    page.run("document.querySelectorAll('.strips h3 button')[1].click()")
    assert page.cards() == orders(found.standing)["best"]


@pytest.mark.parametrize("address", ["toString", "__proto__", "nothing", "overview"])
def test_an_odd_address_is_the_overview(page, report, address):
    page.open(report, address)
    assert page.value("document.getElementById('page-overview').hidden") is False
