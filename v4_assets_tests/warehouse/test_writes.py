"""What may replace what: evidence stays unless somebody says why it goes; all else may be computed again."""

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from v4_assets.errors import LivePartitionError
from v4_assets.warehouse.writes import PartitionWrite, fingerprint, to_write

DAY = date(2026, 1, 5)
OLD, NEW = "a" * 64, "b" * 64


def write(**changes) -> PartitionWrite:
    base = PartitionWrite(
        table_name="v4_daily_scores",
        prediction_date=DAY,
        written_at=datetime(2026, 1, 5, 11, 2, tzinfo=UTC),
        retrospective=False,
        definition_sha256=OLD,
        run_id="morning",
    )
    return replace(base, **changes)


LIVE = write(sequence=3, row_count=50_925)
LATER = write(sequence=3, row_count=50_925, retrospective=True)
RERUN = write(run_id="rerun")
CHANGED = write(run_id="rerun", definition_sha256=NEW)
BACKFILL = write(run_id="rerun", definition_sha256=NEW, retrospective=True)
KEPT = None
WHY = "The feed was corrected."


@pytest.mark.parametrize(
    ("latest", "wanted", "reason", "only_gaps", "expected"),
    [
        pytest.param(None, RERUN, None, False, RERUN, id="nothing-there-is-written-first"),
        pytest.param(None, BACKFILL, None, True, BACKFILL, id="a-backfill-fills-the-gap"),
        pytest.param(None, RERUN, WHY, False, RERUN, id="no-reason-is-recorded-where-nothing-is-given-up"),
        pytest.param(LIVE, RERUN, None, False, KEPT, id="live-same-definition-is-kept"),
        pytest.param(LIVE, replace(RERUN, retrospective=True), None, False, KEPT, id="live-is-kept-on-a-later-day-too"),
        pytest.param(LIVE, CHANGED, None, True, KEPT, id="a-backfill-keeps-live-rows-of-another-definition"),
        pytest.param(LIVE, CHANGED, WHY, True, KEPT, id="a-backfill-keeps-live-rows-whatever-the-reason"),
        pytest.param(LATER, BACKFILL, None, True, KEPT, id="a-backfill-keeps-retrospective-rows"),
        pytest.param(LATER, RERUN, None, False, replace(RERUN, sequence=4), id="retrospective-same-definition"),
        pytest.param(LATER, BACKFILL, None, False, replace(BACKFILL, sequence=4), id="retrospective-new-definition"),
        pytest.param(LATER, BACKFILL, WHY, False, replace(BACKFILL, sequence=4), id="retrospective-needs-no-reason"),
        pytest.param(
            LIVE, CHANGED, WHY, False, replace(CHANGED, sequence=4, replace_reason=WHY), id="live-given-up-with-reason"
        ),
        pytest.param(
            LIVE, RERUN, WHY, False, replace(RERUN, sequence=4, replace_reason=WHY), id="same-definition-with-reason"
        ),
    ],
)
def test_a_partition_is_written_or_kept(latest, wanted, reason, only_gaps, expected):
    assert to_write(wanted, latest, replace_reason=reason, only_gaps=only_gaps) == expected


@pytest.mark.parametrize("reason", [pytest.param(None, id="none"), pytest.param("", id="empty")])
def test_live_rows_of_another_definition_are_not_replaced_without_a_reason(reason):
    with pytest.raises(LivePartitionError):
        to_write(CHANGED, LIVE, replace_reason=reason, only_gaps=False)


def test_the_refusal_says_what_stands_there_and_how_to_go_on():
    with pytest.raises(LivePartitionError) as caught:
        to_write(CHANGED, LIVE, replace_reason=None, only_gaps=False)
    assert str(caught.value) == (
        "v4_daily_scores of 2026-01-05 was written on its own day (11:02 UTC, run morning) by definition aaaaaaaaaaaa; "
        "the definition is now bbbbbbbbbbbb. These rows are evidence and were kept. To replace them: "
        '`v4 run --date 2026-01-05 --replace-live "REASON"`.'
    )


WRITES = st.builds(
    write,
    retrospective=st.booleans(),
    definition_sha256=st.sampled_from((OLD, NEW)),
    sequence=st.integers(1, 50),
    row_count=st.integers(0, 100_000),
    replace_reason=st.none() | st.just("an earlier reason"),
)
WANTED = st.builds(write, retrospective=st.booleans(), definition_sha256=st.sampled_from((OLD, NEW)))


@given(WANTED, st.none() | st.text(), st.booleans())
def test_a_gap_is_always_filled_as_the_first_write(wanted, reason, only_gaps):
    assert to_write(wanted, None, replace_reason=reason, only_gaps=only_gaps) == replace(wanted, sequence=1)


@given(WANTED, WRITES, st.none() | st.text())
def test_a_backfill_never_touches_what_is_there(wanted, latest, reason):
    assert to_write(wanted, latest, replace_reason=reason, only_gaps=True) is None


@given(WANTED, WRITES.filter(lambda latest: not latest.retrospective))
def test_evidence_never_goes_without_a_reason(wanted, latest):
    try:
        decided = to_write(wanted, latest, replace_reason=None, only_gaps=False)
    except LivePartitionError:
        assert wanted.definition_sha256 != latest.definition_sha256
    else:
        assert decided is None
        assert wanted.definition_sha256 == latest.definition_sha256


@given(WANTED, WRITES, st.none() | st.text(min_size=1))
def test_a_write_follows_the_latest_one_and_changes_nothing_else_of_what_was_wanted(wanted, latest, reason):
    try:
        decided = to_write(wanted, latest, replace_reason=reason, only_gaps=False)
    except LivePartitionError:
        decided = None
    if decided is not None:
        recorded = None if latest.retrospective else reason
        assert decided == replace(wanted, sequence=latest.sequence + 1, replace_reason=recorded)


PARTS = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), max_size=4)


@given(PARTS, PARTS)
def test_two_definitions_share_a_fingerprint_only_when_they_are_the_same(one, other):
    assert (fingerprint(one) == fingerprint(other)) == (one == other)


def test_where_one_part_ends_and_the_next_begins_matters_to_the_fingerprint():
    assert fingerprint(["ab", "c"]) != fingerprint(["a", "bc"])
    assert fingerprint([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
