"""What is sent, to the second decimal: rows as sent, differences, limits, the meaning of refusals, fields. Pure."""

from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v4_assets.config.rollout import read_rollout
from v4_assets.config.rollout_systems import FieldNames
from v4_assets.config.salesforce import to_18
from v4_assets.errors import SalesforceError, SettingsError, SyncHeldError
from v4_assets.project_files import PROJECT
from v4_assets.salesforce import row_outcomes as errors
from v4_assets.salesforce.checks import count
from v4_assets.salesforce.field_preflight import examine
from v4_assets.salesforce.plan import SyncPlan, Terms, hold_if_too_many, plan_sync
from v4_assets.salesforce.row_outcomes import Reaction, account, is_hopeless, outcome_of, reaction, to_retry
from v4_assets.salesforce.rows import ROW, DayScores, csv, day_scores, rounded

DAY = date(2026, 1, 12)
VALIDATION = "FIELD_CUSTOM_VALIDATION_EXCEPTION"
USUAL, SMALL = Terms(), errors.SyncSize(100, 10_000)
MAINTENANCE = "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE"
NOW = datetime(2026, 1, 12, 11, 30, 0, 7000, UTC)
A, B, C, D, E, F = (to_18(f"00QAb000000000{letter}") for letter in "ABCDEF")
V0, V1 = "v4.0.0", "v4.1.0"


def scores(*given: tuple[str, float, int]) -> pa.Table:
    """(lead, score, percentile) as the warehouse has them."""
    return pa.table(
        {
            "lead_id": pa.array([one[0] for one in given], pa.string()),
            "score": pa.array([one[1] for one in given], pa.float64()),
            "percentile": pa.array([one[2] for one in given], pa.int64()),
            "deprioritize": pa.array([one[2] is not None and one[2] <= 20 for one in given], pa.bool_()),
        }
    )


def prepared(table: pa.Table) -> DayScores:
    return day_scores(table, day=DAY, version=V0, scored_at=NOW)


def target(*given: tuple[str, float, int]) -> pa.Table:
    return prepared(scores(*given)).rows


def state(*given: tuple[str, float | None, int | None, str | None, str | None, date | None]) -> pa.Table:
    """(lead, score, percentile, version, refusal, refused on)."""
    rows = [
        {
            **{"lead_id": lead, "score": score, "percentile": percentile, "model_version": version},
            **{"deprioritize": None if percentile is None else percentile <= 20, "as_of": None},
            **{"refused_code": code, "refused_message": code and "words", "refused_on": on},
        }
        for lead, score, percentile, version, code, on in given
    ]
    extra = [
        ("as_of", pa.date32()),
        ("refused_code", pa.string()),
        ("refused_message", pa.string()),
        ("refused_on", pa.date32()),
    ]
    return pa.Table.from_pylist(rows, schema=pa.schema([*ROW, *extra]))


def carries(lead: str, score: float, percentile: int, version: str | None = V0):
    return (lead, score, percentile, version, None, None)


def difference(
    wanted: pa.Table, known: pa.Table, clear: bool = False, terms: Terms = USUAL, called: tuple[str, ...] = ()
) -> SyncPlan:
    left = "clear" if clear else "leave"
    rules = read_rollout(PROJECT / "rollout.yaml").salesforce.model_copy(
        update={"quarantine_days": 7, "leads_that_left": left}
    )
    scores = DayScores(DAY, V0, "switch", NOW, wanted, (), 0, pa.array(called, pa.string()))
    return plan_sync(scores, known, rules, terms)


# --- rows as sent --------------------------------------------------------------------------------------------------


@given(st.integers(min_value=0, max_value=10**6))
def test_scores_are_rounded_half_up_to_hundredths(millionths: int) -> None:
    score = millionths / 10**6
    exact = Decimal(score).quantize(Decimal("0.01"), ROUND_HALF_UP)
    found = Decimal(str(float(rounded(np.array([score]))[0])))
    # A product with 100 may carry a score that lies below a border by less than a double tells apart onto it.
    assert found == exact or abs(Decimal(score) * 100 % 1 - Decimal("0.5")) < Decimal("1e-13")


@pytest.mark.parametrize(
    ("score", "text"),
    [(0.125, "0.13"), (0.124999, "0.12"), (0.0, "0.00"), (1.0, "1.00"), (0.995, "1.00"), (0.3, "0.30")],
)
def test_a_score_is_written_with_two_decimals(score: float, text: str) -> None:
    [_, line, _] = csv(target((A, score, 50)), (("S", "score"),), NOW).decode().split("\n")
    assert line == f"{A},{text}"


def test_the_csv_names_fields_as_configured_and_empties_with_na() -> None:
    emptied = pa.Table.from_pylist([{"lead_id": B, "deprioritize": False}], schema=ROW)
    columns = (("S__c", "score"), ("P__c", "percentile"), ("D__c", "deprioritize"), ("V__c", "model_version"))
    rows = pa.concat_tables([target((A, 0.4321, 7)), emptied])
    assert csv(rows, (*columns, ("At__c", "scored_at")), NOW) == (
        b"Id,S__c,P__c,D__c,V__c,At__c\n"
        + f"{A},0.43,7,true,v4.0.0,2026-01-12T11:30:00.007Z\n{B},#N/A,#N/A,false,#N/A,#N/A\n".encode()
    )


def test_ids_of_15_characters_are_widened_and_a_lead_is_sent_once() -> None:
    found = prepared(scores((A[:15], 0.9, 99), (B, 0.5, 50), (A, 0.1, 1), (B, 0.4, 40)))
    assert found.rows.to_pylist() == [
        {"lead_id": A, "score": 0.1, "percentile": 1, "deprioritize": True, "model_version": V0},
        {"lead_id": B, "score": 0.4, "percentile": 40, "deprioritize": False, "model_version": V0},
    ]
    assert found.duplicates == 2


@pytest.mark.parametrize("wrong", ["", "00Q", "00QAb0000000000000", "00Q-b000000000A", "ü" * 18, "0" * 19])
def test_what_is_no_id_is_kept_back_and_named(wrong: str) -> None:
    found = prepared(scores((wrong, 0.5, 50), (A, 0.6, 60)))
    expected = (wrong,) if len(wrong) != 18 or not wrong.isascii() else ()
    assert found.malformed == expected
    assert A in found.rows["lead_id"].to_pylist()


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param((A, float("nan"), 50), id="nan"),
        pytest.param((A, None, 50), id="null"),
        pytest.param((A, 1.01, 50), id="above-one"),
        pytest.param((A, -0.01, 50), id="below-zero"),
        pytest.param((A, 0.5, 0), id="percentile-0"),
        pytest.param((A, 0.5, 101), id="percentile-101"),
        pytest.param((A, 0.5, None), id="no-percentile"),
    ],
)
def test_a_value_out_of_range_stops_everything(wrong) -> None:
    with pytest.raises(SalesforceError, match="1 leads have a score outside"):
        prepared(scores(wrong, (B, 0.5, 50)))


# --- differences ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "sent"),
    [
        pytest.param(carries(A, 0.43, 50), False, id="the-same"),
        pytest.param(carries(A, 0.45, 50), True, id="a-score-two-hundredths-away"),
        pytest.param(carries(A, 0.44, 50), False, id="a-score-one-hundredth-away"),
        pytest.param(carries(A, 0.43, 49), False, id="a-percentile-in-the-same-decile"),
        pytest.param(carries(A, 0.43, 51), True, id="another-decile"),
        pytest.param(carries(A, 0.43, 20), True, id="another-flag"),
        pytest.param(carries(A, 0.43, 50, V1), True, id="the-same-values-of-another-version"),
        pytest.param(carries(A, 0.43, 50, None), True, id="an-unknown-version"),
        pytest.param(carries(B, 0.43, 50), True, id="another-lead"),
        pytest.param((A, None, None, V0, "DUPLICATE_VALUE", date(2026, 1, 6)), False, id="refused-lately"),
        pytest.param((A, None, None, V0, "DUPLICATE_VALUE", date(2026, 1, 5)), True, id="refused-a-week-ago"),
        pytest.param((A, None, None, V1, "DUPLICATE_VALUE", date(2026, 1, 12)), True, id="refused-of-another-version"),
    ],
)
def test_a_lead_is_sent_when_it_is_not_known_to_carry_just_this(known, sent: bool) -> None:
    assert difference(target((A, 0.434999, 50)), state(known)).rows["lead_id"].to_pylist() == ([A] if sent else [])


def test_every_lead_is_counted_under_one_reason() -> None:
    wanted = target((A, 0.4, 40), (B, 0.5, 50), (C, 0.6, 60), (D, 0.7, 70))
    known = state(carries(A, 0.4, 40), carries(B, 0.5, 50, V1), carries(C, 0.5, 59))
    found = difference(wanted, known)
    assert (found.unchanged, found.other_version, found.other_values, found.unknown) == (1, 1, 1, 1)
    assert (found.counts["to_send"], found.counts["small_changes"]) == (3, 0)


@pytest.mark.parametrize("score", [0.43, 0.44, 0.9], ids=["the-same", "a-small-change", "another-score"])
def test_a_lead_that_refused_known_values_and_is_scored_again_is_only_held_back(score: float) -> None:
    refused = (A, score, 50, V0, VALIDATION, DAY)
    found = difference(target((A, 0.43, 50)), state(refused))
    assert (len(found.quarantined), found.unchanged, found.small, len(found.rows)) == (1, 0, 0, 0)
    assert count(found).passed


@pytest.mark.parametrize(("full", "sent"), [(False, []), (True, [A, B])])
def test_a_full_sync_sends_every_difference(full: bool, sent: list[str]) -> None:
    known = state(carries(A, 0.43, 49), carries(B, 0.44, 50), carries(C, 0.43, 50))
    wanted = target((A, 0.43, 50), (B, 0.43, 50), (C, 0.43, 50))
    found = difference(wanted, known, terms=Terms(full=full))
    assert (found.rows["lead_id"].to_pylist(), found.small) == (sent, 2 - len(sent))


def test_the_threshold_on_scores_is_exact() -> None:
    """0.57 - 0.55 is less than 0.02 in floating point."""
    for hundredths in range(99):
        wanted = target((A, (hundredths + 2) / 100 if hundredths < 99 else 1.0, 50))
        assert len(difference(wanted, state(carries(A, hundredths / 100, 50))).rows) == 1
        wanted = target((A, (hundredths + 1) / 100, 50))
        assert len(difference(wanted, state(carries(A, hundredths / 100, 50))).rows) == 0


def test_a_lead_that_left_with_a_call_keeps_its_values() -> None:
    known = state(carries(A, 0.4, 40), carries(B, 0.5, 5), carries(C, 0.6, 6))
    found = difference(target((A, 0.4, 40)), known, clear=True, called=(C,))
    assert (found.rows["lead_id"].to_pylist(), found.left, found.cleared) == ([B], 2, 1)


def test_emptied_leads_count_towards_the_limit() -> None:
    ids = [to_18(f"00QAb{number:010d}") for number in range(10)]
    known = state(*(carries(lead, 0.5, 50) for lead in ids))
    hold_if_too_many(difference(target(*((lead, 0.5, 50) for lead in ids[2:])), known, clear=True), 0.20, None)
    found = difference(target(*((lead, 0.5, 50) for lead in ids[3:])), known, clear=True)
    with pytest.raises(SyncHeldError, match=r"3 of the 10 leads with values \(30.0%\) would be emptied"):
        hold_if_too_many(found, 0.20, None)


@pytest.mark.parametrize(
    ("version", "terms", "held"),
    [
        pytest.param(V1, Terms(), False, id="a-switch-is-not-measured-against-the-other-version"),
        pytest.param(V1, Terms(first=True), True, id="a-first-sync-is-measured-against-whatever-is-there"),
        pytest.param(None, Terms(), True, id="values-of-an-unknown-version"),
        pytest.param("by hand", Terms(first=True), True, id="values-of-a-version-we-do-not-have"),
    ],
)
def test_values_that_are_there_count_towards_the_limit(version, terms: Terms, held: bool) -> None:
    known = state(carries(A, 0.5, 50, version), carries(B, 0.5, 90, version))
    found = difference(target((A, 0.5, 90), (B, 0.5, 90)), known, terms=terms)
    assert (found.too_many(0.20) is not None) == held


@pytest.mark.parametrize("clear", [False, True])
def test_leads_that_left_are_left_or_emptied(clear: bool) -> None:
    known = state(carries(A, 0.4, 40), carries(B, 0.5, 5, V1), (C, None, None, V0, "ENTITY_IS_DELETED", DAY))
    found = difference(target((A, 0.4, 40)), known, clear=clear)
    emptied = {"lead_id": B, "score": None, "percentile": None, "deprioritize": False, "model_version": None}
    assert found.rows.to_pylist() == ([emptied] if clear else [])
    assert (found.left, found.left_with_other_version, found.cleared) == (1, 1, int(clear))


def test_a_lead_that_left_is_emptied_where_it_may_carry_values() -> None:
    known = state(
        (A, None, None, None, None, None),  # in doubt
        (B, None, None, V0, VALIDATION, DAY - timedelta(days=7)),
        (C, None, None, V0, VALIDATION, DAY - timedelta(days=6)),
        (D, None, None, V0, "ENTITY_IS_DELETED", DAY - timedelta(days=30)),
    )
    emptied = known.slice(0, 1).set_column(0, "lead_id", pa.array([E]))
    at = emptied.schema.get_field_index("as_of")
    known = pa.concat_tables([known, emptied.set_column(at, "as_of", pa.array([DAY], pa.date32()))])
    found = difference(target((F, 0.5, 50)), known, clear=True)
    assert sorted(found.rows["lead_id"].to_pylist()) == [A, B, F]
    assert (found.cleared, found.left, found.carrying) == (2, 2, 2)
    assert difference(target((F, 0.5, 50)), known, clear=True, called=(A, B)).cleared == 0


def test_a_switch_is_judged_by_the_leads_that_carry_the_new_version_already() -> None:
    known = state(*(carries(lead, 0.1, 1, V1) for lead in (A, B, C)), carries(D, 0.9, 95))
    found = difference(target((A, 0.9, 99), (B, 0.9, 98), (C, 0.9, 97), (D, 0.9, 96)), known)
    assert (found.comparable, found.moved) == (1, 0)
    hold_if_too_many(found, 0.20, None)


@pytest.mark.parametrize(
    ("before", "after", "moved"),
    [
        pytest.param(50, 60, 0, id="one-decile-up"),
        pytest.param(50, 61, 1, id="two-deciles-up"),
        pytest.param(61, 50, 1, id="two-deciles-down"),
        pytest.param(21, 20, 1, id="called-no-more"),
        pytest.param(20, 21, 1, id="called-again"),
        pytest.param(11, 20, 0, id="within-a-decile"),
    ],
)
def test_what_counts_as_moved(before: int, after: int, moved: int) -> None:
    assert difference(target((A, 0.5, after)), state(carries(A, 0.5, before))).moved == moved


@pytest.mark.parametrize(("moving", "held"), [(2, False), (3, True)])
def test_more_than_the_share_holds_and_says_so(moving: int, held: bool) -> None:
    ids = [to_18(f"00QAb{number:010d}") for number in range(10)]
    wanted = target(*((lead, 0.5, 90 if index < moving else 50) for index, lead in enumerate(ids)))
    found = difference(wanted, state(*(carries(lead, 0.5, 50) for lead in ids)))
    assert found.changed_share == moving / 10
    if held:
        with pytest.raises(SyncHeldError, match=r"3 of 10 leads \(30.0%\) .* Nothing was sent"):
            hold_if_too_many(found, 0.20, None)
    else:
        hold_if_too_many(found, 0.20, None)
    hold_if_too_many(found, 0.20, "the first sync of this org")


PERCENTILES = st.integers(min_value=1, max_value=100)
LEADS = st.integers(min_value=0, max_value=30).map(lambda number: to_18(f"00QAb{number:010d}"))
CARRIED = st.dictionaries(LEADS, st.tuples(st.integers(0, 100), PERCENTILES, st.sampled_from([V0, V1, None])))
WANTED = st.dictionaries(LEADS, st.tuples(st.integers(0, 1000), PERCENTILES), min_size=1)


@pytest.mark.extended
@given(WANTED, CARRIED, st.booleans())
def test_confirming_what_is_sent_leaves_nothing_to_send(wanted, carried, clear: bool) -> None:
    rows = target(*((lead, score / 1000, percentile) for lead, (score, percentile) in wanted.items()))
    known = state(
        *(carries(lead, score / 100, percentile, version) for lead, (score, percentile, version) in carried.items())
    )
    first = difference(rows, known, clear=clear)
    after = {row["lead_id"]: row for row in known.to_pylist()}
    for row in first.rows.to_pylist():
        after.pop(row["lead_id"], None)
        if row["model_version"]:
            after[row["lead_id"]] = row
    confirmed = state(
        *((row["lead_id"], row["score"], row["percentile"], row["model_version"], None, None) for row in after.values())
    )
    second = difference(rows, confirmed, clear=clear)
    assert second.rows.num_rows == 0
    assert second.unchanged + second.small == len(wanted)
    assert first.unchanged + first.small + first.unknown + first.other_version + first.other_values == len(wanted)


# --- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "message", "outcome", "again"),
    [
        ("UNABLE_TO_LOCK_ROW", "", "pending", (True, True)),
        ("TooManyLockFailure", "", "pending", (True, True)),
        ("SERVER_UNAVAILABLE", "", "pending", (True, True)),
        ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "UNABLE_TO_LOCK_ROW in a trigger", "pending", (True, True)),
        ("UNKNOWN_EXCEPTION", "", "pending", (True, False)),
        ("REQUEST_RUNNING_TOO_LONG", "", "pending", (True, False)),
        ("A_CODE_OF_NEXT_YEAR", "", "pending", (True, False)),
        ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "a trigger said no", "pending", (False, False)),
        ("INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE", "", "pending", (False, False)),
        ("STORAGE_LIMIT_EXCEEDED", "", "pending", (False, False)),
        ("LIMIT_EXCEEDED", "Apex CPU time limit", "pending", (False, False)),
        ("CANNOT_EXECUTE_FLOW_TRIGGER", "", "pending", (False, False)),
        *((code, "", "quarantined", (False, False)) for code in errors.OF_THE_LEAD),
        ("INVALID_FIELD", "", "failed", (False, False)),
        ("INVALID_FIELD_FOR_INSERT_UPDATE", "", "failed", (False, False)),
    ],
)
def test_each_class_of_refusal_has_its_reaction(code: str, message: str, outcome: str, again) -> None:
    assert [outcome_of(code, message, attempt) for attempt in (1, 2)] == [(outcome, one) for one in again]


def test_only_what_cannot_get_better_stops_everything() -> None:
    assert {code for code in errors.REACTIONS if reaction(code, "") is Reaction.STOP} == {
        "INVALID_FIELD",
        "INVALID_FIELD_FOR_INSERT_UPDATE",
    }


@pytest.mark.parametrize(
    ("said", "hopeless"),
    [
        ("InvalidBatch : Field name not found : V4_Scor__c", True),
        ("ClientInputError : LineEnding is invalid on user data", True),
        ("ExceededQuota : the daily quota is used up", True),
        ("InvalidUser : the user may not", True),
        ("null:InvalidBatch : InvalidBatch : Field name not found : V4_Scor__c", True),
        ("ApiBatchItems : ExceededQuota : the quota of a day", True),
        ("Failed to process batch: [ClientInputError] LineEnding is invalid", True),
        ("FEATURENOTENABLED : Bulk API is not enabled", True),
        ("InternalServerError : InvalidBatchSizeHint was ignored", False),
        ("TooManyLockFailure : try again", False),
        ("Timeout : too long", False),
        ("InvalidJobState : the job is not open", False),
        ("InternalServerError : nobody knows", False),
        (None, False),
    ],
)
def test_a_failed_job_is_made_again_unless_it_would_fail_again(said: str | None, hopeless: bool) -> None:
    assert is_hopeless(said) == hopeless


def accounted(succeeded=(), failed=(), unprocessed=(), *, leads=(A, B, C), attempt=1, size=SMALL, **more):
    rows = target(*((lead, 0.5, 50) for lead in leads))
    return account(rows, succeeded, failed, unprocessed, attempt=attempt, size=size, lost=errors.UNACCOUNTED, **more)


def test_rows_are_found_by_their_own_id_in_whatever_order() -> None:
    found = accounted([C], [(A, "ENTITY_IS_DELETED", "entity is deleted")], [B])
    by_lead = {row["lead_id"]: (row["outcome"], row["in_doubt"], row["code"]) for row in found.to_pylist()}
    assert by_lead == {
        A: ("quarantined", False, "ENTITY_IS_DELETED"),
        B: ("pending", False, errors.NOT_PROCESSED),
        C: ("confirmed", False, None),
    }


@pytest.mark.parametrize(
    ("succeeded", "failed", "unprocessed"),
    [
        pytest.param([], [], [], id="nowhere"),
        pytest.param([A], [(A, "DUPLICATE_VALUE", "")], [], id="succeeded-and-failed"),
        pytest.param([A], [], [A], id="succeeded-and-unprocessed"),
    ],
)
def test_a_row_in_no_file_or_in_two_is_in_doubt(succeeded, failed, unprocessed) -> None:
    [row] = accounted(succeeded, failed, unprocessed, leads=(A,)).to_pylist()
    assert (row["outcome"], row["in_doubt"], row["code"]) == ("pending", True, errors.UNACCOUNTED)


@pytest.mark.parametrize(
    ("refused", "size", "code", "outcome"),
    [
        pytest.param(20, (20, 3_962), VALIDATION, "quarantined", id="twenty-alone-are-not"),
        pytest.param(99, (99, 99), VALIDATION, "quarantined", id="below-a-hundred-never"),
        pytest.param(100, (200, 50_000), VALIDATION, "failed", id="half-of-those-sent-behind-the-deadband"),
        pytest.param(100, (201, 50_000), VALIDATION, "quarantined", id="less-than-half-and-less-than-a-hundredth"),
        pytest.param(100, (50_000, 10_000), VALIDATION, "failed", id="a-hundredth-of-the-leads-scored"),
        pytest.param(100, (50_000, 10_001), VALIDATION, "quarantined", id="just-below-a-hundredth"),
        pytest.param(100, (150, 50_000), "INSUFFICIENT_ACCESS_OR_READONLY", "failed", id="access"),
        pytest.param(100, (100, 100), "CANNOT_UPDATE_CONVERTED_LEAD", "quarantined", id="converted-is-the-leads-own"),
        pytest.param(100, (100, 100), "ENTITY_IS_DELETED", "quarantined", id="deleted-is-the-leads-own"),
        pytest.param(100, (100, 100), "UNABLE_TO_LOCK_ROW", "pending", id="transient-is-never-the-leads"),
        pytest.param(100, (100, 100), MAINTENANCE, "failed", id="maintenance-of-all"),
        pytest.param(99, (100, 100), MAINTENANCE, "pending", id="maintenance-of-some-is-left-to-the-next-run"),
    ],
)
def test_a_refusal_of_many_rows_is_about_the_org(refused: int, size, code: str, outcome: str) -> None:
    leads = [to_18(f"00QAb{number:010d}") for number in range(refused)]
    failed = [(lead, code, "words") for lead in leads]
    found = accounted([], failed, [], leads=leads, size=errors.SyncSize(*size), attempt=2)
    assert set(found["outcome"].to_pylist()) == {outcome}


def test_refusals_of_earlier_jobs_count() -> None:
    leads = [to_18(f"00QAb{number:010d}") for number in range(60)]
    failed = [(lead, VALIDATION, "words") for lead in leads]
    size = errors.SyncSize(120, 5_000)
    assert set(accounted([], failed, [], leads=leads, size=size)["outcome"].to_pylist()) == {"quarantined"}
    found = accounted([], failed, [], leads=leads, size=size, earlier={VALIDATION: 60})
    assert set(found["outcome"].to_pylist()) == {"failed"}


@pytest.mark.parametrize(("is_sandbox", "outcome"), [(True, "quarantined"), (False, "failed")])
def test_a_sandbox_lacks_leads_made_since_it_was_copied(is_sandbox: bool, outcome: str) -> None:
    leads = [to_18(f"00QAb{number:010d}") for number in range(900)]
    failed = [(lead, errors.NOT_FOUND, "words") for lead in leads]
    size = errors.SyncSize(3_600, 50_000, is_sandbox)
    assert set(accounted([], failed, [], leads=leads, size=size)["outcome"].to_pylist()) == {outcome}


def test_an_unknown_code_is_sent_once_more_and_is_the_orgs_when_many_have_it() -> None:
    leads = [to_18(f"00QAb{number:010d}") for number in range(150)]
    failed = [(lead, "A_NEW_CODE", "words") for lead in leads]
    first, second = (accounted([], failed, [], leads=leads, attempt=one) for one in (1, 2))
    assert (set(first["outcome"].to_pylist()), len(to_retry(first))) == ({"pending"}, 150)
    assert (set(second["outcome"].to_pylist()), len(to_retry(second))) == ({"failed"}, 0)


def test_what_is_sent_again_is_transient_unprocessed_or_of_an_aborted_job() -> None:
    refused = [(B, "UNABLE_TO_LOCK_ROW", ""), (D, MAINTENANCE, "")]
    found = accounted([A], refused, [], leads=(A, B, C, D))
    assert to_retry(found)["lead_id"].to_pylist() == [B]
    rows = target((A, 0.5, 50), (B, 0.5, 50))
    aborted = account(rows, [], [], [B], attempt=1, size=errors.SyncSize(2, 2), lost=errors.JOB_ABORTED)
    assert to_retry(aborted)["lead_id"].to_pylist() == [A, B]


def test_leads_that_were_never_sent_or_stand_twice_are_no_trouble() -> None:
    found = accounted([A, A, D], [(B, "DUPLICATE_VALUE", ""), (B, "DUPLICATE_VALUE", "")], [C])
    assert found["lead_id"].to_pylist() == [A, B, C]
    assert found["outcome"].to_pylist() == ["confirmed", "quarantined", "pending"]


@given(st.data())
def test_every_row_of_a_job_comes_to_exactly_one_outcome(data) -> None:
    leads = [to_18(f"00QAb{number:010d}") for number in range(12)]
    some = st.lists(st.sampled_from(leads), max_size=12)
    codes = st.sampled_from([*errors.REACTIONS, "UNHEARD_OF"])
    failed = [(lead, data.draw(codes), "words") for lead in data.draw(some)]
    found = accounted(data.draw(some), failed, data.draw(some), leads=leads, size=errors.SyncSize(12, 12))
    assert found["lead_id"].to_pylist() == sorted(leads)
    assert set(found["outcome"].to_pylist()) <= {"confirmed", "pending", "quarantined", "failed"}
    assert all(row["outcome"] == "pending" for row in found.to_pylist() if row["in_doubt"])
    assert all((row["code"] is None) == (row["outcome"] == "confirmed") for row in found.to_pylist())


# --- fields --------------------------------------------------------------------------------------------------------

NAMES = FieldNames(score="S__c", percentile="P__c", deprioritize="D__c", model_version="V__c", scored_at="At__c")


def described(type: str, precision: int = 0, scale: int = 0, length: int = 0, updateable: bool = True):
    return SimpleNamespace(type=type, precision=precision, scale=scale, length=length, updateable=updateable)


GOOD = {
    "S__c": described("double", 18, 2),
    "P__c": described("double", 18, 0),
    "D__c": described("boolean"),
    "V__c": described("string", length=20),
    "At__c": described("datetime"),
}


def test_the_guides_fields_are_fit() -> None:
    found = examine(NAMES, GOOD, [V0, V1])
    assert (found.wrong, found.absent) == ((), ())
    assert found.columns[0] == ("S__c", "score")


@pytest.mark.parametrize(
    ("name", "field", "said"),
    [
        ("S__c", None, "S__c is missing, or hidden from our user"),
        ("S__c", described("string", length=20), "S__c is of type string, not double"),
        ("S__c", described("double", 18, 1), "S__c holds 1 decimals, needs 2"),
        ("S__c", described("double", 2, 2), "S__c holds 0 digits before the point, needs 1"),
        ("P__c", described("double", 2, 0), "P__c holds 2 digits before the point, needs 3"),
        ("D__c", described("boolean", updateable=False), "D__c is read-only"),
        ("V__c", described("string", length=5), "V__c holds 5 characters, needs 6"),
        ("At__c", described("date"), "At__c is of type date, not datetime"),
    ],
)
def test_an_unfit_field_is_named_with_its_fault(name: str, field, said: str) -> None:
    fields = {key: value for key, value in (GOOD | {name: field}).items() if value}
    [wrong] = examine(NAMES, fields, [V0, V1]).wrong
    assert wrong.startswith(said)


def test_all_unfit_fields_are_named_at_once_and_optional_ones_may_be_absent() -> None:
    found = examine(NAMES, {"P__c": described("string", length=9)}, [V0, V1])
    assert [sentence.split()[0] for sentence in found.wrong] == ["S__c", "P__c", "D__c"]
    assert found.absent == ("V__c", "At__c")
    assert found.name("model_version") is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("  max_changed_share: 1.2", "salesforce.max_changed_share"),
        ("  read_back: some", "salesforce.read_back"),
        ("  rows_per_job: 0", "salesforce.rows_per_job"),
        ("    percentile: V4_Score__c", "two of"),
        ("    score: 1st", "salesforce.fields.score"),
    ],
)
def test_an_impossible_number_in_rollout_yaml_is_named(tmp_path, line: str, said: str) -> None:
    text = (PROJECT / "rollout.yaml").read_text(encoding="utf-8")
    key = f"{line.split(':', maxsplit=1)[0]}:"
    lines = [line if one.startswith(key) else one for one in text.splitlines()]
    assert line in lines
    file = tmp_path / "rollout.yaml"
    file.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(SettingsError, match=said):
        read_rollout(file)
