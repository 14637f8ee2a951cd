"""What a person does with the prospects of a month: score them, test on a sample, give the list out, preview."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path

from v4_assets import tables
from v4_assets.atomic_files import atomic_write, private_folder
from v4_assets.clock import cutoff
from v4_assets.config.environment import Settings
from v4_assets.days import verify_begun
from v4_assets.errors import ConcurrentWriteError, PolicyError, V4Error
from v4_assets.models.bundle import Bundle
from v4_assets.names import PROSPECT_LIST_JOB, PROSPECTS_JOB
from v4_assets.operations import local_runs
from v4_assets.operations.local_runs import Outcome, operator
from v4_assets.partitions import verify_sources
from v4_assets.production import production_row as production_store
from v4_assets.production.events import state_after
from v4_assets.prospects import contracts, lists
from v4_assets.prospects.lists import Difference, Given, Row, compared
from v4_assets.prospects.months import key_of, month_of
from v4_assets.prospects.scoring import score_prospects
from v4_assets.resources import store
from v4_assets.store import Store
from v4_assets.warehouse.protocol import Statement, arrow_schema

SAMPLE_ROWS = 1_000
COLUMNS = ("place", "caller", "crd", "firm_name", "v4_score", "v4_percentile", "v4_upgrade_candidate", "why")
"""Header of the CSV file; model_version and month follow."""


def run_month(settings: Settings, month: date, *, replace_live: str | None = None) -> Outcome:
    """The monthly job. `replace_live` is the reason for giving up what was written on its day or given out."""
    verify_month(settings, month)
    with store(settings).session():
        tags = local_runs.replacing(settings, PROSPECTS_JOB, month, replace_live) if replace_live else {}
        return local_runs.run_job(settings, PROSPECTS_JOB, tags=tags, partition=key_of(month))


def verify_month(settings: Settings, month: date) -> None:
    """Raise V4Error for a month that has not begun, or lies before the first one."""
    today, first = settings.clock.today(), month_of(settings.rollout.first_day)
    if month > today:
        raise V4Error(f"{key_of(month)} has not begun in New York, where it is {today}. Run it when it has.")
    if month < first:
        verify_begun(settings.rollout.first_day, today)
        raise V4Error(
            f"{key_of(month)} lies before first_day {settings.rollout.first_day} of rollout.yaml. Move first_day, or "
            f"take {key_of(first)} or later."
        )


@dataclass(frozen=True)
class Tested:
    """A version's scores of a sample, which were written nowhere."""

    version: str
    features: int
    advisors: int
    lowest: float
    highest: float
    best: int
    """CRD number of the best of the sample."""
    narrative: str | None
    """Its reasons."""


def test_sample(settings: Settings, month: date, rows: int = SAMPLE_ROWS) -> list[Tested]:
    """Score a sample of the month's prospects with every version. Writes nothing."""
    verify_month(settings, month)
    record, rollout = store(settings), settings.rollout
    params = {
        "prediction_date": month,
        "cutoff": cutoff(month),
        "retrospective": settings.clock.today() != month,
        "sample_rows": rows,
    }
    tested = []
    with record.session():
        verify_sources(record)
        archived = state_after(record.events()).archived
        for version, entry in rollout.versions.items():
            if version not in archived:
                bundle = production_store.approved_bundle(record, version)
                tested.append(_tested(record, bundle, entry.key, params, settings))
    return tested


def _tested(record: Store, bundle: Bundle, key: str, params: dict[str, object], settings: Settings) -> Tested:
    file, table = tables.features_key(key), record.catalogue[contracts.scores_key(key)]
    query = contracts.sample_query(file, record.catalogue.names(), params)
    with record.warehouse.stream(query) as batches:
        constants = {"prediction_date": params["prediction_date"], "scored_at": settings.clock.now()}
        made = list(
            score_prospects(
                bundle, batches, schema=arrow_schema(table), constants=constants, words=settings.rollout.prospects.words
            )
        )
    rows = [row for batch in made for row in batch.select(["advisor_crd", "score", "narrative"]).to_pylist()]
    if not rows:
        raise V4Error("FinTrx's copy holds no producing, active advisor. Is ria_contacts_current filled?")
    best = max(rows, key=lambda row: row["score"])
    scores = [row["score"] for row in rows]
    return Tested(
        bundle.version,
        len(bundle.features),
        len(rows),
        min(scores),
        max(scores),
        best["advisor_crd"],
        best["narrative"],
    )


@dataclass(frozen=True)
class Handed:
    """A list as it was given out."""

    month: str
    path: Path
    given: Given
    is_new: bool
    """False when it had been given out before, and the same file was written again."""
    left_out: dict[str, int]
    """Reason to the number of scored advisors that it keeps off a list made today."""


def give_out(settings: Settings, month: date, path: Path | None = None, *, again: str | None = None) -> Handed:
    """Write the month's list as CSV and record it as given out; the same list every time.

    `again` is the reason for making it again after it was given out. Raises V4Error when there is no list to give.
    """
    verify_month(settings, month)
    record = store(settings)
    with record.session():
        version = record.live()
        if version is None:
            raise PolicyError("Nothing is adopted yet. `v4 init` adopts the baseline.")
        given = lists.given_out(record, month)
        if again and not given:
            raise V4Error(f"The list of {key_of(month)} was not given out yet, so --again is not needed.")
        if again or not given:
            lists.verify_passed(record, month, version)
            tags = local_runs.replacing(settings, PROSPECT_LIST_JOB, month, again) if again else {}
            outcome = local_runs.run_job(settings, PROSPECT_LIST_JOB, tags=tags, partition=key_of(month))
            if not outcome.success:
                raise V4Error(f"The list of {key_of(month)} could not be made: {'; '.join(outcome.errors)}")
        rows = lists.latest_edition(lists.editions(record, month))
        if not rows:
            raise V4Error(
                f"The list of {key_of(month)} is empty: every advisor is left out. See `v4 prospects preview`."
            )
        content = as_csv(rows).encode()
        target = path or private_folder(settings.home / "prospects") / f"{key_of(month)}-{rows[0]['edition']}.csv"
        atomic_write(target, content, private=True)
        wanted = Given(
            prediction_date=month,
            edition=rows[0]["edition"],
            given_out_at=settings.clock.now(),
            given_out_by=operator(),
            model_version=rows[0]["model_version"],
            bundle_sha256=rows[0]["bundle_sha256"],
            advisors=len(rows),
            file_sha256=sha256(content).hexdigest(),
            reason=rows[0]["reason"],
        )
        is_new = _record(record, wanted)
        [told] = [one for one in lists.given_out(record, month) if one.edition == wanted.edition]
        left = lists.choices(record, settings.rollout, month, version, settings.clock.today()).left_out
    return Handed(key_of(month), target, told, is_new, left)


def _record(record: Store, given: Given) -> bool:
    """Record a list as given out; False when it was before."""
    params = {
        "month": given.prediction_date,
        "edition": given.edition,
        "given_out_at": given.given_out_at,
        "given_out_by": given.given_out_by,
        "version": given.model_version,
        "bundle_sha256": given.bundle_sha256,
        "advisors": given.advisors,
        "file_sha256": given.file_sha256,
        "reason": given.reason,
    }
    try:
        record.warehouse.transact([Statement(record.catalogue.query("record_prospect_list", params), expected_rows=1)])
    except ConcurrentWriteError:
        return False
    return True


def as_csv(rows: Sequence[Row]) -> str:
    """The list as a file for the callers, in the firm's names."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow((*COLUMNS, "model_version", "month"))
    for row in rows:
        writer.writerow(
            (
                row["place"],
                row["caller"],
                row["advisor_crd"],
                row["firm_name"] or "",
                f"{row['score']:.6f}",
                row["percentile"],
                row["is_upgrade_candidate"],
                row["why"],
                row["model_version"],
                key_of(row["prediction_date"]),
            )
        )
    return file.getvalue()


def preview(settings: Settings, month: date, version: str | None = None) -> Difference:
    """How the month's list differs from the one `version`, by default the one that is not live, would make today."""
    verify_month(settings, month)
    record, rollout = store(settings), settings.rollout
    with record.session():
        live = record.live()
        if live is None:
            raise PolicyError("Nothing is adopted yet. `v4 init` adopts the baseline.")
        other = version or next(one for one in (rollout.candidate, rollout.baseline) if one != live)
        if other not in rollout.versions:
            raise PolicyError(f"There is no version {other} in rollout.yaml; it has {', '.join(rollout.versions)}.")
        return compared(record, rollout, month, live, other, settings.clock.today())
