"""People are told of what has changed, once: by the log always, by Slack where it is configured and answers."""

import json
import logging
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import dagster as dg
import pytest
from pydantic import SecretStr

from v4_assets.definitions import build
from v4_assets.errors import V4Error
from v4_assets.names import ALERT_SENSOR, PAST_DAY_JOB, ROLLOUT_PAGE, SYNC_JOB
from v4_assets.operations import local_runs
from v4_assets.operations.instance import dagster_instance
from v4_assets.operations.status import status
from v4_assets.report import alerts
from v4_assets.resources import store
from v4_assets_tests.fixtures.stories import FALLEN, GOOD, SINCE, WATCHED, Story, tell

pytestmark = pytest.mark.extended

SECRET = "T0000-B0000-nobodyshallseethis"


@dataclass
class Slack:
    """A stand-in for Slack on this machine: it keeps what it is told and answers with `status`, None for not at all."""

    status: int | None = 200
    messages: list[str] = field(default_factory=list)
    url: str = ""
    leave: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def slack() -> Iterator[Slack]:
    """Slack while a test goes on."""
    made = Slack()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if made.status is None:
                made.leave.wait(10)
                return
            made.messages.append(content["text"])
            self.send_response(made.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_address[1]}/services/{SECRET}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield made
    made.leave.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def story(tmp_path, slack) -> Story:
    """A promoted candidate, healthy so far, and Slack."""
    return tell("watched", tmp_path / "home", V4_SLACK_WEBHOOK=slack.url)


FIRST = [
    "Held in watch: top_decile_lift had no verdict at the close of 2026-W04, 2026-W05.",
    "adopted: v4.0.0 (v4 init). v4.0.0 is the baseline of rollout.yaml",
    "promotion started: v4.0.0 → v4.1.0 (rollout_sensor). v4.1.0 has earned its promotion.",
    "promotion completed: v4.0.0 → v4.1.0 (rollout_sensor). Everything that follows from promotion_started is done.",
]
"""How what there is to tell at the first look begins."""


def begins(lines: list[str]) -> list[str]:
    """As much of the lines as stands in FIRST."""
    return [line[: len(said)] for line, said in zip(lines, FIRST, strict=True)]


def page_of(story: Story) -> str:
    """The rollout page as it stands."""
    return (story.settings.places.reports / ROLLOUT_PAGE).read_text(encoding="utf-8")


def test_a_reason_notifies_no_channel_of_slack(slack):
    alerts.post(SecretStr(slack.url), ["rolled back: <!channel> & <@U1>"])
    assert slack.messages == ["rolled back: &lt;!channel&gt; &amp; &lt;@U1&gt;"]


def test_everything_is_reported_once(story, slack):
    story.alerts()
    [message] = slack.messages
    assert begins(message.splitlines()) == FIRST
    assert story.alerts() == ""
    assert len(slack.messages) == 1


def test_the_first_alert_and_one_after_a_lost_cursor_are_cut_to_the_latest_events(story, slack, monkeypatch):
    monkeypatch.setattr(alerts, "FIRST_EVENTS", 1)
    story.alerts()
    shutil.rmtree(story.settings.dagster_home)
    story.alerts()
    for message in slack.messages:
        lines = message.splitlines()
        assert [line[: len(said)] for line, said in zip(lines, (FIRST[0], FIRST[3]), strict=True)] == [
            FIRST[0],
            FIRST[3],
        ]
    assert (len(slack.messages), story.alerts()) == (2, "")


def test_what_is_not_an_event_is_never_cut():
    kinds = ("run", "event", "held", "event", "event", "event", "event", "lost", "event", "event")
    news = [alerts.Alert(f"{kind}:{number}", "") for number, kind in enumerate(kinds)]
    cut = [news[at] for at in (1, 3)]
    assert alerts.latest(news) == [one for one in news if one not in cut]


def test_a_day_that_is_missing_is_reported_alone_and_a_hold_that_goes_on_afterwards_is_no_news(story, slack):
    story.alerts()
    story.goes_on(time="23:55")
    assert story.alerts() == ""
    story.goes_on(WATCHED.replace(day=3), "07:30")
    missing = "The day 2026-02-03 is missing: lift_comparison of 2026-02-03 was not evaluated."
    assert story.alerts() == missing
    assert missing in page_of(story)
    assert slack.messages[1:] == [missing]
    assert story.run().success
    assert story.tick().said.startswith("hold: top_decile_lift had no verdict")
    assert story.alerts() == ""
    story.goes_on(WATCHED.replace(day=4))
    assert story.alerts() == missing.replace("02-03", "02-04")


def test_what_was_gone_for_a_day_is_news_again():
    begun = datetime(2026, 2, 2, 11, tzinfo=UTC)
    known = alerts.still_known({}, [alerts.Alert("held", "Held.")], begun)
    assert set(alerts.still_known(known, [], begun + timedelta(hours=23))) == {"held"}
    assert alerts.still_known(known, [], begun + timedelta(hours=24)) == {}
    seen = alerts.still_known(known, [alerts.Alert("held", "Held.")], begun + timedelta(hours=23))
    assert set(alerts.still_known(seen, [], begun + timedelta(hours=46))) == {"held"}


@pytest.mark.parametrize(
    ("status", "said"),
    [(500, "it answered 500"), (404, "it answered 404"), (None, r"it did not answer \(ReadTimeout\)")],
)
def test_what_slack_did_not_take_is_reported_at_the_next_look_and_the_address_stays_secret(
    story, slack, monkeypatch, capfd, caplog, status, said
):
    monkeypatch.setattr(alerts, "SLACK_SECONDS", 0.3)
    caplog.set_level(logging.DEBUG)
    slack.status = status
    with pytest.raises(
        V4Error, match=f"Slack refused the alert: {said}. Check V4_SLACK_WEBHOOK. Not posted: Held in watch"
    ) as raised:
        story.alerts()
    slack.status = 200
    slack.messages.clear()
    story.alerts()
    [message] = slack.messages
    assert begins(message.splitlines()) == FIRST
    everything = "".join([*_chain(raised.value), *capfd.readouterr(), caplog.text, repr(story.settings)])
    assert SECRET not in everything


def test_a_slack_that_is_not_there_is_stated_without_its_address(story, monkeypatch):
    story.env["V4_SLACK_WEBHOOK"] = f"http://127.0.0.1:9/services/{SECRET}"
    with pytest.raises(V4Error, match=r"it did not answer \(ConnectionError\)") as raised:
        story.alerts()
    assert SECRET not in "".join(_chain(raised.value))


def _chain(error: BaseException | None) -> list[str]:
    """An error and everything it came from, in full."""
    return [repr(error), str(error), *_chain(error.__context__), *_chain(error.__cause__)] if error else []


def test_without_slack_alerts_go_to_the_log(story, slack):
    del story.env["V4_SLACK_WEBHOOK"]
    assert begins(_logged(story)) == FIRST
    assert slack.messages == []


def _logged(story: Story) -> list[str]:
    """What the alert sensor writes to its log at its first look."""
    definitions = build(story.settings)
    with dagster_instance(story.settings) as instance:
        context = dg.build_sensor_context(
            instance=instance,
            repository_def=definitions.get_repository_def(),
            sensor_name=ALERT_SENSOR,
            resources=definitions.resources,
        )
        lines: list[str] = []
        with context, _heard(context, lines):
            definitions.resolve_sensor_def(ALERT_SENSOR).evaluate_tick(context)
    return lines


@contextmanager
def _heard(context: Any, lines: list[str]) -> Iterator[None]:
    context.log.warning = lines.append
    yield


def test_a_failed_run_is_reported_with_its_day(story):
    story.alerts()
    story.goes_on(WATCHED.replace(day=3))
    with story.broken("v4.1.0"):
        outcome = story.run()
    assert not outcome.success
    said = story.alerts()
    assert f"Run {outcome.run_id} of daily_scoring for 2026-02-03 failed. See docs/runbook.md." in said
    assert story.alerts() == ""


def test_every_action_is_reported_with_its_reason(story):
    story.alerts()
    for day in SINCE[1:]:
        story.write(day, FALLEN)
    assert story.tick().outcomes[0].success
    said = story.alerts()
    assert said.startswith(
        "rollback started: v4.1.0 → v4.0.0 (rollout_sensor). top_decile_lift failed at 2 consecutive week-closes."
    )
    assert "; rollback completed: v4.1.0 → v4.0.0 (rollout_sensor). " in said


def test_a_day_that_was_compared_but_never_sent_is_reported_once_it_is_due(story):
    story.alerts()
    story.goes_on(WATCHED.replace(day=3), "07:29")
    with story.measured():
        outcome = local_runs.run_job(story.settings, PAST_DAY_JOB, partition=story.day)
    assert outcome.success, outcome.errors
    assert story.alerts() == ""
    story.goes_on(time="07:30")
    said = "Salesforce has not received v4.1.0's scores of 2026-02-03: no sync of the day has ended."
    assert story.alerts() == said
    assert {"what": said, "do": alerts.KINDS["sync"].do} in status(story.settings)["to_do"]
    assert said.replace("'", "&#x27;") in page_of(story) or said in page_of(story)
    assert local_runs.run_job(story.settings, SYNC_JOB, partition=story.day).success
    assert said not in [one["what"] for one in status(story.settings)["to_do"]]


def test_live_scores_without_check_results_are_reported_once_they_are_due(story):
    story.alerts()
    story.change("DELETE FROM ml_features.v4_check_results WHERE table_name = 'v4_daily_scores_v41'")
    assert story.alerts() == ""
    story.goes_on(time="07:30")
    assert story.alerts().startswith(
        "The day 2026-02-02 is missing: daily_scores_v41 of 2026-02-02 was not checked; run the day again"
    )


def test_every_alert_says_the_words_by_which_the_runbook_lists_its_kind(story):
    story.goes_on(WATCHED.replace(day=3), "07:30")
    settings = story.settings
    with story.broken("v4.1.0"):
        assert not story.run().success
    with dagster_instance(settings) as instance:
        found = alerts.current(instance, store(settings), settings.rollout, settings.clock)
    kinds = {one.key.partition(":")[0] for one in found}
    assert {"run", "missing", "event"} <= kinds
    assert [one.text for one in found if not one.key.startswith("event:") and one.kind.says not in one.text] == []


def test_another_matter_is_reported_in_a_week_with_an_earlier_report(story):
    story.alerts()
    story.write(WATCHED, FALLEN)
    assert story.alerts().startswith("Held in watch: lift_comparison of 2026-02-02 was written again (write 2) ")
    story.write(WATCHED, GOOD)
    story.change("UPDATE ml_features.v4_production SET version = 'v4.0.0'")
    second = story.alerts()
    assert "(write 3)" in second
    assert "it carries v4.1.0's scores" in second
    assert story.alerts() == ""


def test_a_warehouse_that_cannot_be_read_is_reported(story):
    story.alerts()
    story.change("DROP TABLE ml_features.v4_deployments CASCADE")
    assert story.alerts().startswith("The rollout could not be read: deployments uses a table that does not exist")
    assert story.alerts() == ""
