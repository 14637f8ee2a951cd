"""The sample world is deterministic, of the size and dirt documented, and converts at the documented rates."""

from collections.abc import Iterable
from dataclasses import fields, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from v4_assets.sample.as_of import Facts
from v4_assets.sample.outcomes import bleeding_velocity, stability_tier
from v4_assets.sample.world import Regime, World, WorldSpec, build
from v4_assets.sample.world_spec import EPOCH, day_number, new_york_stamp
from v4_assets_tests.fixtures import reference

CRD = "RIA_CONTACT_CRD_ID"
CONTACTED, CALLED = "stage_entered_contacting__c", "Stage_Entered_Call_Scheduled__c"
FIRM, NAME, START, END = (
    f"PREVIOUS_REGISTRATION_COMPANY_{part}" for part in ("CRD_ID", "NAME", "START_DATE", "END_DATE")
)
NEW_YORK = pa.timestamp("us", tz="America/New_York")
TIERS = ("Unknown", "Heavy_Bleeding", "Light_Bleeding", "Stable", "Growing")
TEST_MONTHS = (date(2025, 8, 1), date(2025, 10, 31))
TRAINING_MONTHS = (date(2024, 2, 1), date(2025, 7, 31))


def tables_of(world: World) -> dict[str, pa.Table]:
    return {key: pa.Table.from_batches(batches, schema=schema) for key, schema, batches in world.tables()}


@pytest.fixture(scope="module")
def world() -> World:
    return build(WorldSpec(scale=0.03, leads_per_week=300))


@pytest.fixture(scope="module")
def tables(world: World) -> dict[str, pa.Table]:
    return tables_of(world)


@pytest.fixture(scope="module")
def busy() -> World:
    """Ten times the leads, so that rates stand out from chance."""
    return build(WorldSpec(scale=0.1, leads_per_week=4_000))


@pytest.fixture(scope="module")
def outcomes(busy: World) -> np.ndarray:
    """Per lead of the window: called 0-43 New York days after the contact."""
    return converted(busy)


def new_york_days(column: pa.ChunkedArray) -> np.ndarray:
    """Days since 1970 in New York; -1 for null."""
    local = pc.local_timestamp(column.cast(NEW_YORK)).cast(pa.date32()).cast(pa.int32())
    return local.fill_null(-1).to_numpy().astype(np.int64)


def rows_of_window(world: World) -> np.ndarray:
    """Row in the lead table of each lead of the window: the table is in the order of creation."""
    row = np.empty(len(world.leads), dtype=np.int64)
    row[np.argsort(world.leads.created_stamp, kind="stable")] = np.arange(len(world.leads))
    return row[: world.leads.in_window]


def converted(world: World) -> np.ndarray:
    lead = tables_of(world)["lead"]
    delay = new_york_days(lead[CALLED]) - new_york_days(lead[CONTACTED])
    within = (delay >= 0) & (delay <= 43) & lead[CALLED].is_valid().to_numpy()
    return within[rows_of_window(world)]


def contacted_between(world: World, first: date, last: date) -> np.ndarray:
    day = world.leads.contact_day[: world.leads.in_window]
    return (day >= day_number(first)) & (day <= day_number(last))


def null_share(column: pa.ChunkedArray) -> float:
    return column.null_count / len(column)


def texts(column: pa.ChunkedArray) -> set[Any]:
    return set(column.unique().to_pylist())


# --- determinism ---------------------------------------------------------------------------------------------------


def test_equal_specs_give_equal_tables() -> None:
    spec = WorldSpec(scale=0.005, leads_per_week=40, seed=3)
    assert tables_of(build(spec)) == tables_of(build(spec))


def test_another_seed_gives_another_world() -> None:
    spec = WorldSpec(scale=0.005, leads_per_week=40)
    one, other = tables_of(build(spec)), tables_of(build(replace(spec, seed=8)))
    assert all(one[key] != other[key] for key in one)


def test_more_leads_per_week_leave_the_advisors_as_they_are(tables: dict[str, pa.Table]) -> None:
    more = tables_of(build(WorldSpec(scale=0.03, leads_per_week=700)))
    assert {key for key in tables if tables[key] == more[key]} == set(tables) - {"lead"}


def test_a_regime_changes_nothing_but_calls_of_leads_contacted_in_it(world: World, tables: dict[str, pa.Table]) -> None:
    starts = date(2025, 9, 1)
    fallen = build(replace(world.spec, regimes=(Regime(starts, base_rate=0.20),)))
    changed = np.flatnonzero(world.call_stamp != fallen.call_stamp)
    assert len(changed) > 100
    assert world.leads.contact_day[changed].min() >= day_number(starts)
    assert tables_of(fallen)["lead"].drop_columns(CALLED) == tables["lead"].drop_columns(CALLED)


# --- sizes ---------------------------------------------------------------------------------------------------------


def test_row_counts_are_the_documented_ones_at_scale(tables: dict[str, pa.Table]) -> None:
    assert tables["ria_contacts_current"].num_rows == round(788_154 * 0.03)
    assert tables["contact_registered_employment_history"].num_rows == round(2_204_074 * 0.03)
    assert 30 <= tables["broker_protocol_members"].num_rows <= 300


def test_leads_per_week_do_not_depend_on_scale() -> None:
    last = date(2024, 4, 10)
    weeks = 10
    for scale in (0.002, 0.02):
        small = build(WorldSpec(scale=scale, leads_per_week=50, through=last))
        contacted = new_york_days(tables_of(small)["lead"][CONTACTED])
        week = (contacted[contacted >= day_number(date(2024, 2, 1))] - day_number(date(2024, 2, 1))) // 7
        assert np.bincount(week).tolist() == [50] * weeks


def test_the_open_backlog_is_production_size_times_scale() -> None:
    small = build(WorldSpec(scale=0.05, leads_per_week=20))
    lead = tables_of(small)["lead"]
    rows = pa.Table.from_arrays(lead.columns, names=lead.column_names).to_pylist()
    scored = sum(reference.is_scored(row, small.spec.through + timedelta(days=1)) for row in rows)
    assert scored == pytest.approx(50_925 * 0.05, rel=0.05)
    assert len(rows) == pytest.approx(120_000 * 0.05, rel=0.05)


def test_batches_are_at_most_two_hundred_thousand_rows() -> None:
    sizes = [batch.num_rows for _, _, batches in build(WorldSpec(scale=0.1)).tables() for batch in batches]
    assert max(sizes) <= 200_000


def test_a_few_firms_employ_a_large_share(tables: dict[str, pa.Table]) -> None:
    sizes = sorted(
        pc.value_counts(tables["ria_contacts_current"]["PRIMARY_FIRM"].drop_null()).field("counts").to_pylist()
    )
    assert 0.15 <= sum(sizes[-10:]) / sum(sizes) <= 0.35
    names = texts(tables["ria_contacts_current"]["PRIMARY_FIRM_NAME"])
    for house in reference.WIREHOUSES:
        assert sum(house in name.upper() for name in names if name) == 1


def test_names_are_plainly_synthetic(tables: dict[str, pa.Table]) -> None:
    contacts = tables["ria_contacts_current"]
    assert all("SAMPLE" in name.upper() for name in texts(contacts["PRIMARY_FIRM_NAME"]) if name)
    for table, column in (("ria_contacts_current", "EMAIL"), ("lead", "Email")):
        assert all(address.endswith("@example.com") for address in texts(tables[table][column]) if address)


# --- nulls and dirt ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "low", "high"),
    [
        ("PRIMARY_FIRM_START_DATE", 0.14, 0.16),
        ("REP_TYPE", 0.04, 0.06),
        ("INDUSTRY_TENURE_MONTHS", 0.05, 0.07),
        ("LATEST_REGISTERED_EMPLOYMENT_START_DATE", 0.09, 0.11),
        ("EMAIL", 0.40, 0.42),
        ("LINKEDIN_PROFILE_URL", 0.30, 0.40),
        (CRD, 0.0, 0.0),
    ],
)
def test_contacts_are_null_as_often_as_documented(
    tables: dict[str, pa.Table], column: str, low: float, high: float
) -> None:
    assert low <= null_share(tables["ria_contacts_current"][column]) <= high


def test_every_advisor_has_one_contact_row(tables: dict[str, pa.Table]) -> None:
    crds = tables["ria_contacts_current"][CRD]
    assert len(crds.unique()) == len(crds)


def test_lead_ids_are_valid_and_unique_whatever_the_case(tables: dict[str, pa.Table]) -> None:
    ids = tables["lead"]["Id"].to_pylist()
    assert len({lead_id.upper() for lead_id in ids}) == len(ids)
    assert all(len(lead_id) == 18 and lead_id.startswith("00Q") and lead_id.isalnum() for lead_id in ids)
    assert all(lead_id[15:] == check_characters(lead_id[:15]) for lead_id in ids[:500])


def check_characters(lead_id: str) -> str:
    """Salesforce's: per five characters, the bits of the capitals as A-Z0-5."""
    fives = (lead_id[at : at + 5] for at in (0, 5, 10))
    codes = (
        sum((letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ") << place for place, letter in enumerate(five)) for five in fives
    )
    return "".join("ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[code] for code in codes)


def test_leads_hold_the_documented_dirt(tables: dict[str, pa.Table]) -> None:
    lead = tables["lead"]
    fields_ = [text for text in lead["FA_CRD__c"].to_pylist() if text is not None]
    crds = [reference.advisor_crd(text) for text in fields_]
    known = set(tables["ria_contacts_current"][CRD].to_pylist())
    assert null_share(lead["FA_CRD__c"]) == pytest.approx(0.010, abs=0.004)
    assert any(text.startswith("CRD# ") for text in fields_)
    assert any(not text.strip() for text in fields_)
    assert any(text.strip() and not any(map(str.isdigit, text)) for text in fields_)
    assert any(sum(map(str.isdigit, text)) > 19 and crd is None for text, crd in zip(fields_, crds, strict=True))
    assert 0.005 < sum(crd is not None and crd not in known for crd in crds) / len(crds) < 0.03
    companies = [name for name in texts(lead["Company"]) if name and "SAVVY" in name.upper()]
    assert len({name.upper() == name for name in companies}) == 2
    assert 0.03 < null_share(lead["Company"]) < 0.09


def test_some_stages_are_out_of_order(tables: dict[str, pa.Table]) -> None:
    lead = tables["lead"]
    contacted, called = lead[CONTACTED], lead[CALLED]
    assert pc.sum(pc.less(called, contacted)).as_py() > 10
    assert pc.sum(pc.and_(contacted.is_null(), called.is_valid())).as_py() > 5
    assert pc.sum(contacted.is_null()).as_py() > 0.02 * len(lead)


def test_history_holds_the_documented_dirt(tables: dict[str, pa.Table]) -> None:
    history = tables["contact_registered_employment_history"]
    distinct = history.group_by([CRD, FIRM, START, END]).aggregate([]).num_rows
    assert 0.003 < 1 - distinct / history.num_rows < 0.05
    assert 0.003 < null_share(history[FIRM]) < 0.008
    assert 0.003 < null_share(history[START]) < 0.008
    assert pc.sum(pc.less(history[END], history[START])).as_py() > 50
    open_rows = history.filter(history[END].is_null())
    assert len(open_rows[CRD].unique()) < open_rows.num_rows
    without = set(tables["ria_contacts_current"][CRD].to_pylist()) - set(history[CRD].to_pylist())
    assert 0.03 < len(without) / tables["ria_contacts_current"].num_rows < 0.08


def test_ends_are_filled_in_sixty_to_ninety_days_late(world: World, tables: dict[str, pa.Table]) -> None:
    ends = tables["contact_registered_employment_history"][END].cast(pa.int32()).drop_null().to_numpy()
    age = day_number(world.spec.through) - ends
    assert age.min() >= 60
    assert (age < 75).sum() < (age >= 90).sum() / 30


def test_contacts_are_made_in_new_york_business_hours_with_some_evenings_and_weekends(
    tables: dict[str, pa.Table],
) -> None:
    local = pc.local_timestamp(tables["lead"][CONTACTED].drop_null().cast(NEW_YORK))
    hour, weekday = pc.hour(local).to_numpy(), pc.day_of_week(local).to_numpy()
    assert 0.9 < ((hour >= 8) & (hour < 19)).mean() < 0.99
    assert 0.005 < (hour >= 20).mean() < 0.05
    assert 0.01 < (weekday >= 5).mean() < 0.06


def test_nothing_is_known_after_the_last_day(world: World, tables: dict[str, pa.Table]) -> None:
    last = day_number(world.spec.through)
    for column in ("CreatedDate", CONTACTED, CALLED):
        assert new_york_days(tables["lead"][column]).max() <= last
    contacts, history = tables["ria_contacts_current"], tables["contact_registered_employment_history"]
    days = (contacts["PRIMARY_FIRM_START_DATE"], history[START], history[END])
    assert all(pc.max(column.cast(pa.int32())).as_py() <= last for column in days)


# --- outcomes ------------------------------------------------------------------------------------------------------


def test_outcomes_rest_on_the_features_as_defined() -> None:
    world = build(WorldSpec(scale=0.0003, leads_per_week=70, first_contact=date(2024, 9, 1)))
    tables = {key: table.to_pylist() for key, table in tables_of(world).items()}
    rows = rows_of_window(world)
    day = day_number(date(2024, 9, 24))
    contacted_that_day = np.flatnonzero(world.leads.contact_day[: world.leads.in_window] == day)
    asked = reference.SourceRows(
        [tables["lead"][rows[lead]] for lead in contacted_that_day],
        tables["ria_contacts_current"],
        tables["contact_registered_employment_history"],
        tables["broker_protocol_members"],
    )
    expected = reference.features(asked, EPOCH + timedelta(days=day + 1), "v4.1.0")
    assert len(expected) >= 8
    for lead in contacted_that_day:
        row = expected.get(tables["lead"][rows[lead]]["Id"])
        if row is not None:
            found = shown(world.facts, int(lead))
            assert found == {name: row[name] for name in found}


def shown(facts: Facts, lead: int) -> dict[str, Any]:
    """One lead's facts under the features' names."""
    one = Facts(**{field.name: getattr(facts, field.name)[lead : lead + 1] for field in fields(Facts)})
    values = {
        "has_firm_data": one.has_firm,
        "tenure_months": one.tenure_months,
        "experience_years": one.experience_years,
        "mobility_3yr": one.mobility_3yr,
        "firm_rep_count_at_contact": one.rep_count,
        "firm_net_change_12mo": one.net_change_12mo,
        "is_wirehouse": one.is_wirehouse,
        "is_broker_protocol": one.in_protocol,
        "days_since_last_move": one.days_since_move,
        "firm_departures_corrected": one.departures_365d,
        "bleeding_velocity_encoded": bleeding_velocity(one),
        "is_independent_ria": one.is_independent_ria,
        "is_ia_rep_type": one.is_ia,
        "is_dual_registered": one.is_dual,
    }
    return {name: value.item() for name, value in values.items()} | {
        "firm_stability_tier": TIERS[int(stability_tier(one)[0])]
    }


@pytest.mark.extended
def test_recent_movers_are_a_stationary_eight_percent_of_the_contacted(busy: World) -> None:
    day = busy.leads.contact_day[: busy.leads.in_window]
    moved = busy.facts.days_since_move <= 365
    quarter = (day - day.min()) // 92
    shares = [moved[quarter == number].mean() for number in range(7)]
    assert 0.065 < min(shares) <= max(shares) < 0.09


@pytest.mark.extended
def test_base_rates_of_the_scored_are_the_documented_ones(busy: World, outcomes: np.ndarray) -> None:
    window = slice(0, busy.leads.in_window)
    after_midnight = busy.call_stamp[window] >= new_york_stamp(
        busy.leads.contact_day[window] + 1, np.zeros(1, np.int64)
    )
    scored = ~outcomes | after_midnight  # a call on the day of contact precedes every score

    def rate(first: date, last: date) -> float:
        return float(outcomes[scored & contacted_between(busy, first, last)].mean())

    assert rate(*TRAINING_MONTHS) == pytest.approx(0.0238, abs=0.0010)
    assert rate(*TEST_MONTHS) == pytest.approx(0.0392, abs=0.0025)
    assert rate(date(2025, 11, 1), date(2025, 12, 5)) == pytest.approx(0.039, abs=0.004)


def test_single_fact_lifts_are_the_documented_ones(busy: World, outcomes: np.ndarray) -> None:
    asked = contacted_between(busy, *TEST_MONTHS)
    facts = busy.facts

    def rate(of: np.ndarray) -> float:
        return float(outcomes[asked & of].mean())

    moved, independent_ia = facts.days_since_move <= 365, facts.is_independent_ria & facts.is_ia
    assert rate(moved) == pytest.approx(0.0996, abs=0.012)
    assert rate(~moved) == pytest.approx(0.0339, abs=0.003)
    assert rate(independent_ia) / rate(~independent_ia) == pytest.approx(1.33, abs=0.15)
    assert rate(facts.is_dual) / rate(~facts.is_dual) == pytest.approx(0.88, abs=0.10)


def test_six_to_eighteen_percent_convert_within_about_a_day_and_some_too_late(
    busy: World, outcomes: np.ndarray
) -> None:
    window = slice(0, busy.leads.in_window)
    contacted, called = busy.leads.contact_stamp[window], busy.call_stamp[window]
    hours = (called[outcomes] - contacted[outcomes]) / 3.6e9
    assert hours.min() >= 0
    assert 0.06 < (hours < 24).mean() < 0.18
    assert ((called - contacted) / 8.64e10 > 45).sum() > 0.05 * outcomes.sum()


@pytest.mark.extended
def test_a_regime_without_the_mover_effect_leaves_movers_below_average() -> None:
    starts = date(2025, 8, 1)
    fallen = build(WorldSpec(scale=0.02, leads_per_week=3_000, regimes=(Regime(starts, mover_lift=0.0),)))
    asked, moved = contacted_between(fallen, *TEST_MONTHS), fallen.facts.days_since_move <= 365
    outcomes = converted(fallen)
    assert outcomes[asked].mean() == pytest.approx(0.039, abs=0.003)
    assert outcomes[asked & moved].mean() < outcomes[asked & ~moved].mean()


@pytest.mark.parametrize(
    "wrong",
    [
        {"scale": 0.0},
        {"leads_per_week": -1},
        {"through": date(2024, 1, 1)},
        {"regimes": (Regime(date(2025, 2, 1)), Regime(date(2025, 1, 1)))},
    ],
)
def test_an_impossible_spec_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"expected|move one"):
        WorldSpec(**wrong)


def test_the_smallest_worlds_can_be_built() -> None:
    for spec in (WorldSpec(scale=1e-5, leads_per_week=1), WorldSpec(scale=0.001, leads_per_week=0)):
        assert count(build(spec).tables()) == 4


def count(tables: Iterable[tuple[str, pa.Schema, Iterable[pa.RecordBatch]]]) -> int:
    return sum(pa.Table.from_batches(batches, schema=schema).num_rows > 0 for _, schema, batches in tables)
