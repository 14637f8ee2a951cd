"""What every daily asset shares: the days of its run, the table it fills, and the checks it answers."""

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import date

import dagster as dg
from tqdm import tqdm

from v4_assets import sql, tables, verdicts
from v4_assets.checks import Check, Finding, results, specs
from v4_assets.clock import Clock
from v4_assets.config.rollout import Rollout
from v4_assets.dagster_types import MaterializeResult
from v4_assets.errors import V4Error
from v4_assets.names import ONLY_GAPS_TAG, PROCESS_TAG, REPLACE_LIVE_TAG
from v4_assets.partition import Day, is_kept, metadata_of, write_query
from v4_assets.partitions import days_of
from v4_assets.runs import this_process
from v4_assets.store import Store
from v4_assets.tables import Table
from v4_assets.warehouse.writes import PartitionWrite


def days(context: dg.AssetExecutionContext, clock: Clock) -> tuple[Day, ...]:
    """The days of a run, oldest first. Raises V4Error for a day that has not begun."""
    tags = context.run.tags
    if tags.get(PROCESS_TAG) != this_process():
        # Dagster launched the run, or repeats one: without this nobody could tell that its process was killed.
        context.instance.add_run_tags(context.run_id, {PROCESS_TAG: this_process()})
    reason, only_gaps = tags.get(REPLACE_LIVE_TAG), tags.get(ONLY_GAPS_TAG) == "true"
    dates = days_of(context)
    if dates[-1] > clock.today():
        raise V4Error(f"{dates[-1]} has not begun in New York, where it is {clock.today()}. Run it on its day.")
    # One instant for all of it: an asset that runs across midnight must not change its mind.
    stopped = Clock(clock.now())
    return tuple(Day(day, stopped, context.run_id, reason, only_gaps) for day in dates)


def daily_asset(
    key: str,
    *,
    rollout: Rollout,
    partitions: dg.DailyPartitionsDefinition,
    group: str,
    deps: Iterable[str],
    description: str,
    kinds: set[str],
    checks: Sequence[Check],
    work: Callable[[Store, Day], tuple[PartitionWrite, Sequence[Finding]]],
    observe: Callable[[Store, Day], Iterable[dg.AssetObservation]] = lambda store, day: (),
) -> dg.AssetsDefinition:
    """An asset that fills one partition of the table `key` a day by `work`, and answers its `checks`.

    `observe` tells what was seen of assets made elsewhere. A range of days is one run: `work` is called day by day,
    oldest first, and each check answers once for all of them.
    """
    table = rollout.catalogue[key]

    @dg.asset(
        name=key,
        deps=sorted(deps),
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name=group,
        description=description,
        kinds=kinds,
        check_specs=specs(checks, key),
        metadata={"dagster/table_name": f"{table.dataset}.{table.name}", "dagster/column_schema": column_schema(table)},
    )
    def asset(
        context: dg.AssetExecutionContext,
        store: dg.ResourceParam[Store],
        clock: dg.ResourceParam[Clock],
    ) -> MaterializeResult:
        findings: dict[date, Sequence[Finding]] = {}
        judged = []
        wanted = days(context, clock)
        for day in tqdm(wanted, desc=key, unit="day", disable=None if len(wanted) > 1 else True):
            with store.session(), store.warehouse.metered() as cost:
                started = time.monotonic()
                write, findings[day.date] = work(store, day)
                seconds = time.monotonic() - started
                for observation in observe(store, day):
                    context.log_event(observation)
            if checks:
                failed = tuple(one.check.name for one in findings[day.date] if one.check.blocking and not one.passed)
                judged.append(verdicts.Verdict(write, failed, clock.now(), context.run_id))
            if is_kept(write, day):
                context.log.info(f"{key} of {day.date} was there already and is kept; see {REPLACE_LIVE_TAG}.")
            context.add_asset_metadata({**metadata_of(write, day, seconds), **cost}, partition_key=day.date.isoformat())
        verdicts.record(store, judged)
        return dg.MaterializeResult(check_results=list(results(checks, findings, key)))

    return asset


def table_asset(
    key: str,
    *,
    rollout: Rollout,
    partitions: dg.DailyPartitionsDefinition,
    group: str,
    kinds: set[str],
    checks: Sequence[Check] = (),
    judge: Callable[[Store, Day], Sequence[Finding]] = lambda store, day: (),
    observe: Callable[[Store, Day], Iterable[dg.AssetObservation]] = lambda store, day: (),
) -> dg.AssetsDefinition:
    """A daily asset that sql/KEY.sql makes inside the warehouse. What it depends on is read from the file's header."""
    file = sql.load(key)

    def work(store: Store, day: Day) -> tuple[PartitionWrite, Sequence[Finding]]:
        write = write_query(store, key, day)
        return write, judge(store, day)

    return daily_asset(
        key,
        rollout=rollout,
        partitions=partitions,
        group=group,
        deps=upstream(file),
        description=about(file),
        kinds=kinds,
        checks=checks,
        work=work,
        observe=observe,
    )


def about(file: sql.SqlFile) -> str:
    """What the page says of a table that a SQL file makes, in Markdown; the first line stands in lists, too."""
    reads = ", ".join(f"`{name}`" for name in file.inputs)
    made = f"- **Made by:** `sql/{file.name}.sql`\n- **Reads:** {reads}"
    return f"{sentence(file.purpose)}\n\n- **Grain:** {file.grain}\n{made}"


def sentence(purpose: str) -> str:
    """The purpose of a SQL file as a sentence of its own."""
    return purpose[:1].upper() + purpose[1:]


def upstream(file: sql.SqlFile) -> set[str]:
    """The assets a SQL file reads. Whoever reads a source waits until the sources have been looked at."""
    reads_source = set(file.inputs) & set(tables.SOURCES)
    observed = {tables.SOURCE_OBSERVATIONS} if reads_source and file.name != tables.SOURCE_OBSERVATIONS else set()
    return set(file.inputs) | observed


def column_schema(table: Table) -> dg.TableSchema:
    """The table's contract as the Dagster page shows it."""
    return dg.TableSchema(
        columns=[dg.TableColumn(column.name, column.type, description=column.description) for column in table.columns]
    )
