"""Who is live: the alias every reader follows. With an order it is switched; without one it says how things stand."""

import json
from pathlib import Path
from typing import Any

import dagster as dg

from v4_assets.atomic_files import atomic_write
from v4_assets.clock import NEW_YORK, Clock
from v4_assets.config.environment import Places
from v4_assets.config.rollout import Rollout
from v4_assets.daily import MaterializeResult, days
from v4_assets.errors import PolicyError
from v4_assets.names import ACTION_TAG, PROCESS_TAG, PRODUCTION_ALIAS, PRODUCTION_GROUP, ROLLOUT_PAGE, ROLLOUT_SENSOR
from v4_assets.production import events as deployments
from v4_assets.production import orders, recorded_orders
from v4_assets.production import production_row as production_store
from v4_assets.production.attempts import await_turn
from v4_assets.production.events import report_name
from v4_assets.production.orders import Order, OrderConfig
from v4_assets.prospects import months
from v4_assets.runs import this_process
from v4_assets.store import Store

SHOWN_EVENTS = 20


def production_alias(rollout: Rollout, partitions: dg.DailyPartitionsDefinition) -> dg.AssetsDefinition:
    """The row of v4_production. The promotion and rollback jobs give this asset the order it carries out."""

    @dg.asset(
        name=PRODUCTION_ALIAS,
        deps=[f"model_{entry.key}" for entry in rollout.versions.values()],
        partitions_def=partitions,
        group_name=PRODUCTION_GROUP,
        kinds={"sql"},
        description=(
            "Which version is live, since when and why.\n\n"
            "- Readers use the view `v4_production_scores`; no query is edited at a switch.\n"
            "- A switch is one transaction of the row of `v4_production` and the event that says why.\n"
            "- Promotion and rollback are the jobs `promote_production` and `rollback_production`, launched by "
            "`rollout_sensor`, or by a person with `v4 promote` and `v4 rollback`."
        ),
        metadata={"dagster/table_name": _name(rollout, "production")},
    )
    def asset(
        context: dg.AssetExecutionContext,
        config: OrderConfig,
        store: dg.ResourceParam[Store],
        clock: dg.ResourceParam[Clock],
        places: dg.ResourceParam[Places],
    ) -> MaterializeResult:
        only_today(context, clock)
        order = recorded_orders.order_of(store, config.order, "promotion", "rollback")
        if order:
            take_turn(context, order, rollout)
        with store.session():
            if order:
                start(store, rollout, order, clock, context.run_id)
            events = store.events()
            live = store.production()
        statuses = deployments.statuses(events, rollout.versions, rollout.candidate)
        export_registry(places.registry, statuses, live)
        return dg.MaterializeResult(
            metadata={
                **_metadata(events, live, statuses),
                **_under_way(events, order),
                **_links(events, places.reports, clock),
            }
        )

    return asset


def start(store: Store, rollout: Rollout, order: Order, clock: Clock, run_id: str | None) -> None:
    """Begin an order: switch production, or for a sunset only say that it has begun. Harmless when begun already.

    Raises StaleDecisionError when the world is not the one it was decided in, and PolicyError during a hold, unless a
    person decided on it.
    """
    begun = store.events()
    if any(event.event_id == order.event_id for event in begun):
        return
    unfinished = deployments.state_after(begun).unfinished
    if unfinished and not orders.supersedes(order.kind, unfinished):
        raise PolicyError(
            f"{unfinished.event} of {unfinished.day} ({unfinished.event_id[:12]}) is not completed. It is resumed "
            "first; `v4 resume` does that now."
        )
    hold = orders.hold_at(begun, clock.now())
    if hold and order.decided_by == ROLLOUT_SENSOR:
        raise PolicyError(f"{orders.hold_sentence(hold)} Nothing was changed; `v4 hold --end` ends it.")
    if order.kind == "promotion" and (problem := months.missing_scores(store, rollout, order.version, clock.today())):
        raise PolicyError(problem)
    event = order.started(clock.now(), run_id)
    if order.kind == "sunset":
        production_store.record(store, [event], expected_event_id=order.expected_event_id)
    else:
        production_store.switch(
            store,
            rollout,
            event,
            expected_event_id=order.expected_event_id,
            model_sha256=order.model_sha256,
            bundle_sha256=order.bundle_sha256,
        )


def only_today(context: dg.AssetExecutionContext, clock: Clock) -> None:
    """Raise PolicyError for any partition but today's: production and the CRM have no past that can be rebuilt."""
    days(context, clock)


def take_turn(context: dg.AssetExecutionContext, order: Order, rollout: Rollout) -> None:
    """Tag the run with its order and its process, so that the sensor recognises a killed run; then
    wait for an earlier run of the same order. Not inside a session, which would keep the warehouse from that run.

    Raises PolicyError when that run does not end. Its longest step is the sync, whose deadline is taken for both.
    """
    context.instance.add_run_tags(context.run_id, {ACTION_TAG: order.event_id, PROCESS_TAG: this_process()})
    minutes = rollout.salesforce.poll_deadline_minutes
    await_turn(context.instance, context.run_id, order.event_id, minutes=minutes, log=context.log.info)


def export_registry(path: Path, statuses: dict[str, str], live: deployments.Production | None) -> None:
    """Write the derived registry status as registry.json, in one move, for other programs: nothing here reads it."""
    content = {
        "production": live.version if live else None,
        "model_sha256": live.model_sha256 if live else None,
        "bundle_sha256": live.bundle_sha256 if live else None,
        "models": {version: {"status": status} for version, status in sorted(statuses.items())},
    }
    atomic_write(path, f"{json.dumps(content, indent=2)}\n".encode())


def _metadata(
    events: list[deployments.Event], live: deployments.Production | None, statuses: dict[str, str]
) -> dict[str, Any]:
    state = deployments.state_after(events)
    return {
        "live": live.version if live else "nothing adopted yet: `v4 init`",
        "since": state.live.happened_at.isoformat() if state.live else "–",
        "why": state.live.reason if state.live else "–",
        "registry": dg.MetadataValue.json(statuses),
    }


def _under_way(events: list[deployments.Event], order: Order | None) -> dict[str, str]:
    """The order this run carries out; or what another run has left unfinished."""
    if order:
        return {"order": f"{order.kind} to {order.version}, completed by rollout_report"}
    unfinished = deployments.state_after(events).unfinished
    return {"unfinished": unfinished.event if unfinished else "–"}


def _links(events: list[deployments.Event], reports: Path, clock: Clock) -> dict[str, Any]:
    """The report and the run of the last switch, the report of the day, and everything that was done."""
    live = deployments.state_after(events).live
    links: dict[str, Any] = {
        "page": dg.MetadataValue.path(str(reports / ROLLOUT_PAGE)),
        "report of the day": dg.MetadataValue.path(str(reports / _page(None, clock))),
    }
    if live and live.event != "adopted":
        links["report of the switch"] = dg.MetadataValue.path(str(reports / _page(live, clock)))
    if live and live.run_id:
        links["run of the switch"] = dg.MetadataValue.dagster_run(live.run_id)
    return {**links, "history": _history(events)}


def _page(action: deployments.Event | None, clock: Clock) -> str:
    return f"{report_name(action, clock.today())}.md"


def _history(events: list[deployments.Event]) -> dg.TableMetadataValue:
    """What was done to production, newest first."""
    records = [
        dg.TableRecord(
            {
                "when": f"{one.happened_at.astimezone(NEW_YORK):%Y-%m-%d %H:%M}",
                "what": one.event,
                "version": one.version,
                "by": one.decided_by,
                "why": one.reason,
            }
        )
        for one in reversed(events[-SHOWN_EVENTS:])
    ]
    columns = ("when", "what", "version", "by", "why")
    return dg.MetadataValue.table(records, schema=dg.TableSchema([dg.TableColumn(name) for name in columns]))


def _name(rollout: Rollout, key: str) -> str:
    table = rollout.catalogue[key]
    return f"{table.dataset}.{table.name}"
