"""What rollout.yaml and the docs say about the odds is what is simulated."""

import re
from dataclasses import replace

import pytest
import yaml
from pydantic import BaseModel

from benchmarks import odds as odds_tables
from benchmarks import published
from v4_assets.config.rollout_policy import Evaluation, Policy
from v4_assets.project_files import PROJECT
from v4_assets.studies.odds import FEWER, odds_of, warning_odds
from v4_assets_tests.fixtures.policy_odds import CONFIGURED, FILE, GIVEN, LOW, WEEKLY, shares


def test_the_variant_in_rollout_yaml_is_the_letter():
    lines = (PROJECT / "rollout.yaml").read_text(encoding="utf-8").splitlines()
    start = lines.index("# evaluation:")
    end = next((number for number in range(start, len(lines)) if not lines[number].startswith("#")), len(lines))
    variant = yaml.safe_load("\n".join(line.removeprefix("# ") for line in lines[start:end]))

    def merged(model: BaseModel, changes: dict) -> dict:
        values = model.model_dump()
        for name, value in changes.items():
            inner = getattr(model, name)
            values[name] = merged(inner, value) if isinstance(inner, BaseModel) else value
        return values

    assert Policy.model_validate(merged(FILE.policy, variant["policy"])) == WEEKLY.policy
    assert Evaluation.model_validate(merged(FILE.evaluation, variant["evaluation"])) == WEEKLY.evaluation


def documented(name: str) -> list[list[str]]:
    """Rows of a table that `python -m benchmarks.odds` wrote into docs/odds.md."""
    text = (PROJECT / "docs" / "odds.md").read_text(encoding="utf-8")
    start = text.index(f"<!-- odds: {name} -->")
    lines = [line for line in text[start : text.index("<!-- end -->", start)].splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def numbers(cell: str) -> list[float]:
    return [float(number) for number in re.findall(r"\d[\d.]*", cell.replace(",", ""))]


@pytest.mark.extended
def test_the_tables_in_the_docs_are_what_is_simulated():
    rows_ = documented("volumes")
    assert [numbers(row[0]) for row in rows_] == 2 * [[300], [350], [450], [1000], [3000], [10000]]
    for leads, base, false, caught, weeks in rows_:
        given = GIVEN if base == "3.92 %" else LOW
        odds = odds_of(replace(given, leads_per_week=numbers(leads)[0], histories=1000), CONFIGURED).together
        assert shares(odds.false) == pytest.approx(numbers(false), abs=2.5)
        assert shares(odds.caught) == pytest.approx(numbers(caught), abs=4.5)
        assert [odds.median_weeks or 26, odds.late_weeks or 26] == pytest.approx(numbers(weeks), abs=1)
    (_, _, false, caught, *_) = documented("warnings")[1]
    warned = warning_odds(LOW, FILE.policy)
    assert shares(warned.false) == pytest.approx(numbers(false), abs=2)
    assert shares(warned.caught) == pytest.approx(numbers(caught), abs=3)


ASSUMED_SHARES = {"2.4", "3.9", "3.92", "39", "4", "5", "80"}
"""Percentages of docs/odds.md that no simulation gave: base rates, thresholds, the calls of day 0."""


def test_the_prose_beside_the_tables_names_no_figure_that_is_simulated():
    text = (PROJECT / "docs" / "odds.md").read_text(encoding="utf-8")
    prose = re.sub(r"<!-- odds: \w+ -->.*?<!-- end -->", "", text, flags=re.DOTALL)
    quoted = re.findall(r"((?:[\d.]+(?:,| and| or| to|/| /) )*[\d.]+) %", prose)
    assert {number for one in quoted for number in re.findall(r"\d+(?:\.\d+)?", one)} <= ASSUMED_SHARES
    assert f"{odds_tables.HISTORIES:,} simulated histories" in prose
    assert f"each of these with {odds_tables.HISTORIES // FEWER:,} histories" in prose
    assert set(re.findall(r"<!-- odds: (\w+) -->", text)) == odds_tables.tables(1).keys()


def test_every_figure_that_is_outside_the_published_ones_has_a_reason():
    rows_ = documented("outside")
    assert rows_
    for name, there, here, why in rows_:
        assert abs(float(there) - float(here)) > (1 if "AUC" in name else published.TOLERANCE)
        assert len(why) > 40


def test_no_other_page_and_no_threshold_quotes_odds():
    quoted = re.compile(
        r"\d %[^.|]*\b(of histories|of simulated histories|of challengers)|(rolled back|promoted|caught) in \d"
    )
    for name in ("rollout.yaml", "README.md", "docs/concepts.md", "docs/rollout.md"):
        assert not quoted.search((PROJECT / name).read_text(encoding="utf-8")), name
