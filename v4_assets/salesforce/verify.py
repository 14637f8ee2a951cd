"""Reading the org: its state before the first sync, and the read-back of confirmed values."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from v4_assets.errors import SalesforceSetupError
from v4_assets.salesforce.client.org import Org, OrgIdentity
from v4_assets.salesforce.field_preflight import Fields
from v4_assets.salesforce.plan import aligned, is_emptied
from v4_assets.salesforce.row_outcomes import CONVERTED, NOT_IN_ORG
from v4_assets.salesforce.rows import ROW, VALUES, deciles, rounded

ROWS_PER_BATCH = 20_000
IDS_PER_QUERY = 200
"""A query is part of the URL, which is limited to 16 kB."""
SCORED_AT = pa.timestamp("us", tz="UTC")
REFUSAL = pa.schema({"refused_code": pa.string(), "refused_message": pa.string(), "refused_on": pa.date32()})


@dataclass(frozen=True)
class ReadBack:
    """The org's values of leads that it confirmed."""

    asked: int
    """Leads that were asked for."""
    absent: int
    """Of those, leads outside of the day's scores that the org does not have open: they cannot be repaired."""
    everything: bool
    """True for all leads, False for a sample."""
    differing: pa.Table
    """ROW of the leads that differ, with the expected values."""
    examples: tuple[str, ...]
    """A sentence for the first of them."""
    deciles: tuple[tuple[int, int, int], ...]
    """(decile, leads expected in it, leads the org shows in it), 1 to 10."""
    deprioritized: tuple[int, int]
    """Deprioritized leads: expected, shown."""
    mean_score: tuple[float, float]


def seed(
    org: Org,
    identity: OrgIdentity,
    fields: Fields,
    target: pa.Table,
    day: date,
    now: datetime,
    before: pa.Table | None = None,
    sent_until: datetime | None = None,
) -> pa.Table:
    """The state of the whole org as it shows it, as the columns of salesforce_state.

    Has every lead of `target`, and every other lead that carries a score and is not converted. Leads of `target` that
    are converted or missing are marked as refused, so that they are not sent; so are those refused in the state known
    `before`, whose emptied leads are kept, too. Leads outside `target` that show no score made after `sent_until` keep
    the values known `before`: what differs was edited. Raises SalesforceSetupError when a production org lacks most of
    the leads: it is another company's org.
    """
    carried = _carried(org.read_leads([*(name for name, _ in fields.columns), "IsConverted"]), fields, target)
    missing = target.filter(pc.invert(pc.is_in(target["lead_id"], carried["lead_id"].combine_chunks())))
    if 2 * len(missing) > len(target) and not identity.is_sandbox:
        raise SalesforceSetupError(
            f"{len(missing):,} of {len(target):,} scored leads are not visible in org {identity.org_id}. Nothing was "
            "sent. Correct V4_SALESFORCE_DOMAIN and V4_SALESFORCE_ORG_ID, or let our user read all leads."
        )
    converted = carried.filter(carried["converted"])
    wanted = converted.filter(pc.is_in(converted["lead_id"], target["lead_id"].combine_chunks()))
    version = target["model_version"][0]
    kept = _refused(carried.filter(pc.invert(carried["converted"])).select(ROW.names), None, None, day)
    excluded = [
        _refused(_blank(wanted, version), CONVERTED, "converted before it was sent", day),
        _refused(_blank(missing, version), NOT_IN_ORG, "deleted, or never there", day),
    ]
    rows = pa.concat_tables([kept, *excluded])
    constants = {
        "org_id": pa.scalar(identity.org_id),
        "as_of": pa.scalar(None, pa.date32()),
        "known_at": pa.scalar(now, SCORED_AT),
    }
    for name, value in constants.items():
        rows = rows.append_column(name, pa.repeat(value, len(rows)))
    if before is None or not len(before):
        return rows
    before = before.select(rows.column_names).cast(rows.schema)
    empty = before.filter(pc.and_(is_emptied(before), pc.invert(pc.is_in(before["lead_id"], _ids(rows)))))
    refused = pc.is_in(rows["lead_id"], _ids(before.filter(pc.is_valid(before["refused_code"]))))
    known = before.filter(pc.or_(pc.is_valid(before["refused_code"]), _is_known(before)))
    newer = carried.filter(pc.greater(carried["scored_at"], pa.scalar(sent_until, SCORED_AT)))
    current = pc.or_(pc.is_in(rows["lead_id"], _ids(target)), pc.is_in(rows["lead_id"], _ids(newer)))
    edited = pc.and_(pc.invert(current), pc.is_in(rows["lead_id"], _ids(known)))
    replaced = pc.and_(pc.is_null(rows["refused_code"]), pc.or_(refused, edited))
    known = known.filter(pc.is_in(known["lead_id"], _ids(rows.filter(replaced))))
    return pa.concat_tables([rows.filter(pc.invert(replaced)), known, empty])


def confirmed(state: pa.Table, refused_since: date) -> pa.Table:
    """ROW of the leads of a state whose values are known: scored, emptied, or kept after they left the scored set.

    Without leads that the org refused after `refused_since`.
    """
    held = pc.fill_null(pc.greater(state["refused_on"], refused_since), False)
    return state.filter(pc.and_(_is_known(state), pc.invert(held))).select(ROW.names)


def _is_known(state: pa.Table) -> pa.ChunkedArray:
    valued = pc.and_(pc.is_valid(state["score"]), pc.is_valid(state["model_version"]))
    return pc.or_(valued, is_emptied(state))


def read_back(
    org: Org, fields: Fields, expected: pa.Table, scored: pa.Array, sent: pa.Table, leads: int | None, salt: str
) -> ReadBack:
    """Compare the org with `expected` (ROW): all of it, or with `leads` a sample, half of it from `sent`.

    A lead that is not among the ids `scored` and that the org does not have open is passed over: deleted, merged and
    converted leads take no values. A scored one is sent again, so that the org says why it takes none.
    """
    asked = expected if leads is None else _sample(expected, scored, sent, leads, salt)
    shown = _carried(_rows(org, fields, None if leads is None else asked["lead_id"].to_pylist()), fields, asked)
    open_ = pc.is_in(asked["lead_id"], _ids(shown.filter(pc.invert(shown["converted"]))))
    looked_at = pc.or_(open_, pc.is_in(asked["lead_id"], scored))
    absent = len(asked) - int(pc.sum(looked_at).as_py() or 0)
    asked = asked.filter(looked_at)
    known = aligned(asked, shown)
    keys = [key for _, key in fields.columns]
    if "scored_at" in keys:
        asked, known = _with_time(asked, known, scored)
    wrong = ~np.logical_and.reduce([_equal(known[key], asked[key]) for key in keys])
    return ReadBack(
        asked=len(asked) + absent,
        absent=absent,
        everything=leads is None,
        differing=asked.filter(wrong).select(ROW.names),
        examples=tuple(_difference(asked, known, keys, int(at)) for at in np.flatnonzero(wrong)[:10]),
        deciles=_by_decile(asked, known),
        deprioritized=(_count(asked["deprioritize"]), _count(known["deprioritize"])),
        mean_score=(pc.mean(asked["score"]).as_py() or 0.0, pc.mean(known["score"]).as_py() or 0.0),
    )


def _with_time(asked: pa.Table, known: pa.Table, scored: pa.Array) -> tuple[pa.Table, pa.Table]:
    """Both with `scored_at`: whether a time is set, as on a scored lead and not on an emptied one. The ledger does not
    know the time of a lead that left and keeps its values: it is taken as shown."""
    shown = pc.if_else(pc.is_null(known["scored_at"]), "blank", "set")
    of_others = pc.if_else(pc.is_in(asked["lead_id"], scored), "set", shown)
    wanted = pc.if_else(pc.is_null(asked["model_version"]), "blank", of_others)
    return asked.append_column("scored_at", wanted), known.drop_columns("scored_at").append_column("scored_at", shown)


def _equal(one: pa.ChunkedArray, other: pa.ChunkedArray) -> NDArray[np.bool_]:
    both_null = pc.and_(pc.is_null(one), pc.is_null(other))
    found: NDArray[np.bool_] = pc.or_(pc.fill_null(pc.equal(one, other), False), both_null).to_numpy()
    return found


def _ids(rows: pa.Table) -> pa.Array:
    return rows["lead_id"].combine_chunks()


def _rows(org: Org, fields: Fields, ids: Sequence[str] | None) -> Iterator[Mapping[str, object]]:
    names = [*(name for name, _ in fields.columns), "IsConverted"]
    if ids is None:
        yield from org.read_leads(names)
        return
    for start in range(0, len(ids), IDS_PER_QUERY):
        listed = ", ".join(f"'{one}'" for one in ids[start : start + IDS_PER_QUERY])
        yield from org.read_leads(names, f"Id IN ({listed})")


def _carried(rows: Iterable[Mapping[str, object]], fields: Fields, wanted: pa.Table) -> pa.Table:
    """ROW, `converted` and `scored_at` of every lead that is wanted or carries a score, values rounded as ours."""
    schema = ROW.append(pa.field("converted", pa.bool_())).append(pa.field("scored_at", SCORED_AT))
    names = {key: name for name, key in fields.columns}
    ids = wanted["lead_id"].combine_chunks()
    batches, part = [], list[dict[str, Any]]()
    for row in rows:
        part.append(
            {key: row.get(names[key]) if key in names else None for key in (*ROW.names, "scored_at")}
            | {"lead_id": row["Id"], "converted": bool(row.get("IsConverted"))}
        )
        if len(part) == ROWS_PER_BATCH:
            batches.append(_kept(part, ids, schema))
            part = []
    return pa.Table.from_batches([*batches, _kept(part, ids, schema)], schema)


def _kept(rows: list[dict[str, Any]], wanted: pa.Array, schema: pa.Schema) -> pa.RecordBatch:
    for row in rows:
        row["percentile"] = None if row["percentile"] is None else round(row["percentile"])
        row["score"] = None if row["score"] is None else float(row["score"])
        row["scored_at"] = None if row["scored_at"] is None else datetime.fromisoformat(row["scored_at"])
    batch = pa.RecordBatch.from_pylist(rows, schema=schema)
    score = pa.array(rounded(batch["score"].to_numpy(zero_copy_only=False).astype(float)), from_pandas=True)
    batch = batch.set_column(schema.get_field_index("score"), "score", score)
    return batch.filter(pc.or_(pc.is_valid(batch["score"]), pc.is_in(batch["lead_id"], wanted)))


def _refused(rows: pa.Table, code: str | None, message: str | None, day: date) -> pa.Table:
    values = {"refused_code": code, "refused_message": message, "refused_on": day if code else None}
    for field in REFUSAL:
        rows = rows.append_column(field, pa.repeat(pa.scalar(values[field.name], field.type), len(rows)))
    return rows


def _blank(rows: pa.Table, version: pa.Scalar) -> pa.Table:
    empty = {name: pa.nulls(len(rows), ROW.field(name).type) for name in VALUES}
    columns = {"lead_id": rows["lead_id"], **empty, "model_version": pa.repeat(version, len(rows))}
    return pa.table(columns, schema=ROW)


def _sample(expected: pa.Table, scored: pa.Array, sent: pa.Table, leads: int, salt: str) -> pa.Table:
    """At most `leads` of `expected`, drawn by `salt`: half of them from `sent` and a quarter from those not `scored`,
    if there are enough."""
    seed_ = np.frombuffer(sha256(salt.encode()).digest()[:8], dtype=np.uint64)
    drawn = np.random.default_rng(seed_).permutation(len(expected))
    was_sent = pc.is_in(expected["lead_id"], _ids(sent)).to_numpy()
    has_left = pc.invert(pc.is_in(expected["lead_id"], scored)).to_numpy()
    first = drawn[was_sent[drawn]][: (leads + 1) // 2]
    left = drawn[(has_left & ~was_sent)[drawn]][: leads // 4]
    taken = np.concatenate([first, left])
    rest = drawn[~np.isin(drawn, taken)][: leads - len(taken)]
    return expected.take(np.sort(np.concatenate([taken, rest])))


def _by_decile(asked: pa.Table, known: pa.Table) -> tuple[tuple[int, int, int], ...]:
    counts = [
        np.bincount(pc.drop_null(deciles(rows["percentile"])).to_numpy().astype(int), minlength=11)
        for rows in (asked, known)
    ]
    return tuple((decile, int(counts[0][decile]), int(counts[1][decile])) for decile in range(1, 11))


def _count(flags: pa.ChunkedArray) -> int:
    return int(pc.sum(flags).as_py() or 0)


def _difference(asked: pa.Table, known: pa.Table, keys: Sequence[str], at: int) -> str:
    wanted = {key: asked[key][at].as_py() for key in keys}
    shown = {key: known[key][at].as_py() for key in keys}
    differing = (f"{key} {shown[key]} instead of {wanted[key]}" for key in keys if shown[key] != wanted[key])
    return f"{asked['lead_id'][at]}: {', '.join(differing)}"
