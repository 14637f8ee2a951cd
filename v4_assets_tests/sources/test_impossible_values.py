"""Values that cannot be, in every kind and at every share: what they do to the day's checks and scores."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from v4_assets import sql, tables
from v4_assets.clock import Clock, cutoff
from v4_assets.config.environment import load
from v4_assets.config.rollout import Rollout
from v4_assets.errors import SchemaDriftError
from v4_assets.operations import local_runs
from v4_assets.partitions import Day, verify_sources, write_query
from v4_assets.project_files import PROJECT
from v4_assets.resources import registry, warehouse
from v4_assets.sample.world import WorldSpec, build, fill
from v4_assets.scores.scoring import score_rows
from v4_assets.sources import checks
from v4_assets.sources.assets import _judge_sources
from v4_assets.sql import Query
from v4_assets.store import Store
from v4_assets.tables import Catalogue
from v4_assets.warehouse.duckdb.warehouse import DuckDBWarehouse
from v4_assets.warehouse.protocol import arrow_schema
from v4_assets_tests.fixtures.reference import Row, lead_id

DAY = date(2026, 1, 12)
COUNT = 2000
SHARES = (0.0005, 0.01, 0.08, 1.0)
CONTENT = yaml.safe_load((PROJECT / "rollout.yaml").read_text(encoding="utf-8"))
LIMITS = load({}).rollout.checks
World = dict[str, list[Row]]
LEAD, CONTACTS, HISTORY, PROTOCOL = tables.SOURCES
START, END = (f"PREVIOUS_REGISTRATION_COMPANY_{edge}_DATE" for edge in ("START", "END"))
FIRM = "PREVIOUS_REGISTRATION_COMPANY_CRD_ID"
REGISTERED = "LATEST_REGISTERED_EMPLOYMENT"
CONTACTED = datetime(2026, 1, 10, 15, tzinfo=UTC)


def short_id(number: int) -> str:
    """15 characters with capitals in all three parts."""
    return f"00Q{'Kx' if number % 2 else 'kX'}{number:05d}{'aBcDe' if number % 3 else 'AbCdE'}"


@cache
def world() -> World:
    """COUNT leads, each with a contact and two employments; 40 firms. Every second advisor has left the last one."""
    found: World = {key: [] for key in tables.SOURCES}
    for number in range(COUNT):
        crd, firm, moved = 1000 + number, 10 + number % 40, DAY - timedelta(days=7 * (number % 300))
        before = moved - timedelta(days=900 + number)
        found[LEAD].append(
            {
                **{"Id": lead_id(short_id(number)), "FA_CRD__c": str(crd), "LeadSource": None},
                **{"Email": "a@example.com" if number % 3 else None, "LinkedIn_Profile_Apollo__c": "in/a"},
                **{"Company": "Acme", "CreatedDate": CONTACTED - timedelta(days=1)},
                **{"stage_entered_contacting__c": CONTACTED, "Stage_Entered_Call_Scheduled__c": None},
            }
        )
        found[CONTACTS].append(
            {
                **{"RIA_CONTACT_CRD_ID": crd, "PRIMARY_FIRM": firm, "PRIMARY_FIRM_NAME": "Acme"},
                **{"PRIMARY_FIRM_START_DATE": moved, "PRIMARY_FIRM_CLASSIFICATION": "Independent RIA"},
                **{"REP_TYPE": ("IA", "DR", "BD")[number % 3], "PRODUCING_ADVISOR": True, "ACTIVE": True},
                **{"INDUSTRY_TENURE_MONTHS": 12 + number % 400, f"{REGISTERED}_COMPANY_CRD_ID": firm},
                **{f"{REGISTERED}_COMPANY": "UBS", f"{REGISTERED}_START_DATE": moved},
                **{"EMAIL": None, "LINKEDIN_PROFILE_URL": None},
            }
        )
        for at, start, end in ((11 + number % 40, before, moved), (firm, moved, DAY if number % 2 else None)):
            name = {"RIA_CONTACT_CRD_ID": crd, FIRM: at, "PREVIOUS_REGISTRATION_COMPANY_NAME": "Merrill"}
            found[HISTORY].append({**name, START: start, END: end if number % 5 else DAY - timedelta(days=1)})
    found[PROTOCOL] = [{"firm_crd_id": 10 + number % 40} for number in range(0, COUNT, 2)]
    return found


def changed(source: str, column: str, share: float, value: Any, world: World) -> World:
    """The world with `value`, or what it makes of the old one, in the first rows of a source; None takes the row out
    where the column is an Id."""
    rows, count = world[source], round(share * len(world[source]))
    new = [row | {column: value(row[column]) if callable(value) else value} for row in rows[:count]]
    return world | {source: [row for row in new if row[column] is not GONE] + rows[count:]}


GONE = object()


@dataclass(frozen=True)
class Kind:
    """A value that cannot be, and what must come of the same rows instead."""

    source: str
    column: str
    value: Any
    instead: Any = None
    """The value a row with it must count as; GONE for no row."""
    is_impossible: bool = True
    """Otherwise it is a value in another spelling: never counted, never a warning."""


KEEP: Callable[[Any], Any] = lambda value: value  # noqa: E731 # reads as a value of the table below
KINDS = {
    "id-of-16": Kind(LEAD, "Id", lambda value: value[:16], GONE),
    "id-of-14": Kind(LEAD, "Id", lambda value: value[:14], GONE),
    "id-with-a-blank": Kind(LEAD, "Id", lambda value: f"{value} ", GONE),
    "empty-id": Kind(LEAD, "Id", "", GONE),
    "id-of-15": Kind(LEAD, "Id", lambda value: value[:15], KEEP, is_impossible=False),
    "crd-as-decimal": Kind(LEAD, "FA_CRD__c", lambda value: f"{value}.0", KEEP, is_impossible=False),
    "crd-with-text": Kind(LEAD, "FA_CRD__c", lambda value: f"CRD# {value}", KEEP, is_impossible=False),
    "crd-blank": Kind(LEAD, "FA_CRD__c", "\u00a0", None, is_impossible=False),
    "crd-another-decimal": Kind(LEAD, "FA_CRD__c", lambda value: f"{value}.5", "?"),
    "crd-exponent": Kind(LEAD, "FA_CRD__c", lambda value: f"{value[0]}.{value[1:]}E+03", "?"),
    "crd-too-long": Kind(LEAD, "FA_CRD__c", "1234567890123456789", "?"),
    "contacted-in-1900": Kind(LEAD, "stage_entered_contacting__c", datetime(1900, 1, 1, tzinfo=UTC)),
    "contacted-in-9999": Kind(LEAD, "stage_entered_contacting__c", datetime(9999, 12, 31, tzinfo=UTC)),
    "called-in-0001": Kind(LEAD, "Stage_Entered_Call_Scheduled__c", datetime(1, 1, 1, 12, tzinfo=UTC)),
    "created-in-9999": Kind(LEAD, "CreatedDate", datetime(9999, 12, 31, tzinfo=UTC)),
    "advisor-0": Kind(CONTACTS, "RIA_CONTACT_CRD_ID", 0),
    "primary-firm-negative": Kind(CONTACTS, "PRIMARY_FIRM", -1),
    "moved-in-1900": Kind(CONTACTS, "PRIMARY_FIRM_START_DATE", date(1900, 1, 1)),
    "moved-in-9999": Kind(CONTACTS, "PRIMARY_FIRM_START_DATE", date(9999, 12, 31)),
    "moved-in-two-days": Kind(CONTACTS, "PRIMARY_FIRM_START_DATE", DAY + timedelta(days=2)),
    "months-negative": Kind(CONTACTS, "INDUSTRY_TENURE_MONTHS", -172),
    "months-of-417-years": Kind(CONTACTS, "INDUSTRY_TENURE_MONTHS", 5004),
    "registered-firm-0": Kind(CONTACTS, f"{REGISTERED}_COMPANY_CRD_ID", 0),
    "registered-in-0001": Kind(CONTACTS, f"{REGISTERED}_START_DATE", date(1, 1, 1)),
    "employed-by-0": Kind(HISTORY, FIRM, 0),
    "employed-advisor-of-19-digits": Kind(HISTORY, "RIA_CONTACT_CRD_ID", 10**18),
    "started-in-1900": Kind(HISTORY, START, date(1900, 1, 1)),
    "ended-in-9999": Kind(HISTORY, END, date(9999, 12, 31)),
    "ended-in-0001": Kind(HISTORY, END, date(1, 1, 1)),
    "protocol-0": Kind(PROTOCOL, "firm_crd_id", 0),
}


@dataclass(frozen=True)
class Desk:
    """A warehouse in which a day can be worked on again and again, without Dagster."""

    store: Store
    shown: World = field(default_factory=dict)
    """What each source holds."""
    scored: dict[tuple[Any, ...], dict[str, float]] = field(default_factory=dict)
    """Scores of worlds that several kinds must count as."""

    def put(self, world: World) -> None:
        for key, rows in world.items():
            if self.shown.get(key) is not rows:
                table = self.store.catalogue[key]
                batches = pa.Table.from_pylist(rows, schema=arrow_schema(table)).to_batches()
                self.store.warehouse.replace_table(table, batches)
                self.shown[key] = rows

    def failed(self, world: World, day: Day) -> tuple[set[str], str]:
        """The checks of the sources that the day fails, and their details. Nothing but the values is looked at."""
        self.put(world)
        write_query(self.store, tables.SOURCE_OBSERVATIONS, day)
        findings = _judge_sources(self.store, day, LIMITS)
        found = [one for one in findings if one.check in (checks.POSSIBLE, checks.RARE) and not one.passed]
        return {one.check.name for one in found}, " ".join(text for one in found for text in one.details)

    def scores(self, world: World, day: Day) -> dict[str, float]:
        """Score of every lead by V4.1.0."""
        self.put(world)
        names = self.store.catalogue.names()
        query = sql.compose("features_v41", [(key, key) for key in tables.SHARED], names, day.params)
        bundle = self.store.registry.load("v4.1.0")
        schema = arrow_schema(self.store.catalogue["daily_scores_v41"])
        with self.store.warehouse.stream(query) as batches:
            rows = list(score_rows(bundle, batches, schema=schema, constants={}, with_reasons=False))
        return {row["lead_id"]: row["score"] for batch in rows for row in batch.to_pylist()}

    def expected(self, kind: "Kind", share: float) -> dict[str, float]:
        """Score of every lead where the first rows hold what the kind must count as."""
        made = (kind.source, kind.column, kind.instead, share)
        if made not in self.scored:
            self.scored[made] = self.scores(changed(kind.source, kind.column, share, kind.instead, world()), day())
        return self.scored[made]


def day(run: int = 0, when: date = DAY) -> Day:
    """DAY as worked on during `when`; each run is another, so that nothing is kept."""
    return Day(DAY, Clock(cutoff(when) + timedelta(hours=7)), f"run {run}", "a test")


def new_desk(folder: str, rollout: Rollout) -> Desk:
    catalogue = rollout.catalogue
    made = DuckDBWarehouse(path=f"{folder}/warehouse.duckdb")
    made.create(catalogue.values())
    return Desk(Store(made, catalogue, registry(load({"V4_HOME": folder}))))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    made = new_desk(str(tmp_path_factory.mktemp("desk")), load({}).rollout)
    with made.store.session():
        yield made


QUICK = ("id-of-16", "crd-as-decimal", "moved-in-1900")
"""Kinds that are asserted in every run."""


@pytest.mark.parametrize(
    "name", [*QUICK, *(pytest.param(one, marks=pytest.mark.extended) for one in KINDS if one not in QUICK)]
)
def test_a_value_that_cannot_be_is_scored_as_unknown_is_warned_of_and_stops_the_day(desk: Desk, name: str) -> None:
    kind, good = KINDS[name], world()
    for run, share in enumerate(SHARES):
        broken = changed(kind.source, kind.column, share, kind.value, good)
        failed, details = desk.failed(broken, day(run))
        warned = {checks.RARE.name} if kind.is_impossible and share > 0.001 else set()
        assert failed == warned | ({checks.POSSIBLE.name} if kind.is_impossible and share > 0.05 else set())
        assert (f"{kind.source}.{kind.column}: " in details) is bool(failed)
        if checks.POSSIBLE.name in failed:
            continue  # a blocking check: nothing is scored
        found = desk.scores(broken, day(run))
        assert found == desk.expected(kind, share)
        assert (len(found) > 0.9 * COUNT) or share == 1.0


@pytest.mark.extended
def test_the_scores_that_unknown_values_leave_behind_are_others(desk: Desk) -> None:
    # Otherwise the test above would compare scores that no value of these can move.
    good = world()
    usual = desk.scores(good, day())
    moved = {
        column: desk.scores(changed(source, column, 1.0, None, good), day()) != usual
        for source, column in dict.fromkeys((one.source, one.column) for one in KINDS.values())
        if column != "Id"
    }
    still = {column for column, has_moved in moved.items() if not has_moved}
    # A call and a creation that are unknown leave the lead open, and a registration counts where no employment does.
    assert still <= {"Stage_Entered_Call_Scheduled__c", "CreatedDate", END, f"{REGISTERED}_COMPANY_CRD_ID"}


@pytest.mark.parametrize("share", SHARES)
def test_a_lead_in_two_spellings_of_its_id_is_counted_and_scored_once(desk: Desk, share: float) -> None:
    good = world()
    again = [row | {"Id": row["Id"][:15]} for row in good[LEAD][: round(share * COUNT)]]
    twice = good | {LEAD: [*again, *good[LEAD]]}
    assert desk.failed(twice, day()) == (set(), "")
    assert desk.scores(twice, day()) == desk.scores(good, day())


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("flag", ["IsDeleted", pytest.param("IsConverted", marks=pytest.mark.extended)])
def test_a_lead_that_is_gone_is_left_out_of_its_own_day_and_of_no_recomputed_one(
    tmp_path_factory: pytest.TempPathFactory, flag: str, share: float
) -> None:
    columns = {"is_deleted": "IsDeleted", "is_converted": "IsConverted"}
    rollout = Rollout.model_validate({**CONTENT, "sources": {"lead": {"columns": columns}}})
    desk = new_desk(str(tmp_path_factory.mktemp("gone")), rollout)
    good = world()
    count = round(share * COUNT)
    gone = good | {LEAD: [row | {flag: True} for row in good[LEAD][:count]] + good[LEAD][count:]}
    stale = gone | {LEAD: [*gone[LEAD], *good[LEAD][:5]]}
    with desk.store.session():
        everybody = desk.scores(good, day())
        left = {row["Id"] for row in good[LEAD][count:]}
        assert set(desk.scores(gone, day())) == left
        assert set(desk.scores(stale, day())) == left, "an older copy of the row calls no lead back"
        kept = desk.store.read("leads_called", {"cutoff": cutoff(DAY), "retrospective": True})["lead_id"].to_pylist()
        assert sorted(kept) == sorted(row["Id"] for row in good[LEAD][:count]), "their values stay in the CRM"
        assert desk.scores(gone, day(when=DAY + timedelta(days=1))) == everybody
        outcomes = {**day().params, "first_contact": DAY - timedelta(days=9), "last_matured": DAY, "window_days": 43}
        assert len(desk.store.rows(tables.LEAD_OUTCOMES, outcomes)) == COUNT


# --- types -----------------------------------------------------------------------------------------------------------


def typed(catalogue: Catalogue, types: dict[str, str], time_zone: str | None = "America/New_York") -> Rollout:
    return Rollout.model_validate({**CONTENT, "sources": {"types": types, "time_zone": time_zone}})


def wall_clock(value: datetime) -> datetime:
    """An instant as a clock in New York showed it (in winter), without a zone."""
    return (value - timedelta(hours=5)).replace(tzinfo=None)


@pytest.mark.parametrize(
    ("column", "kind", "delivered"),
    [
        ("lead.advisor_crd", "INT64", int),
        ("lead.advisor_crd", "FLOAT64", float),
        ("lead.created_at", "DATETIME", wall_clock),
        ("lead.entered_contacting", "DATETIME", wall_clock),
        (f"{CONTACTS}.RIA_CONTACT_CRD_ID", "STRING", lambda value: f" {value}.0"),
        (f"{CONTACTS}.RIA_CONTACT_CRD_ID", "FLOAT64", float),
        (f"{CONTACTS}.INDUSTRY_TENURE_MONTHS", "FLOAT64", float),
        (f"{CONTACTS}.PRIMARY_FIRM_START_DATE", "DATETIME", lambda value: datetime.combine(value, datetime.max.time())),
        (f"{HISTORY}.{FIRM}", "STRING", str),
        (f"{HISTORY}.{START}", "DATETIME", lambda value: datetime.combine(value, datetime.min.time())),
    ],
)
def test_a_column_of_another_type_gives_the_same_scores_once_it_is_declared(
    tmp_path_factory: pytest.TempPathFactory, desk: Desk, column: str, kind: str, delivered: Callable[[Any], Any]
) -> None:
    rollout = typed(load({}).rollout.catalogue, {column: kind})
    other = new_desk(str(tmp_path_factory.mktemp("typed")), rollout)
    source, key = column.split(".")
    name = rollout.catalogue.lead_columns.get(key, key)
    good = world()
    rows = [row | {name: delivered(row[name])} for row in good[source]]
    with other.store.session():
        assert other.failed(good | {source: rows}, day()) == (set(), "")
        assert other.scores(good | {source: rows}, day()) == desk.scores(good, day())


@pytest.mark.parametrize(
    ("types", "time_zone", "message"),
    [
        ({"lead.created_at": "DATETIME"}, None, "types.lead.created_at is DATETIME, which names no time zone"),
        ({"lead.created_at": "STRING"}, "UTC", "expected TIMESTAMP, DATETIME, DATE; cast it in a view of your own"),
        ({f"{HISTORY}.{START}": "TIMESTAMP"}, "UTC", "expected DATE, DATETIME; cast it in a view"),
        ({"lead.email": "INT64"}, None, "types.lead.email is not a column that can be of another type"),
        ({"lead.FA_CRD__c": "INT64"}, None, "types.lead.FA_CRD__c is not a column"),
        ({}, "Eastern", "Eastern is no time zone"),
    ],
)
def test_a_type_that_cannot_be_read_is_refused_in_one_sentence(
    types: dict[str, str], time_zone: str | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        typed(load({}).rollout.catalogue, types, time_zone)


@pytest.mark.parametrize(
    ("source", "column", "to", "said"),
    [
        (
            LEAD,
            "stage_entered_contacting__c",
            "TIMESTAMP",
            "Lead.stage_entered_contacting__c is DATETIME, expected TIMESTAMP",
        ),
        (LEAD, "Stage_Entered_Call_Scheduled__c", "VARCHAR", "is STRING, expected TIMESTAMP"),
        (LEAD, "FA_CRD__c", "DOUBLE", "Lead.FA_CRD__c is FLOAT64, expected STRING"),
        (CONTACTS, "RIA_CONTACT_CRD_ID", "VARCHAR", "RIA_CONTACT_CRD_ID is STRING, expected INT64"),
        (HISTORY, START, "TIMESTAMP", f"{START} is DATETIME, expected DATE"),
    ],
)
def test_a_type_that_is_not_declared_stops_the_day_and_a_training_with_a_sentence(
    tmp_path: Path, source: str, column: str, to: str, said: str
) -> None:
    desk = new_desk(str(tmp_path), load({}).rollout)
    desk.put({key: [] for key in tables.SOURCES})
    table = desk.store.catalogue[source]
    name = ".".join(f'"{part}"' for part in (table.dataset, table.name))
    engine = desk.store.warehouse
    assert isinstance(engine, DuckDBWarehouse)
    with engine._connection() as connection:
        connection.execute(f'ALTER TABLE {name} ALTER COLUMN "{column}" TYPE {to}')
    with pytest.raises(SchemaDriftError, match=f"{said}.*declared under sources.types"):
        verify_sources(desk.store)
    try:
        write_query(desk.store, tables.SOURCE_OBSERVATIONS, day())
    except SchemaDriftError as error:
        assert said in str(error)  # the engine would not read it at all
    else:
        [finding] = [one for one in _judge_sources(desk.store, day(), LIMITS) if one.check is checks.COLUMNS]
        assert not finding.passed
        assert said in " ".join(finding.details)


# --- a whole run -----------------------------------------------------------------------------------------------------


@pytest.mark.extended
def test_a_run_stops_before_scores_at_8_percent_and_scores_at_1_percent(tmp_path) -> None:
    settings = load({"V4_HOME": str(tmp_path), "V4_NOW": f"{DAY}T06:30"})
    fill(warehouse(settings), settings.rollout.catalogue, build(WorldSpec(0.01, 20, seed=5, through=date(2026, 1, 18))))
    local_runs.init(settings)
    history = settings.rollout.catalogue[HISTORY]

    def end_at(date_text: str, one_in: int) -> None:
        engine = replace(warehouse(settings), features_dataset=None)
        with engine._connection() as connection:
            connection.execute(
                f"UPDATE {history.full_name.replace('`', chr(34))} SET \"{START}\" = DATE '{date_text}' "
                f'WHERE "RIA_CONTACT_CRD_ID" % {one_in} = 0'
            )

    end_at("1900-01-01", 12)
    blocked = local_runs.run_day(settings, DAY)
    assert not blocked.success
    assert [one.check for one in blocked.checks_failed if one.severity == "ERROR"] == [checks.POSSIBLE.name]
    assert scored(settings, "daily_scores_v41") == 0
    fill(warehouse(settings), settings.rollout.catalogue, build(WorldSpec(0.01, 20, seed=5, through=date(2026, 1, 18))))
    end_at("1900-01-01", 100)
    warned = local_runs.run_day(settings, DAY)
    assert warned.success
    assert scored(settings, "daily_scores_v41") > 100


def scored(settings: Any, key: str) -> int:
    table = settings.rollout.catalogue[key]
    query = Query(key, f"SELECT COUNT(*) AS n FROM {table.full_name} WHERE prediction_date = @day", {"day": DAY})
    return int(warehouse(settings).read(query).to_pylist()[0]["n"])
