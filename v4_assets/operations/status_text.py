"""The status as text: one line per fact, what has to be done last. Pure."""

from collections.abc import Iterator
from typing import Any

SHORT = 8


def as_text(content: dict[str, Any]) -> str:
    """The page `v4 status` prints."""
    return "\n".join(_lines(content))


def _lines(content: dict[str, Any]) -> Iterator[str]:
    clock = " (the clock is fixed)" if content["clock_fixed"] else ""
    yield f"Today      {content['today']} in New York{clock}"
    yield f"Warehouse  {content['warehouse']}"
    yield from _live(content)
    for version, days in content["days"].items():
        yield f"Scores     {version}: {_scores(content, version, days)}"
    if content["rollout"]:
        yield from _rollout(content["rollout"])
    if content["hold"]:
        yield f"Hold       until {content['hold']['hold_until']:%Y-%m-%d %H:%M} UTC, by {content['hold']['decided_by']}"
    if content["salesforce"]:
        yield from _salesforce(content["salesforce"])
    for run in content["runs"]:
        yield f"Run        {run['run_id']} {run['job']} of {run['day'] or 'no day'}: {run['status']}, {run['why']}"
    for version, model in content["models"].items():
        yield f"Model      {version}: {model['sha256'][:12]}  {model['path']}"
    for one in content["to_do"]:
        yield f"To do      {one['what']}"
        yield f"           → {one['do']}"


def _live(content: dict[str, Any]) -> Iterator[str]:
    if not content["live"]:
        yield "Live       nothing yet; `v4 init` adopts the baseline"
        return
    since = content["since"]
    text = f" since {since['happened_at']:%Y-%m-%d %H:%M} UTC: {since['reason']}" if since else ""
    yield f"Live       {content['live']['version']}{text}"
    if content["unfinished"]:
        begun = content["unfinished"]
        yield f"Unfinished {begun['event']} to {begun['version']} of {begun['happened_at']:%Y-%m-%d %H:%M} UTC"


def _scores(content: dict[str, Any], version: str, days: list[dict[str, Any]]) -> str:
    if not days:
        return f"nothing scored in {content['days_shown']} days"
    last, today = days[-1], content["scored"].get(version)
    text = f"{last['rows']} leads on {last['day']} ({last['kind']})"
    if today is None:
        return f"{text}; nothing of {content['today']}"
    run = (today["run_id"] or "")[:SHORT]
    return f"{text}, {today['at']:%Y-%m-%d %H:%M} UTC by {today['by']}, run {run}"


def _rollout(found: dict[str, Any]) -> Iterator[str]:
    wanted = f" ({found['wanted']})" if found["wanted"] else ""
    yield f"Phase      {found['phase']} since {found['phase_since']}"
    yield f"Next       {found['action']}{wanted}: {found['reason']}"
    for gate in found["gates"]:
        yield f"           {gate['verdict']:<12} {gate['name']}: {gate['reason']}"
    for gate in found["gates_failing"]:
        if gate["name"] not in {one["name"] for one in found["gates"]}:
            yield f"Failing    {gate['name']}: {gate['reason']}"


def _salesforce(found: dict[str, Any]) -> Iterator[str]:
    done = "today's scores are delivered" if found["today_done"] else "today's scores are not delivered"
    done += f" ({found['owed']})" if found["owed"] and not found["today_done"] else ""
    last = found["last_sent"]
    sent = (
        f"; last sent {last['at']:%Y-%m-%d %H:%M} UTC to {last['org']}: {last['sent']} leads of {last['version']} of "
        f"{last['day']}, {last['confirmed']} confirmed, {last['pending']} pending, {last['failed']} failed, "
        f"{last['quarantined']} quarantined"
        if last
        else "; nothing has been sent yet"
    )
    other = f"; it carries {found['carries']}'s scores, which is not live" if found["carries"] else ""
    yield f"Salesforce {found['target']}: {done}{other}{sent}"
