"""The written report says why, with every number, and what it cannot say; its charts are pictures of the evidence."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from v4_assets.clock import NEW_YORK
from v4_assets.config.environment import load
from v4_assets.errors import SalesforceError
from v4_assets.production.decision import Gate, Phase, RolloutStatus, Verdict
from v4_assets.production.events import Event, report_name
from v4_assets.production.orders import Order, completed, gates_json, order_id
from v4_assets.production.recorded_syncs import Sync
from v4_assets.report import charts
from v4_assets.report.assets import verify_through
from v4_assets.report.figure_tables import gates_of
from v4_assets.report.markdown import Picture, Report, as_markdown
from v4_assets.report.next_decision import Criterion, Outlook
from v4_assets.salesforce.ledger import SyncRecord
from v4_assets_tests.fixtures.crm_world import CrmWorld
from v4_assets_tests.fixtures.evidences import evidence

DAY = date(2026, 1, 12)
NOW = datetime(2026, 1, 12, 11, 30, tzinfo=UTC)
GATES = (
    Gate("top_decile_lift", Verdict.FAIL, "lift 1.21 | bound 1.38 lies below 1.5", 1.21, 1.5, 1.38),
    Gate("auc", Verdict.PASS, "AUC 0.61", 0.61, 0.59, 0.64),
)
ROLLBACK = Event(
    event_id="0123456789abcdef",
    happened_at=NOW,
    event="rollback_started",
    version="v4.0.0",
    previous="v4.1.0",
    reason="top_decile_lift failed at 2 consecutive week-closes.",
    decided_by="rollout_sensor",
    action_id="0123456789abcdef",
    gates=gates_json(GATES),
    evidence_day=DAY,
    evidence_sha256="e" * 64,
)
STATUS = RolloutStatus(Phase.ROLLED_BACK, "v4.0.0", "v4.1.0", "v4.0.0", DAY, live_since=DAY, phase_since=DAY)
EVIDENCE = [evidence(), evidence(version="v4.0.0", lift=1.44, lift_low=1.1, lift_high=1.9)]


def report(**changes: Any) -> Report:
    made = Report(
        status=STATUS,
        statuses={"v4.0.0": "production", "v4.1.0": "deprecated"},
        events=[ROLLBACK],
        evidence=EVIDENCE,
        evidence_sha256="e" * 64,
        gates=GATES,
        at=NOW.astimezone(NEW_YORK),
        outlook=Outlook("v4.1.0 was rolled back.", (Criterion("lift of at least 2", "2.10", "met"),)),
        problems=("The day 2026-01-12 is missing.",),
        sync=Sync(
            NOW.astimezone(NEW_YORK),
            "local",
            "v4.0.0",
            NOW.astimezone(NEW_YORK),
            sent=5000,
            confirmed=4997,
            failed=1,
            quarantined=2,
            kept_back=7,
        ),
        action=ROLLBACK,
        checks={"coverage": "ok: found 5000"},
        charts={"Lift over the weeks": Picture("page-2.png", "Lift by day. v4.1.0: 2.00.")},
        readers="Still reading v4.1.0 by name: sales.sheet.",
    )
    return replace(made, **changes)


@pytest.mark.parametrize(
    "said",
    [
        "# Rollback: v4.0.0 (was v4.1.0), 2026-01-12",
        "**Why.** top_decile_lift failed at 2 consecutive week-closes.",
        "**Decided by** rollout_sensor, 2026-01-12 11:30 UTC",
        "v4.0.0 production, v4.1.0 deprecated",
        f"sha256 `{'e' * 64}`",
        "| top_decile_lift | FAIL | 1.21 | 1.5 | 1.38 | lift 1.21 \\| bound 1.38 lies below 1.5 |",
        "| figure | v4.0.0 | v4.1.0 |",
        "| top-decile lift | 1.44 (1.10 to 1.90) | 2.10 (1.70 to 2.50) |",
        "Leads contacted 2025-11-20 to 2025-11-29",
        "![Lift by day. v4.1.0: 2.00.](page-2.png)",
        "| lift of at least 2 | 2.10 | met |",
        "- The day 2026-01-12 is missing.",
        "| sent | 5,000 |",
        "| failed | 1 |",
        "| quarantined | 2 |",
        "| held back | 7 |",
        "| rows last sent | 12 January 2026, 06:30 in New York |",
        "| coverage | ok: found 5000 |",
        "## Readers by name\n\nStill reading v4.1.0 by name: sales.sheet.",
        "Who is live changes outcomes",
        "| 2026-01-12 11:30 UTC | rollback_started | v4.1.0 → v4.0.0 | rollout_sensor |",
    ],
)
def test_the_page_holds(said):
    assert said in as_markdown(report())


@pytest.mark.parametrize(
    ("promoted", "said"),
    [
        pytest.param(date(2025, 11, 20), "v4.1.0 was live at first. ", id="before the first contact"),
        pytest.param(date(2025, 11, 25), "v4.0.0 was live at first, v4.1.0 from 2025-11-25 on. ", id="among them"),
        pytest.param(date(2025, 12, 15), "v4.0.0 was live at first. ", id="after the last contact"),
        pytest.param(None, "no version was adopted here at first. ", id="before the adoption"),
    ],
)
def test_the_page_says_who_ranked_the_leads_of_the_rollback_verdict_and_when_they_were_contacted(promoted, said):
    noon = datetime(2025, 11, 1, 17, tzinfo=UTC)
    adopted = replace(ROLLBACK, event="adopted", version="v4.0.0", previous=None, happened_at=noon)
    switch = replace(ROLLBACK, event="promotion_started", version="v4.1.0", previous="v4.0.0")
    events = [adopted, replace(switch, happened_at=datetime.combine(promoted, noon.timetz()))] if promoted else []
    page = as_markdown(report(events=[*events, ROLLBACK]))
    sentence = "The leads of the rollback verdict were contacted 2025-11-20 to 2025-11-29: "
    assert f"{sentence}{said}The live version decided who was called first" in page


def test_what_was_computed_afterwards_is_stated():
    assert "Up to 25% of the first scores were computed after their day" in as_markdown(
        report(evidence=[evidence(live_share=0.75)])
    )
    assert "computed after their day" not in as_markdown(report())


def test_a_person_s_decision_has_no_gates_and_says_so():
    assert "None was asked: a person decided." in as_markdown(report(gates=()))


def test_a_day_without_evidence_is_a_page_too():
    nothing: dict[str, Any] = {
        "evidence": [],
        "gates": (),
        "evidence_sha256": None,
        "charts": {},
        "sync": None,
        "problems": (),
    }
    page = as_markdown(report(action=None, **nothing))
    assert page.startswith("# v4.0.0 has been live since 12 January 2026, v4.1.0 was rolled back\n")
    assert "- **Salesforce** No sync is on record." in page
    assert "- **Problems** None open." in page
    assert "## Gates" not in page


def test_a_day_begins_with_why_and_the_numbers_that_decided():
    page = as_markdown(report(action=None))
    assert "v4.1.0 was rolled back: its top-decile lift was 1.21, where at least 1.5 is asked for" in page
    assert "- **Next decision** v4.1.0 was rolled back." in page
    assert "It has v4.0.0's scores of 12 January 2026, 06:30 in New York; 5,000 leads sent last, 3 refused." in page
    assert "- **Problems** 1 open." in page


def test_a_person_s_reason_is_reported_in_their_words():
    by_hand = replace(ROLLBACK, decided_by="ann (v4)", reason="Sales *asked*\nfor it", gates=None)
    assert "\nSales \\*asked\\* for it\n" in as_markdown(report(action=None, events=[by_hand]))


def test_gates_come_back_as_they_were_kept():
    assert gates_of(ROLLBACK) == list(GATES)
    assert gates_of(replace(ROLLBACK, gates=None)) == []


def test_actions_have_pages_of_their_own():
    assert report_name(ROLLBACK, DAY) == "2026-01-12-rollback-v4.0.0-01234567"
    assert report_name(None, DAY) == "2026-01-12-daily"


def test_charts_are_pictures():
    days = [
        evidence(prediction_date=DAY + timedelta(days=number), version=version, lift=lift)
        for number in range(3)
        for version, lift in (("v4.0.0", 1.4), ("v4.1.0", 2.0))
    ]
    over_time = charts.lift_over_time(days, [ROLLBACK], load({}).rollout.policy)
    deciles = [
        {
            "version": version,
            "decile": decile,
            "conversion_rate": decile / 200 if decile > 1 else None,
            "conversion_rate_low": decile / 300,
            "conversion_rate_high": decile / 150,
        }
        for version in ("v4.0.0", "v4.1.0")
        for decile in range(1, 11)
    ]
    by_decile = charts.conversion_by_decile(deciles, "a cohort")
    assert over_time.png[:8] == by_decile.png[:8] == b"\x89PNG\r\n\x1a\n"
    assert "v4.1.0: 2.00 on 2026-01-12, 2.00 on 2026-01-14; rollback of v4.0.0 on 2026-01-12" in over_time.alt
    assert "Promotion asks for 2, below 1.5 it is rolled back" in over_time.alt
    assert "v4.0.0 from decile 1 to 10: 1.0, 1.5" in by_decile.alt
    assert over_time != charts.lift_over_time(days[:2], [], load({}).rollout.policy)
    assert by_decile != charts.conversion_by_decile(deciles[:10], "a cohort")


def test_the_same_world_gives_the_same_order():
    assert order_id("rollback", "v4.0.0", "a", "b") == order_id("rollback", "v4.0.0", "a", "b")
    ids = {
        order_id("rollback", "v4.0.0", "a", "b"),
        order_id("promotion", "v4.0.0", "a", "b"),
        order_id("rollback", "v4.1.0", "a", "b"),
        order_id("rollback", "v4.0.0", "c", "b"),
        order_id("rollback", "v4.0.0", "a", "c"),
    }
    assert len(ids) == 5


def test_an_order_resumed_begins_the_same_event():
    again = Order.again(ROLLBACK)
    assert (again.event_id, again.kind, again.version) == (ROLLBACK.event_id, "rollback", "v4.0.0")
    through = completed(ROLLBACK, NOW, "run", "done")
    assert (through.event, through.action_id) == ("rollback_completed", ROLLBACK.event_id)


@pytest.mark.parametrize(
    ("event", "owed", "is_through"),
    [
        ("rollback_started", None, True),
        ("rollback_started", "5 of 60 leads are pending, limit 1.0%", False),
        ("rollback_started", "another version", False),
        ("promotion_started", "no sync", False),
        ("sunset_started", "no sync", True),
    ],
)
def test_a_switch_is_not_through_while_salesforce_owes_it(tmp_path, event, owed, is_through):
    world = CrmWorld(tmp_path).prepare()
    action = replace(ROLLBACK, event=event)
    version = "v4.1.0" if owed == "another version" else action.version
    if owed != "no sync":
        why = owed if owed and owed[0].isdigit() else None
        world.ledger.record(SyncRecord("sync", "local", "00D", world.day, version, "run", owed=why))
    if is_through:
        verify_through(world.store, action, world.clock)
    else:
        with pytest.raises(SalesforceError, match=rf"{event} to v4\.0\.0 is not finished: .* is resumed"):
            verify_through(world.store, action, world.clock)
