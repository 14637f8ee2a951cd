"""Pictures of the Dagster pages of a finished demo, into docs/images: `make screenshots`."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from v4_assets.config.environment import load
from v4_assets.project_files import PROJECT
from v4_assets_tests.browser.conftest import HOW_TO_GET_IT
from v4_assets_tests.browser.dagster_ui import DagsterUI

IMAGES = PROJECT / "docs" / "images"
WIDTH, COLOURS, MOST_BYTES = 1400, 128, 250_000
MILLISECONDS = 120_000
"""So long a page may take to show what is waited for."""
SETTLED = 2_500
"""Until plots and graphs have come to rest."""


@dataclass(frozen=True)
class Shot:
    """One picture: where, what must be seen before it is taken, and what is done first."""

    name: str
    path: str
    seen: str
    height: int
    first: Callable[[Page], None] = lambda page: None


def open_lift_over_weeks(page: Page) -> None:
    """Each chart is behind a click; this is the second."""
    page.get_by_text("Show Markdown").nth(1).click()


def open_plots(page: Page) -> None:
    """Figures as they came instead of the latest ones. By day, Dagster shows the days before the real today only, and
    a demo's lie long before it."""
    page.get_by_text("Plots", exact=True).first.click()
    page.get_by_text("Events", exact=True).last.click()
    page.locator("canvas").first.wait_for()


SHOTS = (
    Shot("dagster-graph", "/asset-groups", "5_evaluation", 700),
    Shot("dagster-lift-comparison", "/assets/lift_comparison?view=overview", "Show Markdown", 1300),
    Shot("dagster-lift-chart", "/assets/lift_comparison?view=overview", "Show Markdown", 700, open_lift_over_weeks),
    Shot("dagster-lift-plots", "/assets/lift_comparison?view=overview", "Show Markdown", 1500, open_plots),
    Shot(
        "dagster-gate",
        "/assets/lift_comparison?view=checks&checkDetail=top_decile_lift",
        "When it fails:",
        1100,
    ),
    Shot("dagster-production-alias", "/assets/production_alias?view=overview", "report of the switch", 1300),
    Shot("dagster-salesforce-sync", "/assets/salesforce_sync?view=overview", "confirmed", 1300),
)


WITHOUT_HOME = """home => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) walker.currentNode.data = walker.currentNode.data.replaceAll(home, ".v4");
}"""
"""Where V4_HOME lies on the machine that took the pictures is nobody's business."""


def main() -> int:
    """Take every picture. Returns the exit code: 1 without a finished demo or without Chromium."""
    settings, chromium = load(), shutil.which("chromium")
    if not settings.demo_clock_file.exists():
        print(f"There is no finished demo in {settings.home}. Run `make demo` first, or set V4_HOME.", file=sys.stderr)
        return 1
    if chromium is None:
        print(HOW_TO_GET_IT, file=sys.stderr)
        return 1
    IMAGES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        DagsterUI(dict(os.environ), Path(folder) / "log") as dagster,
        sync_playwright() as playwright,
    ):
        # Chromium's sandbox needs rights that containers and root do not give; only our own pages are opened.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for shot in SHOTS:
            page = browser.new_page(viewport={"width": WIDTH, "height": shot.height})
            size = take(page, dagster.url, shot, str(settings.home))
            page.close()
            print(f"{shot.name}.png {size:,} bytes")
        browser.close()
    return 0


def take(page: Page, url: str, shot: Shot, home: str) -> int:
    """One picture. Returns its size in bytes; raises AssertionError when it is too large for a repository."""
    page.set_default_timeout(MILLISECONDS)
    page.goto(f"{url}{shot.path}")
    page.get_by_text(shot.seen).first.wait_for()
    shot.first(page)
    page.mouse.move(0, 0)
    page.wait_for_timeout(SETTLED)
    page.evaluate(WITHOUT_HOME, home)
    path = IMAGES / f"{shot.name}.png"
    Image.open(BytesIO(page.screenshot())).convert("RGB").quantize(COLOURS).save(path, optimize=True)
    size = path.stat().st_size
    assert size < MOST_BYTES, f"{path} has {size:,} bytes, at most {MOST_BYTES:,} are wanted. Take less of the page."
    return size


if __name__ == "__main__":
    sys.exit(main())
