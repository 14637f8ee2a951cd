"""Each row of a job comes to one outcome, by the code that refused it and by how many rows share that code."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from v4_assets.config.salesforce import to_18
from v4_assets.salesforce import row_outcomes as errors
from v4_assets.salesforce.row_outcomes import Reaction, account, is_hopeless, outcome_of, reaction, to_retry
from v4_assets_tests.fixtures.day_scores import VALIDATION, A, B, C, D, target

MAINTENANCE = "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE"
SMALL = errors.SyncSize(100, 10_000)


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
