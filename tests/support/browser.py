"""Chromium on an Airflow, and what tests of the page ask of it; pictures are taken with it too."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from demo.local_airflow import LocalAirflow
from demo.services import wait_until

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    # Each page is a new document, whose code is seldom run often enough to be worth optimizing.
    "--js-flags=--no-opt --no-maglev",
    # Without a GPU each frame of a spinner, of Airflow's and of ours, is drawn by the processor.
    "--force-prefers-reduced-motion",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
)
T = TypeVar("T")
AXE = Path(__file__).parents[2] / "ui" / "node_modules" / "axe-core" / "axe.min.js"


class Browser:
    """One window on the page."""

    def __init__(self, driver: webdriver.Chrome, airflow: LocalAirflow) -> None:
        self.driver = driver
        self.airflow = airflow

    def log_in(self, session: requests.Session) -> None:
        """Take over a session's login."""
        self.driver.get(f"{self.airflow.address}/api/v2/version")
        token = str(session.headers["Authorization"]).removeprefix("Bearer ")
        self.driver.add_cookie({"name": "_token", "value": token})

    def open(
        self,
        path: str,
        *,
        theme: str = "light",
        zone: str = "Europe/Berlin",
        size: tuple[int, int] = (1280, 900),
    ) -> None:
        """Go to a path under Airflow's address with what people chose in Airflow.

        Waits for the page's runs.
        """
        self.choose(theme=theme, timezone=json.dumps(zone), size=size)
        self.driver.get(self.airflow.address + path)
        self.settled()

    def choose(self, *, size: tuple[int, int], **stored: str) -> None:
        """Set the size of the window, and what Airflow's page keeps of people's choices."""
        if not self.driver.current_url.startswith(self.airflow.address):
            self.driver.get(f"{self.airflow.address}/api/v2/version")
        for name, value in stored.items():
            self.run("localStorage.setItem(arguments[0], arguments[1])", name, value)
        metrics = {
            "width": size[0],
            "height": size[1],
            "deviceScaleFactor": 1,
            "mobile": size[0] < 600,
        }
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def settled(self) -> None:
        """Wait until what the address says is drawn, and the page reads nothing.

        Airflow may draw a plugin's page anew; so it counts when it is the same one twice.
        """
        same = (
            "const page = document.querySelector('.ct-page');"
            "const drawn = page?.dataset.search === location.search;"
            "const reads = !drawn || document.querySelector('[aria-busy=true], .ct-loading');"
            "const before = globalThis.ctSettled; globalThis.ctSettled = reads ? null : page;"
            "return page !== null && !reads && before === page"
        )
        wait_until("the page to have read", lambda: self.run(same), seconds=120, every=0.1)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)  # type: ignore[no-untyped-call]

    def all(self, selector: str, containing: str = "") -> list[WebElement]:
        """Return what a CSS selector finds, of that what contains a text.

        It is one question: between two, the page may be drawn anew.
        """
        script = (
            "return [...document.querySelectorAll(arguments[0])]"
            ".filter(each => each.textContent.includes(arguments[1]))"
        )
        return list(self.run(script, selector, containing))

    def one(self, selector: str, containing: str = "") -> WebElement:
        """Return the first of these, once it is there; where it never is, tell what is instead."""
        try:
            return wait_until(f"{selector} {containing!r}", lambda: self.all(selector, containing))[
                0
            ]
        except TimeoutError as error:
            shown = self.run("return document.body.innerText")
            error.add_note(f"At {self.path()}:\n{shown[:5000]}\n{self.errors()}")
            raise

    def gone(self, selector: str, containing: str = "") -> None:
        wait_until(f"no {selector} {containing!r}", lambda: not self.all(selector, containing))

    def using(self, selector: str, do: Callable[[WebElement], T], containing: str = "") -> T:
        """Return what *do* makes of the first of these; try again if the page drew it anew."""

        def attempt() -> list[T]:
            try:
                return [do(self.one(selector, containing))]
            except StaleElementReferenceException:
                return []

        return wait_until(f"{selector} {containing!r} to stay", attempt)[0]

    def click(self, selector: str, containing: str = "") -> None:
        """Click it; try again if it moved away from under the pointer as something was drawn."""
        prepare = (
            "globalThis.ctClicked = false; arguments[0].scrollIntoView({block: 'center'});"
            "const heard = () => { globalThis.ctClicked = true };"
            "const told = arguments[0].closest('select') ?? arguments[0];"
            "for (const kind of ['click', 'change']) told.addEventListener(kind, heard, true)"
        )
        # Where the click led to another document, nobody heard it there.
        missed = "return arguments[0].isConnected && globalThis.ctClicked === false"

        def attempt() -> bool:
            element = self.one(selector, containing)
            try:
                self.run(prepare, element)
                element.click()
            except StaleElementReferenceException:
                return False
            try:
                return not self.run(missed, element)
            except StaleElementReferenceException:
                return True

        wait_until(f"{selector} {containing!r} to be clicked", attempt)

    def fill(self, selector: str, text: str) -> None:
        """Type in place of what is there; WebDriver's own clearing is not seen by React."""
        self.using(selector, lambda field: field.send_keys(Keys.CONTROL + "a" + Keys.NULL + text))

    def fill_moment(self, selector: str, local: str) -> None:
        """Choose a local time, as 2026-11-27T20:00; how it is typed depends on the language."""
        script = """
            const [field, value] = [document.querySelector(arguments[0]), arguments[1]];
            Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(field, value);
            field.dispatchEvent(new Event("input", { bubbles: true }));
        """
        self.one(selector)
        self.run(script, selector, local)

    def text(self, selector: str) -> str:
        return " ".join(self.using(selector, lambda element: element.text).split())

    def texts(self, selector: str) -> list[str]:
        """Return the text of each that a CSS selector finds, hidden text too."""
        script = "return [...document.querySelectorAll(arguments[0])].map(each => each.textContent)"
        return [" ".join(text.split()) for text in self.run(script, selector)]

    def press(self, *keys: str) -> None:
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def tab_to(self, text: str) -> WebElement:
        """Press Tab until the focus is on what is called this."""
        for _ in range(200):
            self.press(Keys.TAB)
            focused = self.driver.switch_to.active_element
            if text in focused.accessible_name:
                return focused
        raise AssertionError(f"no Tab leads to {text!r}")

    def style(self, selector: str, name: str) -> str:
        script = "return getComputedStyle(arguments[0])[arguments[1]]"
        return str(self.using(selector, lambda element: self.run(script, element, name)))

    def errors(self, *, but: str | None = None) -> list[str]:
        """Return what the console complained of since the last time.

        What has an address that begins with *but* is left out.
        """
        entries = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        found = [str(entry["message"]) for entry in entries if entry["level"] == "SEVERE"]
        return [
            error
            for error in found
            if but is None or not error.startswith(self.airflow.address + but)
        ]

    def hosts(self) -> set[str | None]:
        """Where requests went since the last time."""
        events = [
            json.loads(entry["message"])["message"]
            for entry in self.driver.get_log("performance")  # type: ignore[no-untyped-call]
        ]
        sent = [
            event["params"] for event in events if event["method"] == "Network.requestWillBeSent"
        ]
        addresses = [urlsplit(event["request"]["url"]) for event in sent]
        return {
            address.netloc
            for address in addresses
            if address.scheme not in ("data", "blob", "chrome", "about")
        }

    @contextmanager
    def quiet(self, *, but: str | None = None) -> Iterator[None]:
        """Check that the console has no error *but* of such addresses.

        No other host may be asked.
        """
        self.errors(), self.hosts()
        yield
        assert not (errors := self.errors(but=but)), errors
        others = self.hosts() - {urlsplit(self.airflow.address).netloc}
        assert not others, others

    def path(self) -> str:
        """Where it is, under Airflow's address."""
        return self.driver.current_url.removeprefix(self.airflow.address)

    def sideways(self) -> int:
        """By how many pixels the document is wider than the window."""
        return int(
            self.run(
                "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
        )

    def violations(self) -> list[str]:
        """Return what axe finds serious or critical in our part of the document."""
        self.run(AXE.read_text())
        found = self.driver.execute_async_script(  # type: ignore[no-untyped-call]
            "const done = arguments[0]; "
            "axe.run(document.querySelector('.ct-page')).then(r => done(r.violations))"
        )
        return [
            f"{each['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
            for each in found
            if each["impact"] in ("serious", "critical")
            for node in each["nodes"]
        ]

    @contextmanager
    def without(self, *patterns: str) -> Iterator[None]:
        """While requests like these do not get through."""
        self.driver.execute_cdp_cmd("Network.enable", {})
        self.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": list(patterns)})
        try:
            yield
        finally:
            self.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})

    @contextmanager
    def holding(self, part: str) -> Iterator[None]:
        """Hold requests with this in their address until the end of the block.

        It holds on pages that are opened from now on.
        """
        held = "globalThis.held ??= new Promise(go => { globalThis.letGo = go })"
        with self._between(part, f"await ({held}); return ask(...asked)"):
            yield
            self.run("letGo()")

    @contextmanager
    def answering(self, part: str, body: object) -> Iterator[None]:
        """On pages opened from now on, requests with this in their address are answered so."""
        with self._between(part, f"return Response.json({json.dumps(body)})"):
            yield

    @contextmanager
    def _between(self, part: str, what: str) -> Iterator[None]:
        concerned = f"`${{asked[0]}}`.includes({json.dumps(part)})"
        changed = f"async (...asked) => {{ if ({concerned}) {{ {what} }} return ask(...asked) }}"
        # A block: several of these do not know each other
        script = f"{{ const ask = fetch; fetch = {changed} }}"
        added = self.driver.execute_cdp_cmd(
            "Page.addScriptToEvaluateOnNewDocument", {"source": script}
        )
        try:
            yield
        finally:
            self.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


@contextmanager
def chromium(
    airflow: LocalAirflow, profile: Path, *, logged_in: requests.Session | None = None
) -> Iterator[Browser]:
    """Start a Chromium with a profile of its own, and a session's login or nobody's."""
    options = webdriver.ChromeOptions()
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.binary_location = "/usr/bin/chromium"
    driver = webdriver.Chrome(
        options=options, service=webdriver.ChromeService("/usr/bin/chromedriver")
    )
    try:
        browser = Browser(driver, airflow)
        if logged_in:
            browser.log_in(logged_in)
        yield browser
    finally:
        driver.quit()
