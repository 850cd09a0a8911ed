"""A headless Chromium of this machine, driven over WebDriver; nothing is downloaded."""

from __future__ import annotations

import base64
import shutil
import time
from pathlib import Path

import pytest

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
)
SLOWEST = 20.0
"""Seconds that a page may take on a machine that does other things, too."""


def found() -> tuple[str, str] | None:
    """The paths of a browser and its driver; None where there is none."""
    browser = next(filter(None, map(shutil.which, CHROMIUM)), None)
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


class Page:
    """A browser with one report in it."""

    def __init__(self, profile: Path, browser: str, driver: str) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = browser
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(driver))
        self.driver.set_script_timeout(120)

    def open(self, report: Path, page: str = "overview", width: int = 1280, height: int = 900, scheme: str = "light"):
        """Open a report afresh, on one of its pages."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        self.resize(width, height)
        self.driver.get("about:blank")
        self.console(), self.requests()
        self.driver.get(f"{report.resolve().as_uri()}#{page}")
        self.wait("document.documentElement.dataset.ready === 'true'")
        if page == "gallery":
            self.run("document.getElementById('all').scrollIntoView()")
            self.frame()
        return self

    def resize(self, width: int, height: int) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def run(self, script: str, *arguments):
        return self.driver.execute_script(script, *arguments)

    def value(self, expression: str):
        return self.run(f"return {expression}")

    def wait(self, expression: str) -> None:
        """Until an expression is true; the page draws cards when the browser has time for it."""
        end = time.monotonic() + SLOWEST
        while not self.value(f"Boolean({expression})"):
            if time.monotonic() > end:
                raise AssertionError(f"never true: {expression}")
            self.run("return new Promise(requestAnimationFrame)")

    def frame(self) -> None:
        """Let the browser draw twice: once for what was asked, once for what that brought about."""
        self.run("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def press(self, *keys: str) -> None:
        from selenium.webdriver.common.action_chains import ActionChains

        ActionChains(self.driver, duration=0).send_keys(*keys).perform()
        self.frame()

    def choose(self, control: str, value: str) -> None:
        """Give a control of the gallery another value, as a hand would."""
        self.run(
            "const control = document.getElementById(arguments[0]); control.value = arguments[1];"
            "control.dispatchEvent(new Event(control.tagName === 'SELECT' ? 'change' : 'input'))",
            control,
            value,
        )
        self.frame()

    def cards(self) -> list[int]:
        """The places in the gallery of the cards in sight, in reading order."""
        return self.value("[...document.querySelectorAll('#cards .card')].map((card) => Number(card.dataset.index))")

    def ids(self) -> list[str]:
        return self.value("[...document.querySelectorAll('#cards .who')].map((line) => line.title)")

    def console(self) -> list[str]:
        """What the browser has complained of since it was last asked."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """Every address that was asked for since this was last called."""
        import json

        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        return [address for address in sent if not address.startswith(("data:", "about:"))]

    def overflow(self) -> int:
        """By how many pixels the page is wider than its window."""
        return self.value("document.documentElement.scrollWidth - innerWidth")

    def screenshot(self, path: Path) -> None:
        self.frame()
        path.write_bytes(
            base64.b64decode(self.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})["data"])
        )

    def quit(self) -> None:
        self.driver.quit()


def opened(profile):
    """Yield the page of a browser for a fixture, and close it; the tests are skipped where there is none."""
    where = found()
    if where is None:
        pytest.skip("there is no browser: apt-get install chromium chromium-driver")
    pytest.importorskip("selenium", reason="there is no driver for a browser: pip install selenium")
    page = Page(profile, *where)
    yield page
    page.quit()
