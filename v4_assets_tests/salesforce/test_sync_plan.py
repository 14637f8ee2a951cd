"""The plan sends leads that are not known to show the day's values, empties those that left, and counts what moved."""

from datetime import date, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v4_assets.config.rollout import read_rollout
from v4_assets.config.salesforce import to_18
from v4_assets.errors import SyncHeldError
from v4_assets.project_files import PROJECT
from v4_assets.salesforce.checks import count
from v4_assets.salesforce.plan import SyncPlan, Terms, hold_if_too_many, plan_sync
from v4_assets.salesforce.rows import ROW, DayScores
from v4_assets_tests.fixtures.day_scores import DAY, NOW, V0, V1, VALIDATION, A, B, C, D, E, F, target

USUAL = Terms()


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
