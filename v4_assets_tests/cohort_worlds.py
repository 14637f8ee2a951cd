"""Small random worlds of leads that change while they are scored, and the cohort of a day in plain Python.

The reference reads the definitions alone: one lead after another, one day after another, nothing shared with the SQL or
the arrays. A world holds what the firm's systems and the daily job leave behind: the Lead table as it is in the end,
the list of scored leads and the scores of every day.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from v4_assets import tables
from v4_assets.assets.cohorts import Evaluator
from v4_assets.assets.evaluation import write_outcomes
from v4_assets.assets.partition import Day, Desk
from v4_assets.clock import NEW_YORK, Clock, cutoff
from v4_assets.configuration.rollout_file import Rollout
from v4_assets.configuration.rollout_policy import Evaluation, MinConversions
from v4_assets.resources.duckdb.warehouse import DuckDBWarehouse
from v4_assets.resources.registry import ModelRegistry
from v4_assets.resources.warehouse import arrow_schema
from v4_assets.settings import load
from v4_assets_tests.worlds import SCHEMAS

BASELINE, CANDIDATE = "v4.0.0", "v4.1.0"
VERSIONS = (BASELINE, CANDIDATE)
WINDOW_DAYS = 43
NUMBERS = {"label_lag_days": 0, "max_uncovered_share": 0.05, "max_silent_days": 7, "interval_level": 0.9}


@dataclass
class Lead:
    """A lead as Salesforce will have it in the end, and what it was before."""

    lead_id: str
    contacts: list[datetime]
    """Each overwrites the one before."""
    called: datetime | None = None
    crd: str | None = "1"
    company: str = "Acme"
    hired: datetime | None = None
    """Company reads SAVVY from then on."""

    def contact_at(self, instant: datetime) -> datetime | None:
        return max((stamp for stamp in self.contacts if stamp < instant), default=None)

    def is_own(self, instant: datetime) -> bool:
        return "SAVVY" in self.company or (self.hired is not None and self.hired < instant)


@dataclass(frozen=True)
class Score:
    score: float
    decile: int
    deprioritize: bool
    model_sha256: str
    retrospective: bool


@dataclass
class World:
    leads: list[Lead]
    listed: dict[tuple[date, str], date] = field(default_factory=dict)
    """Day and lead on the list to the frozen day of contact."""
    scores: dict[str, dict[tuple[date, str], Score]] = field(default_factory=lambda: {one: {} for one in VERSIONS})

    def scored_days(self, version: str) -> set[date]:
        return {day for day, _ in self.scores[version]}


@dataclass(frozen=True)
class Member:
    """A covered lead."""

    lead: Lead
    contacted_on: date
    scored_on: date
    converted: bool


@dataclass(frozen=True)
class Left:
    """Why the other leads contacted in the days of a cohort are not in it."""

    uncovered: int = 0
    converted_before_scored: int = 0
    called_before_contact: int = 0


# --- the reference -------------------------------------------------------------------------------------------------


def members(world: World, day: date, first: date, last: date, versions: tuple[str, ...] = VERSIONS) -> Iterator[Any]:
    """A Member for each covered lead that may be judged, or (day of contact, reason) for one that may not."""
    for lead in world.leads:
        contacted_on = frozen_contact(world, lead, day, first, last)
        if contacted_on is None:
            continue
        called_on = new_york(lead.called) if lead.called and lead.called < cutoff(day) else None
        scored_on = first_score(world, lead, contacted_on, versions)
        if called_on is not None and called_on < contacted_on:
            yield contacted_on, "called_before_contact"
        elif called_on is not None and called_on < (scored_on or first_chance(world, contacted_on, versions)):
            yield contacted_on, "converted_before_scored"
        elif scored_on is None:
            yield contacted_on, "uncovered"
        else:
            converted = called_on is not None and 0 <= (called_on - contacted_on).days <= WINDOW_DAYS
            yield Member(lead, contacted_on, scored_on, converted)


def frozen_contact(world: World, lead: Lead, day: date, first: date, last: date) -> date | None:
    """The contact as the list froze it when the lead first stood on it in time; else as the CRM has it on the day."""
    fresh = sorted(
        (listed_on, contacted_on)
        for (listed_on, lead_id), contacted_on in world.listed.items()
        if lead_id == lead.lead_id and first <= contacted_on <= last and 1 <= (listed_on - contacted_on).days <= 3
    )
    if fresh:
        return fresh[0][1]
    # The Lead table is read as it is now: a contact after the cut-off has overwritten the one before.
    stamp = lead.contacts[-1]
    wanted = bool(lead.crd and lead.crd.strip()) and not lead.is_own(END)
    inside = stamp < cutoff(day) and first <= new_york(stamp) <= last
    return new_york(stamp) if wanted and inside else None


def first_score(world: World, lead: Lead, contacted_on: date, versions: tuple[str, ...]) -> date | None:
    for age in (1, 2, 3):
        key = (contacted_on + timedelta(days=age), lead.lead_id)
        if world.listed.get(key) == contacted_on and all(key in world.scores[version] for version in versions):
            return key[0]
    return None


def first_chance(world: World, contacted_on: date, versions: tuple[str, ...]) -> date:
    for age in (1, 2, 3):
        scored_on = contacted_on + timedelta(days=age)
        if all(scored_on in world.scored_days(version) for version in versions):
            return scored_on
    return contacted_on + timedelta(days=1)


def reference_cohort(
    world: World, day: date, numbers: Evaluation, minimum: int, versions: tuple[str, ...] = VERSIONS
) -> tuple[date, list[Member], Left]:
    """First day of contact, the covered leads and how many others: grown day by day until it holds enough."""
    last = day - timedelta(days=WINDOW_DAYS + 1 + numbers.label_lag_days)
    earliest = last - timedelta(days=numbers.max_days - 1)
    found = list(members(world, day, earliest, last, versions))
    covered = [one for one in found if isinstance(one, Member)]
    first = last
    while first > earliest:
        inside = [one for one in covered if one.contacted_on >= first]
        long_enough = (last - first).days + 1 >= numbers.min_days
        if long_enough and (sum(one.converted for one in inside) >= minimum or len(inside) == len(covered)):
            break
        first -= timedelta(days=1)
    others = [
        reason for contacted_on, reason in (one for one in found if isinstance(one, tuple)) if contacted_on >= first
    ]
    left = Left(*(others.count(name) for name in ("uncovered", "converted_before_scored", "called_before_contact")))
    return first, [one for one in covered if one.contacted_on >= first], left


def silence(world: World, day: date, first: date) -> int:
    """Longest run of days from `first` to the day before `day` on which nobody was called."""
    calls = {new_york(lead.called) for lead in world.leads if lead.called and lead.called < cutoff(day)}
    longest = run = 0
    while first < day:
        run = 0 if first in calls else run + 1
        longest, first = max(longest, run), first + timedelta(days=1)
    return longest


# --- a world -------------------------------------------------------------------------------------------------------

END = datetime(2100, 1, 1, tzinfo=UTC)


def new_york(instant: datetime) -> date:
    return instant.astimezone(NEW_YORK).date()


def at(day: date, hour: int = 12, minute: int = 0) -> datetime:
    """An instant by New York's clock."""
    return datetime.combine(day, time(hour, minute), NEW_YORK).astimezone(UTC)


def random_world(rng: random.Random, day: date, numbers: Evaluation, leads: int = 60) -> World:
    """Leads contacted about the days a cohort of `day` may hold, listed and scored on most days."""
    last = day - timedelta(days=WINDOW_DAYS + 1 + numbers.label_lag_days)
    first = last - timedelta(days=numbers.max_days - 1)
    world = World([_lead(rng, number, first, last, day) for number in range(leads)])
    scored = [first + timedelta(days=offset) for offset in range((last - first).days + 6)]
    for listed_on in [one for one in scored if rng.random() < 0.9] + [day - timedelta(days=1), day]:
        score_day(world, rng, listed_on, retrospective=rng.random() < 0.3)
    return world


def _lead(rng: random.Random, number: int, first: date, last: date, day: date) -> Lead:
    def some_day(low: date, high: date) -> datetime:
        chosen = low + timedelta(days=rng.randint(0, max(0, (high - low).days)))
        return at(chosen, *rng.choice(((0, 0), (12, 0), (23, 59), (19, 30))))

    contacts = [some_day(first - timedelta(days=3), last + timedelta(days=3))]
    if rng.random() < 0.2:
        soon = new_york(contacts[0]) + timedelta(days=3)
        contacts.append(some_day(new_york(contacts[0]), rng.choice((soon, day + timedelta(days=2)))))
    days_to_call = rng.choice((None, None, 0, 1, 2, 3, 4, 20, 42, 43, 44, 60, -1, -5))
    called = None if days_to_call is None else at(new_york(contacts[0]) + timedelta(days=days_to_call), 23, 59)
    lead = Lead(f"00Q{number:015d}", contacts, called)
    lead.crd = rng.choice((None, "  ")) if rng.random() < 0.06 else "1"
    lead.company = "xSavvy SAVVY" if rng.random() < 0.04 else "Acme"
    lead.hired = called + timedelta(days=3) if called and rng.random() < 0.3 else None
    return lead


def score_day(world: World, rng: random.Random, day: date, *, retrospective: bool, skip: str | None = None) -> None:
    """List the leads open on the day, and score them with both versions; sometimes one leaves some or all out."""
    known = cutoff(day)
    skip = skip or (rng.choice(VERSIONS) if rng.random() < 0.1 else None)
    for lead in world.leads:
        contact = lead.contact_at(known)
        wanted = lead.crd and lead.crd.strip() and not lead.is_own(known)
        if contact is None or not wanted or (lead.called is not None and lead.called < known):
            continue
        world.listed[day, lead.lead_id] = new_york(contact)
        for version in VERSIONS:
            if version != skip and rng.random() < 0.98:
                score = rng.choice((rng.random(), round(rng.random(), 1)))
                world.scores[version][day, lead.lead_id] = Score(
                    score, rng.randint(1, 10), rng.random() < 0.2, version[-3:] * 20, retrospective
                )


# --- into a warehouse ----------------------------------------------------------------------------------------------


def evaluation(**numbers: Any) -> Evaluation:
    """Numbers by which small worlds can be judged."""
    minimum = MinConversions(promotion=numbers.pop("promotion", 6), rollback=numbers.pop("rollback", 4))
    return Evaluation(**{"min_days": 3, "max_days": 14, **NUMBERS, **numbers, "min_conversions": minimum})


@dataclass(frozen=True)
class House:
    """A warehouse that holds a world."""

    warehouse: DuckDBWarehouse
    rollout: Rollout
    desk: Desk

    def put(self, key: str, rows: list[dict[str, Any]]) -> None:
        table = self.desk.catalogue[key]
        schema = SCHEMAS["lead"] if key == tables.LEAD else arrow_schema(table)
        self.warehouse.replace_table(table, pa.Table.from_pylist(rows, schema=schema).to_batches())

    def day(self, day: date, **options: Any) -> Day:
        return Day(day, Clock(at(options.pop("now", day), 6, 30)), "run", **options)

    def evaluator(self, day: date, versions: tuple[str, ...] = VERSIONS, **options: Any) -> Evaluator:
        """With the outcomes of the day looked up."""
        events = options.pop("events", [])
        of_day = self.day(day, **options)
        write_outcomes(self.desk, self.rollout, of_day)
        return Evaluator.of(self.desk, self.rollout, of_day, versions, events)

    def fill(self, world: World) -> None:
        """The sources and the daily tables as `world` left them, with the log of their writes."""
        self.put(tables.LEAD, [row for lead in world.leads for row in _crm_rows(lead)])
        listed = [
            {"prediction_date": day, "lead_id": lead, "contacted_on": contacted_on}
            for (day, lead), contacted_on in world.listed.items()
        ]
        self.put(tables.SCORED_LEADS, listed)
        writes = [_write(self.desk.catalogue[tables.SCORED_LEADS].name, day, False) for day, _ in world.listed]
        for version, scores in world.scores.items():
            key = tables.scores_key(self.rollout.versions[version].key)
            self.put(key, [_score_row(day, lead, version, one) for (day, lead), one in scores.items()])
            writes += [
                _write(self.desk.catalogue[key].name, day, one.retrospective) for (day, _), one in scores.items()
            ]
        distinct = {(row["table_name"], row["prediction_date"]): row for row in writes}
        self.put(tables.PARTITION_WRITES, list(distinct.values()))


def house(folder: Path, numbers: Evaluation | None = None) -> House:
    """An empty warehouse; `numbers` stand for those of rollout.yaml."""
    settings = load({"V4_HOME": str(folder)})
    rollout = settings.rollout.model_copy(update={"evaluation": numbers or evaluation()})
    warehouse = DuckDBWarehouse(path=str(folder / "warehouse.duckdb"))
    registry = ModelRegistry.model_construct()
    warehouse.create(rollout.catalogue.values())
    return House(warehouse, rollout, Desk(warehouse, registry, rollout.catalogue, rollout.checks))


def _crm_rows(lead: Lead) -> list[dict[str, Any]]:
    row = dict.fromkeys(SCHEMAS["lead"].names) | {
        "Id": lead.lead_id,
        "FA_CRD__c": lead.crd,
        "Company": "The SAVVY Group" if lead.hired else lead.company,
        "stage_entered_contacting__c": lead.contacts[-1],
        "Stage_Entered_Call_Scheduled__c": lead.called,
    }
    # Some stand there twice; the copy that is less far along does not count.
    twice = int(lead.lead_id[-1]) == 7
    return [row, row | {"Stage_Entered_Call_Scheduled__c": None, "Company": None}] if twice and lead.called else [row]


def _write(table: str, day: date, retrospective: bool) -> dict[str, Any]:
    return {
        "table_name": table,
        "prediction_date": day,
        "sequence": 1,
        "written_at": at(day, 6, 30),
        "row_count": 1,
        "retrospective": retrospective,
        "definition_sha256": "0" * 64,
    }


def _score_row(day: date, lead: str, version: str, one: Score) -> dict[str, Any]:
    return {"prediction_date": day, "lead_id": lead, "model_version": version, "scored_at": at(day, 6, 30)} | vars(one)
