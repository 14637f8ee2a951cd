"""What is live, what was scored last, which models there are: the page `v4 status` prints."""

from dataclasses import asdict
from datetime import date, timedelta
from typing import Any

from v4_assets import production, tables
from v4_assets.assets.partition import latest_writes
from v4_assets.errors import TableMissingError
from v4_assets.resources.connect import registry, warehouse
from v4_assets.settings import Settings

DAYS_SHOWN = 14


def status(settings: Settings) -> dict[str, Any]:
    """Plain values: `live` (None before `v4 init`), `today`, `days` by table, `models`."""
    house, catalogue, today = warehouse(settings), settings.rollout.catalogue, settings.clock.today()
    try:
        if settings.warehouse == "duckdb" and not settings.duckdb_file.exists():
            raise TableMissingError(f"There is no {settings.duckdb_file}.")
        with house.session():
            live = production.current(house, catalogue)
            events = house.read(catalogue.query(tables.DEPLOYMENTS)).to_pylist()
            writes = latest_writes(house, catalogue, today - timedelta(days=DAYS_SHOWN), today)
    except TableMissingError:
        live, events, writes = None, [], {}
    return {
        "today": today,
        "clock_fixed": settings.now is not None,
        "warehouse": str(settings.duckdb_file) if settings.warehouse == "duckdb" else settings.warehouse,
        "live": asdict(live) if live else None,
        "since": next((event for event in reversed(events) if live and event["event_id"] == live.event_id), None),
        "days": {
            version: _days(writes, catalogue[tables.scores_key(entry.key)].name)
            for version, entry in settings.rollout.versions.items()
        },
        "models": {
            version: {"path": str(entry.path), "sha256": entry.files["model.json"]}
            for version, entry in registry(settings).entries().items()
        },
    }


def as_text(content: dict[str, Any]) -> str:
    """The status for a person."""
    clock = f"{content['today']} in New York" + (" (the clock is fixed)" if content["clock_fixed"] else "")
    lines = [f"Today      {clock}", f"Warehouse  {content['warehouse']}"]
    if content["live"]:
        since = content["since"]
        said = f" since {since['happened_at']:%Y-%m-%d %H:%M} UTC: {since['reason']}" if since else ""
        lines.append(f"Live       {content['live']['version']}{said}")
    else:
        lines.append("Live       nothing yet; `v4 init` adopts the baseline")
    for version, days in content["days"].items():
        last = days[-1] if days else None
        said = (
            f"{last['rows']} leads on {last['day']} ({last['kind']})"
            if last
            else f"nothing scored in {DAYS_SHOWN} days"
        )
        lines.append(f"Scores     {version}: {said}")
        if last and last["day"] != content["today"]:
            lines.append(f"           today is missing: `v4 run --date {content['today']}`")
    lines += [
        f"Model      {version}: {model['sha256'][:12]}  {model['path']}" for version, model in content["models"].items()
    ]
    return "\n".join(lines)


def _days(writes: dict[tuple[str, date], Any], table: str) -> list[dict[str, Any]]:
    return [
        {"day": day, "rows": write.row_count, "kind": "retrospective" if write.retrospective else "live"}
        for (name, day), write in sorted(writes.items())
        if name == table
    ]
