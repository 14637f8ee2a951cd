"""The last sync, as the report shows it: when, what was sent, what was refused. Pure."""

from collections.abc import Mapping

from v4_assets.production.syncs import Sync
from v4_assets.report.wording import count, free, moment, table

DRY_RUN = "dry-run"
"""How the name of a target begins that sends nothing."""
COUNTS = ("sent", "confirmed", "pending", "failed", "quarantined")


def in_a_line(sync: Sync | None) -> str:
    """The last sync in a sentence."""
    if sync is None or sync.at is None:
        return "No sync is on record."
    if sync.target.startswith(DRY_RUN):
        return f"Dry run: nothing is sent. Last compared at {moment(sync.at)}."
    if sync.owed:
        return f"{sync.version or 'The live version'} is owed since {moment(sync.at)}: {sync.owed.rstrip('.')}."
    carries = f"has {sync.version}'s scores of {moment(sync.at)}"
    if sync.sent_at is None:
        return f"It {carries}; nothing had to be sent."
    refused = sync.failed + sync.quarantined
    bad = f", {refused:,} refused" if refused else ", none refused"
    waiting = f", {sync.pending:,} pending" if sync.pending else ""
    return f"It {carries}; {count(sync.sent, 'lead')} sent last{bad}{waiting}."


def as_section(sync: Sync | None, checks: Mapping[str, str]) -> str:
    """When, what, how many, and the checks of the run's own sync, by name."""
    parts = ["## Salesforce"]
    if sync and sync.at:
        rows = [["last compared", moment(sync.at)], ["target", sync.target], ["version", sync.version]]
        if sync.sent_at:
            rows.append(["rows last sent", moment(sync.sent_at)])
            rows += [[name, f"{getattr(sync, name):,}"] for name in COUNTS]
        rows += [["held back", f"{sync.kept_back:,}"], ["not in the org", f"{sync.absent:,}"]]
        rows += [["repaired", f"{sync.repaired:,}"], ["delivered", free(f"no: {sync.owed}") if sync.owed else "yes"]]
        parts.append(table(["last sync", "on record"], rows))
    else:
        parts.append("No sync is on record.")
    if checks:
        parts.append(table(["check", "said"], [[name, free(said)] for name, said in checks.items()]))
    return "\n\n".join(parts)
