"""The commands of the sync: preview, a large change allowed, refused leads sent again."""

from datetime import date

import click

from v4_assets.cli.output import DAY, TEXT, given_reason, json_option, say
from v4_assets.config.environment import load_existing
from v4_assets.errors import SettingsError

MOVES = ("enters_top_decile", "leaves_top_decile", "enters_deprioritized", "leaves_deprioritized")


@click.group("sync")
def sync() -> None:
    """Preview the sync; allow a large change; retry refused leads."""


@sync.command("preview")
@click.option("--version", type=TEXT, default=None, help="As if this version were live.  [default: the candidate]")
@click.option("--date", "day", type=DAY, default="today", show_default=True)
@json_option
def show_preview(version: str | None, day: date, as_json: bool) -> None:
    """Count the records that a switch would change.

    Also lists the leads that enter and leave the top decile and the deprioritised set.
    """
    from v4_assets.resources import crm, store
    from v4_assets.salesforce import preview as sync_preview

    settings = load_existing()
    found = sync_preview.preview(
        store(settings, reading=True),
        settings.rollout,
        settings.clock,
        crm(settings),
        version or settings.rollout.candidate,
        day,
    )
    moves = {name: list(getattr(found, name)) for name in MOVES}
    lines = [f"{found.version} on {found.day}, compared with {found.compared_with}:"]
    lines += [f"  {count:>8,}  {what.replace('_', ' ')}" for what, count in found.counts.items()]
    lines += [f"  The sync would be held: {found.held}."] if found.held else []
    content = {"day": found.day, "version": found.version, "compared_with": found.compared_with, **found.counts}
    content["held"] = found.held
    say({**content, "lead_ids": moves}, "\n".join(lines), as_json)


@sync.command("allow-changes")
@click.option("--reason", required=True, callback=given_reason, help="Why so many leads may change; it is recorded.")
def allow_changes(reason: str) -> None:
    """Let the next sync change more leads than its limit, once.

    It holds for the scores of today that are there now, until they are delivered.
    """
    from v4_assets.operations import operator_actions

    version, write = operator_actions.allow_changes(load_existing(), reason)
    click.echo(
        f"The next sync of {version}'s scores of today (write {write}) may change more leads than max_changed_share, "
        "once. `v4 run --date today` sends them."
    )


@sync.command("retry-refused")
@click.option("--code", type=TEXT, default=None, help="Only leads refused with this code.")
@click.option("--lead", type=TEXT, default=None, help="Only this lead, by its id of 15 or 18 characters.")
@click.option("--all", "every", is_flag=True, help="All refused leads.")
@json_option
def retry_refused(code: str | None, lead: str | None, every: bool, as_json: bool) -> None:
    """Send leads again that Salesforce refused.

    The next sync sends them, before their quarantine ends. Leads that left the scored set and refused a repair are
    repaired by the next full read-back.
    """
    from v4_assets.config.salesforce import is_record_id, to_18
    from v4_assets.resources import org_id, store
    from v4_assets.salesforce.ledger import Ledger

    if not (code or lead or every):
        raise SettingsError("Name the leads: --code CODE, --lead ID or --all.")
    if every and (code or lead):
        raise SettingsError("--all releases every refused lead: leave out --code and --lead, or --all.")
    if lead and not is_record_id(lead):
        raise SettingsError(f"{lead} is not a record id. Give the lead's id of 15 or 18 characters.")
    settings = load_existing()
    record = store(settings)
    ledger = Ledger(record.warehouse, record.catalogue, settings.clock)
    with record.session():
        known = org_id(settings)
        orgs = [known] if known else ledger.orgs()
        released = sum(ledger.release(one, code=code, lead_id=to_18(lead) if lead else None) for one in orgs)
    text = "No refused lead matches." if not released else f"Sent again by the next sync: {released:,} leads."
    say({"released": released}, text, as_json)
