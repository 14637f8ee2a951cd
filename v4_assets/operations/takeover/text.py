"""A takeover in words."""

from v4_assets.operations.takeover.moves import Move, Plan

HOW = {
    "rename": "is renamed to {}",
    "copy": "is copied to {}, read back, and dropped",
    "text": "is made again as {}, and its text is kept in v4_takeover",
}


def as_text(found: Plan) -> str:
    """The plan for a person: each object, who reads it, what must be done beside."""
    if not found.moves and not found.hindrances:
        lines = ["Nothing of others stands where this project's tables and views belong. `v4 init` makes them."]
        return "\n".join([*lines, *found.notes])
    lines = [f"{len(found.moves)} objects are moved aside:"] if found.moves else []
    for one in found.moves:
        lines += [f"  {one.kind} {one.name} {HOW[one.method].format(one.kept_as)}{_facts(one)}"]
        lines += _beside(found, one.name)
    lines += [f"Not possible now: {text}." for text in found.hindrances]
    lines += [
        f"Authorize again on {dataset}: the view {view}, which is replaced." for dataset, view in found.authorizations
    ]
    lines += found.notes
    if found.moves:
        lines += [
            "Views that read no moved table answer throughout. A moved table's name, and what reads it, fails between "
            "the steps that move it and make ours.",
            "Stop the jobs that write these objects, then: `v4 takeover --yes`. `v4 takeover --undo` takes it back.",
        ]
    return "\n".join(lines)


def done_text(found: Plan) -> str:
    """What was moved."""
    lines = [f"{one.name} is kept as {one.kept_as}." for one in found.moves]
    lines += [f"Authorize again on {dataset}: the view {view}." for dataset, view in found.authorizations]
    following = "Next: `v4 init --tables-only`, `v4 run --date yesterday`, `v4 migration`, then `v4 init`."
    return "\n".join([*lines, f"The names are this project's now. {following}"])


def undone_text(found: Plan) -> str:
    """What came back."""
    lines = [f"{one.name} is the firm's {one.kind} again." for one in found.moves]
    last = "Ours of these names are kept as …_of_v4_DATE, with their rows. `v4 takeover --yes` takes over again."
    return "\n".join([*lines, *found.notes, last])


def _facts(one: Move) -> str:
    facts = [] if one.row_count is None else [f"{one.row_count:,} rows"]
    if one.expires.at:
        facts.append(f"would expire on {one.expires.at:%Y-%m-%d}, which is removed until it is undone")
    if one.expires.partition_days:
        facts.append(f"partitions would expire after {one.expires.partition_days:g} days, which is removed as well")
    return f" ({'; '.join(facts)})" if facts else ""


def _beside(found: Plan, name: str) -> list[str]:
    readers, lost = found.readers.get(name, ()), found.lost_columns.get(name, ())
    lines = [
        f"    read by {', '.join(readers)}" if readers else "    read by nothing that was checked (`v4 references`)"
    ]
    if lost:
        lines.append(f"    columns that ours does not have: {', '.join(lost)}")
    return lines
