"""The demo's worlds hold what its stories need, and a story that goes otherwise fails the demo."""

from contextlib import nullcontext
from datetime import date, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from salesforce_stand_in import SeedLead, StandInOrg
from v4_assets import tables
from v4_assets.config.environment import load
from v4_assets.models.bundle import Bundle
from v4_assets.operations import operator_actions
from v4_assets.operations.local_runs import FailedCheck, Outcome
from v4_assets.production.decision import Action, Decision, Gate, Verdict
from v4_assets.resources import registry, warehouse
from v4_assets.sample import Story, demo, other_stories, rollout_story, stories
from v4_assets.sample.as_of import Facts
from v4_assets.sample.outcomes import (
    EXPERIENCE_YEARS,
    TENURE_MONTHS,
    bleeding_velocity,
    conversion_rates,
    stability_tier,
)
from v4_assets.sample.stories import DID, decided, entry, figures, gates, troubles
from v4_assets.sample.story_home import LOOK_AT, Morning, Stage, StoryError, carried, fails, must
from v4_assets.sample.world import World, WorldSpec, build, fill, lead_ids
from v4_assets.sample.world_spec import day_number
from v4_assets.sql import Query
from v4_assets_tests.fixtures.evidences import evidence
from v4_assets_tests.fixtures.homes import copy, prepared

UNKNOWN_TENURE = 5
MATURED = timedelta(days=44)
WEEK = timedelta(days=6)
LONGEST_REACH = {"rollout": timedelta(days=10), "market": timedelta(days=14)}
"""From the first day of a cohort to its last, in a world like this with this seed or another."""


@pytest.fixture(scope="module")
def models() -> dict[str, Bundle]:
    """The shipped bundles."""
    shipped = registry(load({}))
    return {version: shipped.load(version) for version in ("v4.0.0", "v4.1.0")}


@pytest.fixture(scope="module")
def rollout_world() -> World:
    return build(stories.ROLLOUT_WORLD)


@pytest.fixture(scope="module")
def market_world() -> World:
    return build(stories.MARKET_WORLD)


def scores(world: World, model: Bundle, leads: np.ndarray) -> np.ndarray:
    """The model's scores of some of the leads contacted in the window, on the morning after their contact."""
    facts, window = world.facts, slice(0, world.leads.in_window)
    columns = {
        **vars(facts),
        **as_features(facts),
        "has_email": world.leads.has_email[window],
        "has_linkedin": world.leads.has_linkedin[window],
    }
    return model.predict(np.column_stack([columns[name][leads] for name in model.feature_names]).astype(np.float32))


def as_features(facts: Facts) -> dict[str, np.ndarray]:
    """The facts under the features' names, encoded."""
    months, moves = facts.tenure_months, facts.mobility_3yr
    tenure = np.searchsorted(TENURE_MONTHS, months, side="right")
    return {
        "tenure_bucket": np.where(facts.has_firm, tenure, UNKNOWN_TENURE),
        "experience_bucket": np.searchsorted(EXPERIENCE_YEARS, facts.prior_experience_years, side="right"),
        "is_experience_missing": ~facts.has_firm & (facts.experience_years == 0),
        "mobility_tier": np.minimum(moves, 2),
        "firm_rep_count_at_contact": facts.rep_count,
        "firm_net_change_12mo": facts.net_change_12mo,
        "firm_stability_tier": stability_tier(facts),
        "has_firm_data": facts.has_firm,
        "is_broker_protocol": facts.in_protocol,
        "mobility_x_heavy_bleeding": (moves >= 2) & (facts.net_change_12mo < -10),
        "short_tenure_x_high_mobility": facts.has_firm & (months < 24) & (moves >= 2),
        "is_recent_mover": facts.days_since_move <= 365,
        "days_since_last_move": facts.days_since_move,
        "firm_departures_corrected": facts.departures_365d,
        "bleeding_velocity_encoded": bleeding_velocity(facts),
        "is_ia_rep_type": facts.is_ia,
        "is_dual_registered": facts.is_dual,
    }


def truth(world: World, model: Bundle, judged: date, reach: timedelta = WEEK) -> tuple[float, float, float]:
    """True lift and true conversion of the top decile, and the true base rate, of the cohort judged on the day."""
    day = world.leads.contact_day[: world.leads.in_window]
    last = judged - MATURED
    mine = (day >= day_number(last - reach)) & (day <= day_number(last))
    rate = conversion_rates(world.spec, world.leads, world.facts)[mine]
    best = np.argsort(-scores(world, model, mine), kind="stable")[: len(rate) // 10]
    return rate[best].mean() / rate.mean(), rate[best].mean(), rate.mean()


# --- the worlds


@pytest.mark.parametrize("day", [stories.ROLLOUT_JUDGED, stories.SIDE_BY_SIDE[-1], stories.PROMOTION])
def test_the_challenger_truly_has_the_lift_it_is_promoted_for(rollout_world, models, day):
    assert 2.2 < truth(rollout_world, models["v4.1.0"], day)[0] < 2.6
    assert 1.35 < truth(rollout_world, models["v4.0.0"], day)[0] < 1.7


@pytest.mark.parametrize("day", stories.HEALTHY_SUNDAYS)
def test_the_healthy_weeks_are_truly_healthy(rollout_world, models, day):
    assert truth(rollout_world, models["v4.1.0"], day)[0] > 2.2


@pytest.mark.parametrize("day", [*stories.FALLEN_SUNDAYS, stories.ROLLBACK])
def test_after_the_fall_the_challenger_truly_ranks_no_better_than_chance_and_the_champion_as_before(
    rollout_world, models, day
):
    lift, _, base = truth(rollout_world, models["v4.1.0"], day)
    assert 0.9 < lift < 1.2
    assert truth(rollout_world, models["v4.0.0"], day)[0] > 1.25
    assert base == pytest.approx(truth(rollout_world, models["v4.1.0"], stories.PROMOTION)[2], rel=0.1)


@pytest.mark.parametrize("day", [*stories.MARKET_SUNDAYS, stories.MARKET_MONDAY])
def test_in_the_fallen_market_both_truly_convert_below_the_line_and_the_challenger_ranks_as_ever(
    market_world, models, day
):
    lift, conversion, _ = truth(market_world, models["v4.1.0"], day, timedelta(days=11))
    assert lift > 2.2
    assert truth(market_world, models["v4.0.0"], day, timedelta(days=11))[1] < conversion < 0.042


# --- the calendars


def test_the_cohorts_lie_on_the_right_side_of_the_fall():
    reach = LONGEST_REACH["rollout"]
    assert max(stories.PROMOTION, *stories.HEALTHY_SUNDAYS) - MATURED < stories.FALL
    assert min(stories.FALLEN_SUNDAYS) - MATURED - WEEK >= stories.FALL
    assert min(stories.HEALTHY_SUNDAYS) - MATURED - reach > stories.ROLLOUT_WORLD.first_contact


@pytest.mark.parametrize(
    ("scored", "also", "judged", "reach"),
    [
        pytest.param(
            stories.ROLLOUT_SCORED,
            stories.SIDE_BY_SIDE,
            (stories.ROLLOUT_JUDGED, *stories.SIDE_BY_SIDE, stories.PROMOTION, stories.ROLLBACK),
            LONGEST_REACH["rollout"],
            id="rollout",
        ),
        pytest.param(
            stories.MARKET_SCORED,
            (),
            (*stories.MARKET_SUNDAYS, stories.MARKET_MONDAY),
            LONGEST_REACH["market"],
            id="market",
        ),
    ],
)
def test_every_lead_that_is_judged_gets_its_first_score_in_time(scored, also, judged, reach):
    days = {*stories.days(scored[0], (scored[1] - scored[0]).days + 1), *also}
    for day in judged:
        for back in range(WEEK.days + 1 if day == stories.ROLLOUT_JUDGED else reach.days + 1):
            contacted = day - MATURED - timedelta(days=back)
            assert contacted + timedelta(days=1) in days, (day, contacted)


def test_the_rollout_is_decided_on_mondays_by_the_sundays_before():
    sundays = (stories.ROLLOUT_JUDGED, stories.SIDE_BY_SIDE[-1], *stories.HEALTHY_SUNDAYS, *stories.FALLEN_SUNDAYS)
    assert [f"{day:%a}" for day in sundays] == ["Sun"] * 6
    assert {later - earlier for earlier, later in pairwise(sundays)} == {timedelta(days=7)}
    assert stories.SIDE_BY_SIDE[-1] + timedelta(days=1) == stories.PROMOTION
    assert stories.FALLEN_SUNDAYS[-1] + timedelta(days=1) == stories.ROLLBACK
    assert len(stories.SIDE_BY_SIDE) == load({}).rollout.policy.promotion.min_parallel_days


def test_each_story_ends_within_its_world():
    assert stories.ROLLOUT_WORLD.through == stories.ROLLBACK
    assert stories.MARKET_WORLD.through == stories.SILENT_DAY == stories.MARKET_MONDAY + timedelta(days=1)


# --- refusals


def played(settings, *wanted: str) -> tuple[int, str]:
    """Exit code and output of the demo."""
    said: list[str] = []
    return demo.play(settings, said.append, wanted or ("rollout",)), "\n".join(said)


def goes_as_it_must(stage, world, say) -> None:
    """The rollout's story, in short: it ends with a report on the rollback."""
    reports = stage.settings.places.reports
    reports.mkdir(parents=True)
    (reports / f"{stories.ROLLBACK}-rollback-1.md").touch()
    say("The first story.")


def test_a_finished_demo_is_not_played_again(tmp_path):
    settings = load({"V4_HOME": str(tmp_path)})
    settings.demo_clock_file.write_text("2026-02-09T08:00:00-05:00", encoding="utf-8")
    code, said = played(settings)
    assert code == 0
    assert "`make dev` shows it" in said
    assert [path.name for path in tmp_path.iterdir()] == ["demo-clock"]


def test_a_home_that_holds_a_warehouse_is_left_as_it_is(tmp_path):
    settings = load({"V4_HOME": str(tmp_path)})
    settings.duckdb_file.write_bytes(b"evidence")
    code, said = played(settings)
    assert code == 1
    assert "holds no finished demo" in said
    assert settings.duckdb_file.read_bytes() == b"evidence"


def test_only_the_embedded_warehouse_is_filled(tmp_path):
    code, said = played(
        load({"V4_HOME": str(tmp_path), "V4_WAREHOUSE": "bigquery", "V4_BIGQUERY_PROJECT": "some-project"})
    )
    assert code == 1
    assert "Unset V4_WAREHOUSE" in said
    assert not list(tmp_path.iterdir())


def test_the_demo_reaches_no_real_org_and_sends_no_alert(tmp_path, monkeypatch):
    asked = load({"V4_HOME": str(tmp_path), "V4_SLACK_WEBHOOK": "https://hooks.example.com/secret"})
    asked = asked.model_copy(update={"salesforce": "salesforce"})
    seen = []

    def first_story(stage, world, say):
        seen.append(stage.settings)
        must(False, "x")

    def others(work):
        seen.extend(one.settings for one in (*work.args, work.keywords["silent"]))
        return nullcontext()

    monkeypatch.setattr(rollout_story, "play", first_story)
    monkeypatch.setattr(demo, "build", lambda spec: spec)
    monkeypatch.setattr(demo, "_in_parallel", others)
    assert played(asked, *Story)[0] == 1
    assert [(one.salesforce, one.salesforce_target, one.slack_webhook) for one in seen] == [
        ("dry-run", None, None),
        ("dry-run", None, None),
        ("local", None, None),
    ]


def test_a_story_that_goes_otherwise_fails_the_demo_and_leaves_it_unfinished(tmp_path, monkeypatch):
    def goes_otherwise(stage, world, say):
        must(False, "nobody was promoted")

    monkeypatch.setattr(rollout_story, "play", goes_otherwise)
    monkeypatch.setattr(demo, "build", lambda spec: spec)
    settings = load({"V4_HOME": str(tmp_path)})
    code, said = played(settings)
    assert code == 1
    assert said.endswith("The story did not end as expected: nobody was promoted")
    assert not settings.demo_clock_file.exists()


def test_another_story_that_goes_otherwise_fails_the_demo_too(tmp_path, monkeypatch):
    def goes_otherwise():
        must(False, "the market's fall convicted the model")

    monkeypatch.setattr(rollout_story, "play", goes_as_it_must)
    monkeypatch.setattr(demo, "build", lambda spec: spec)
    monkeypatch.setattr(demo, "_in_parallel", lambda work: nullcontext(goes_otherwise))
    settings = load({"V4_HOME": str(tmp_path)})
    code, said = played(settings, *Story)
    assert code == 1
    assert said.endswith("The first story.\n\nThe story did not end as expected: the market's fall convicted the model")
    assert not settings.demo_clock_file.exists()


@pytest.mark.extended
def test_a_process_of_its_own_hands_over_what_went_otherwise(tmp_path):
    """A home that cannot be made ends the story at once, there and here."""
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    stage = Stage(load({"V4_HOME": str(tmp_path / "file" / "home")}))
    with demo._in_parallel(partial(other_stories.tell, stage)) as others, pytest.raises(NotADirectoryError):
        others()


@pytest.fixture
def run(monkeypatch) -> list[str]:
    """The homes' names of the stories run, in order. Each ends as it must at once."""
    found: list[str] = []

    def others(team, *, market, silent, say=None):
        found.extend(stage.settings.home.name for stage in (team if market else None, silent) if stage)
        for stage in (team if market else None, silent):
            if stage:
                stage.settings.home.mkdir(parents=True)
                stage.stop_clock(stories.MARKET_MONDAY)
        return ["Another story."]

    def rollout(stage, world, say):
        found.append(stage.settings.home.name)
        goes_as_it_must(stage, world, say)

    monkeypatch.setattr(rollout_story, "play", rollout)
    monkeypatch.setattr(other_stories, "tell", others)
    monkeypatch.setattr(demo, "build", lambda spec: spec)
    monkeypatch.setattr(demo, "_in_parallel", lambda work: nullcontext(work if work else list))
    return found


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        pytest.param(["rollout"], ["home"], id="the-rollout-alone"),
        pytest.param(["market"], ["market"], id="the-market-alone"),
        pytest.param(["silent-column"], ["market", "silent-column"], id="the-silent-column-after-its-teams-mornings"),
        pytest.param(list(Story), ["home", "market", "silent-column"], id="all"),
    ],
)
def test_the_stories_asked_for_are_run_and_no_others(tmp_path, run, wanted, expected):
    settings = load({"V4_HOME": str(tmp_path / "home")})
    code, said = played(settings, *wanted)
    assert (code, run) == (0, expected)
    ended = "The story ended as expected." if len(expected) == 1 else f"All {len(expected)} stories ended as expected."
    assert ended in said
    clocks = {path.parent.name for path in tmp_path.rglob("demo-clock")}
    assert clocks == set(expected)
    offered = {name for name in Story if f"v4 demo --story {name}" in said}
    assert offered == set(Story) - {{"home": "rollout"}.get(name, name) for name in expected}


def test_a_story_that_is_there_is_not_run_again_and_another_is_added(tmp_path, run):
    settings = load({"V4_HOME": str(tmp_path / "home")})
    assert played(settings)[0] == played(settings, "silent-column")[0] == played(settings, "market")[0] == 0
    assert run == ["home", "market", "silent-column"]


# --- a small team, on which v4.1.0 was put by hand


SMALL = WorldSpec(scale=0.01, leads_per_week=150, seed=3, first_contact=date(2025, 12, 1), through=stories.SILENT_DAY)


@pytest.fixture(scope="module")
def small_world() -> World:
    return build(SMALL)


def before_silence(home: Path) -> None:
    """Two mornings before the silent day."""
    stage = Stage(load({"V4_HOME": str(home)}))
    with warehouse(stage.settings).session():
        stage.adopt(build(SMALL), stories.MARKET_SUNDAYS[-1])
        for day in (stories.MARKET_SUNDAYS[-1], stories.MARKET_MONDAY):
            assert stage.run(day).success
        stage.month(stories.MARKET_MONDAY)
        order = operator_actions.order(stage.at(day, LOOK_AT), "promotion", "v4.1.0", other_stories.BY_HAND)
    assert order.success


@pytest.fixture
def small(tmp_path) -> Stage:
    return Stage(load({"V4_HOME": str(copy(prepared("before silence", before_silence), tmp_path / "home"))}))


@pytest.mark.extended
def test_a_silent_column_stops_the_day_before_anything_is_scored(small, small_world):
    said: list[str] = []
    other_stories.tell_silence(small, small_world, said.append)
    text = " ".join(" ".join(said).split())
    assert "ERROR source_nulls_steady of source_observations" in text
    assert "ria_contacts_current.PRIMARY_FIRM_START_DATE: +8" in text
    assert "would have shown it from 2026-03-12 on" in text
    assert small.live() == "v4.1.0"
    assert small.scored(stories.SILENT_DAY, "v4.1.0") == []
    assert len(small.scored(stories.MARKET_MONDAY, "v4.1.0")) > 500
    assert small.settings.demo_clock_file.read_text(encoding="utf-8") == "2026-01-27T13:00:00+00:00"


@pytest.mark.extended
def test_the_silent_story_fails_when_nothing_goes_silent(small, small_world, monkeypatch):
    monkeypatch.setattr(stories, "SILENT_SOURCE", "no source")
    with pytest.raises(StoryError, match="no check stopped the silent column"):
        other_stories.tell_silence(small, small_world, lambda text: None)


@pytest.mark.extended
def test_the_market_story_fails_on_a_day_without_an_alert(small):
    held = Morning(
        stories.MARKET_MONDAY, Outcome("run", True, 40, (), ()), Decision(Action.HOLD, "all is well"), (), ""
    )
    with pytest.raises(StoryError, match="no alert about the market"):
        other_stories._told_of_market(small, held)


def test_silence_leaves_every_other_column_as_it_was(tmp_path, small_world):
    settings = load({"V4_HOME": str(tmp_path)})
    house, catalogue = warehouse(settings), settings.rollout.catalogue
    contacts = catalogue[tables.CONTACTS]
    [before] = [
        pa.Table.from_batches(batches, schema)
        for key, schema, batches in small_world.tables()
        if key == tables.CONTACTS
    ]
    assert fill(house, catalogue, small_world, silent={tables.CONTACTS: "REP_TYPE"})[tables.CONTACTS] == len(before)
    after = house.read(Query("contacts", f"SELECT * FROM {contacts.full_name}")).sort_by("RIA_CONTACT_CRD_ID")
    before = before.sort_by("RIA_CONTACT_CRD_ID")
    assert after["REP_TYPE"].null_count == len(before) > before["REP_TYPE"].null_count
    differing = [name for name in before.column_names if not after[name].equals(before[name].cast(after[name].type))]
    assert differing == ["REP_TYPE"]


def test_a_lead_in_the_org_is_counted_by_the_version_it_carries(tmp_path, small_world):
    ids = list(lead_ids(small_world))
    assert len(set(ids)) == len(ids) == len(small_world.leads)
    with StandInOrg(tmp_path, [SeedLead(ids[0], {"V4_Model_Version__c": "v4.1.0"}), *ids[1:4]]) as org:
        assert carried(org, ids[:3]) == {"v4.1.0": 1, "none": 2}


# --- words


def test_a_figure_is_reported_for_both_versions_on_the_same_leads():
    own = evidence(version="v4.1.0", question="rollback", top_decile_conversion=0.084, lift=2.1)
    other = evidence(version="v4.0.0", question="rollback", top_decile_conversion=0.06, lift=1.5)
    asked = evidence(version="v4.1.0", question="promotion", top_decile_conversion=0.5, lift=9.9)
    assert figures([own, asked, other], "rollback", ["v4.0.0", "v4.1.0"], 43) == (
        "Of 5,000 leads contacted 2025-11-20 to 2025-11-29, 200 (4.0 %) had a call within 43 days. Of the tenth "
        "that each ranks first: v4.0.0's 6.0 % (lift 1.50), v4.1.0's 8.4 % (lift 2.10)."
    )


def test_without_evidence_nothing_is_reported():
    assert figures([], "rollback", ["v4.0.0"], 43) == ""


def test_a_cohort_without_conversions_has_no_figures():
    row = evidence(conversions=0, lift=None, top_decile_conversion=None, base_rate=0.0)
    assert figures([row], "rollback", ["v4.1.0"], 43).endswith("Of the tenth that each ranks first: unknown.")


def test_every_action_has_a_word():
    assert DID.keys() == set(Action)


def test_a_hold_is_reported_in_short_and_an_action_at_length():
    reason = "because " * 200
    held = Morning(stories.ROLLBACK, Outcome("run", True, 1, (), ()), Decision(Action.HOLD, reason), (), "")
    acted = Morning(held.day, held.outcome, Decision(Action.ROLLBACK, reason), (held.outcome,), "")
    assert decided(held).startswith("Nothing is changed. because")
    assert len(decided(held)) < 260 < len(decided(acted)) < 500
    assert decided(acted).startswith("ROLLED BACK. because")


def test_the_gates_are_reported_beside_their_lines_and_a_gate_without_figures_is_not():
    measured = Gate("auc", Verdict.FAIL, "…", actual=0.5444, threshold=0.59)
    assert gates(Decision(Action.ROLLBACK, "…", (measured, Gate("model_test_metrics", Verdict.PASS, "…")))) == (
        "auc 0.544 (line 0.59)"
    )


def test_gates_are_no_troubles_and_failed_steps_are():
    failed = (
        FailedCheck("lift_comparison", "auc", "ERROR", "told by the decision"),
        FailedCheck("features_v40", "feature_drift", "WARN", "found 0.4"),
        FailedCheck("features_v41", "feature_drift", "WARN", "found 0.4"),
    )
    outcome = Outcome("run", False, 0, failed, ("salesforce_sync: the org is down",))
    assert troubles(outcome) == [
        "WARN feature_drift of features_v40, features_v41: found 0.4",
        "salesforce_sync: the org is down",
    ]
    assert fails(outcome, "auc")
    assert not fails(outcome, "feature_drift")


def test_a_step_that_a_check_stopped_is_reported_by_the_check():
    failed = (FailedCheck("source_observations", "source_nulls_steady", "ERROR", "found +85 %"),)
    stopped = Outcome("run", False, 0, failed, ("source_observations: 1 blocking asset check failed",))
    assert troubles(stopped) == ["ERROR source_nulls_steady of source_observations: found +85 %"]


def test_a_line_of_the_timeline_names_the_day_and_hangs():
    lines = entry(date(2026, 1, 12), "word " * 60).split("\n")
    assert lines[0].startswith("Mon 2026-01-12  word")
    assert all(line.startswith(" " * 16 + "word") for line in lines[1:])
    assert max(map(len, lines)) <= 116
