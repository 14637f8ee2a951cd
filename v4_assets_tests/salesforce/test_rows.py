"""A row is sent as rounded values under an 18-character id, each lead once; a value out of range stops the sync."""

from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from v4_assets.errors import SalesforceError
from v4_assets.salesforce.rows import ROW, csv, rounded
from v4_assets_tests.fixtures.day_scores import NOW, V0, A, B, prepared, scores, target


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
