"""What a person finds in Dagster after a promotion and a rollback: who is live, the figures, the charts, the reason."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from v4_assets.operations import operator_actions
from v4_assets_tests.browser.dagster_ui import DagsterUI
from v4_assets_tests.fixtures.sparing import draw
from v4_assets_tests.fixtures.stories import FALLEN, NEW, OLD, SINCE, WATCHED, Story, tell

pytestmark = pytest.mark.extended

SECONDS = 90
"""So long a page may take on a machine that is busy with other tests."""


@pytest.fixture(scope="module")
def rolled_back(tmp_path_factory: pytest.TempPathFactory, chromium: object) -> Story:
    """v4.1.0 was promoted by a person, failed at two week-closes, and was taken back by the sensor."""
    story = tell("adopted", tmp_path_factory.mktemp("pages") / "home")
    draw()  # a story draws no charts, and a test below looks at them
    assert story.run().success
    assert operator_actions.order(story.settings, "promotion", NEW, "the pilot team asked for it").success
    story.goes_on(WATCHED)
    assert story.run().success
    for day in SINCE[1:]:
        story.write(day, FALLEN)
    [outcome] = story.tick().outcomes
    assert outcome.success, outcome.errors
    assert story.live == OLD
    return story


@pytest.fixture(scope="module")
def dagster(rolled_back: Story, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterUI]:
    """The pages of that home."""
    with DagsterUI(rolled_back.environment, tmp_path_factory.mktemp("server") / "log") as server:
        yield server


@pytest.fixture(autouse=True)
def patience(page: Page) -> None:
    """Every wait of the page."""
    page.set_default_timeout(1000 * SECONDS)
    expect.set_options(timeout=1000 * SECONDS)


def test_the_alias_names_the_live_version_the_reason_of_the_rollback_and_its_report(
    page: Page, dagster: DagsterUI, rolled_back: Story
) -> None:
    page.goto(dagster.asset("production_alias"))
    reason = rolled_back.events[-2].reason
    assert "v4.1.0's top-decile lift is 1.20, below 1.50" in reason
    expect(page.get_by_role("row", name="live", exact=False).get_by_text(OLD, exact=True).first).to_be_visible()
    expect(page.get_by_text(reason).first).to_be_visible()
    expect(page.get_by_text(rolled_back.reports[-1]).first).to_be_visible()


def test_the_comparison_shows_both_versions_lift_and_its_charts(page: Page, dagster: DagsterUI) -> None:
    page.goto(dagster.asset("lift_comparison"))
    for version, lift in ((NEW, "2.1"), (OLD, "1.5")):
        row = page.get_by_role("row", name=f"lift {version} ", exact=False)
        expect(row.first).to_contain_text(lift)
    for number, alt in enumerate(("Lift by decile", "Top-decile lift by day", "Scores of")):
        page.get_by_text("Show Markdown").nth(number).click()
        picture = page.locator(f"img[alt^='{alt}']").first
        expect(picture).to_be_visible()
        assert picture.evaluate("image => image.complete && image.naturalWidth") == 792
        page.keyboard.press("Escape")
        expect(picture).to_be_hidden()


def test_a_gate_says_what_it_asks_what_it_found_and_what_to_do(page: Page, dagster: DagsterUI) -> None:
    page.goto(dagster.asset("lift_comparison", "checks", checkDetail="top_decile_lift"))
    expect(page.get_by_text("Rollback: is the live version's top-decile lift below").first).to_be_visible()
    expect(page.get_by_text("When it fails:").first).to_be_visible()
    expect(page.get_by_text("v4.1.0's top-decile lift is 2.10, not below 1.50").first).to_be_visible()
    expect(page.get_by_role("row", name="distance", exact=False).first).to_contain_text("0.6")


def test_the_groups_of_the_graph_are_the_stages_in_their_order(page: Page, dagster: DagsterUI) -> None:
    page.goto(f"{dagster.url}/asset-groups")
    expect(page.get_by_role("button", name="8_training").first).to_be_visible()
    names = [one.inner_text().split("\n")[0] for one in page.get_by_role("button").all()]
    stages = ("sources", "leads", "features", "scores", "evaluation", "production", "salesforce", "training")
    wanted = [f"{number}_{stage}" for number, stage in enumerate(stages, start=1)]
    assert [name for name in names if name in wanted] == wanted
