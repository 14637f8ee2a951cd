"""Debian's Chromium, and a page that remembers what went wrong on it. Nothing outside this machine is asked for."""

import os
import re
import shutil
from collections.abc import Iterator, Sequence

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, Route, sync_playwright

HOW_TO_GET_IT = "There is no `chromium` on the PATH, which the browser tests drive. On Debian: apt install chromium"
AT_HOME = re.compile(r"^(file|data|blob|about):|^(http|ws)://127\.0\.0\.1[:/]")
CANCELLED = "net::ERR_ABORTED"
"""What a request ends in that the page itself gave up, as when it is left."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Skipped where it is missing, except in CI, where that is a failure. It ends with the module: while it is open,
    its event loop runs in this thread, and no other test can run one."""
    path = shutil.which("chromium")
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(HOW_TO_GET_IT)
    with sync_playwright() as playwright:
        # Chromium's sandbox needs rights that containers and root do not give; only our own pages are opened.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def troubles() -> list[str]:
    """What went wrong on the page so far, one sentence each."""
    return []


@pytest.fixture
def allowed_troubles() -> Sequence[str]:
    """Patterns of troubles that are not ours. A test module overrides this and gives each its reason."""
    return ()


@pytest.fixture
def page(chromium: Browser, troubles: list[str], allowed_troubles: Sequence[str]) -> Iterator[Page]:
    """A page of its own. The test fails at its end for every trouble that is not allowed."""
    context = chromium.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    watch(page, troubles)
    yield page
    context.close()
    unexpected = [one for one in troubles if not any(re.search(pattern, one) for pattern in allowed_troubles)]
    assert unexpected == []


def watch(page: Page, troubles: list[str]) -> None:
    """Note what goes wrong on the page: errors of its scripts, requests that fail or leave this machine."""

    def said(message: ConsoleMessage) -> None:
        if message.type == "error":
            troubles.append(f"console: {message.text} ({message.location.get('url', '')})")

    def failed(request: Request) -> None:
        if AT_HOME.match(request.url) and request.failure != CANCELLED:
            troubles.append(f"request: {request.url} failed: {request.failure}")

    def answered(response: Response) -> None:
        if response.status >= 400:
            troubles.append(f"request: {response.url} was answered {response.status}")

    def stay_here(route: Route) -> None:
        troubles.append(f"request: {route.request.url} is not on this machine")
        route.abort()

    page.on("console", said)
    page.on("pageerror", lambda error: troubles.append(f"script: {error}"))
    page.on("requestfailed", failed)
    page.on("response", answered)
    page.route(lambda url: not AT_HOME.match(url), stay_here)
