"""Share of the leads written to Salesforce a day, over ten days of the sample world: every change, and by the rules.

`every` sends each lead whose values differ from the confirmed ones, as min_score_change 0.01 with full_sync_days 1
would. `rules` is rollout.yaml: the call flag, the decile, or the score by min_score_change; every difference once in
full_sync_days. The scores are made by the daily SQL and the models; no org is needed, since every row is confirmed.

python -m benchmarks.writes FOLDER SCALE
"""

import json
import sys
from datetime import date, datetime, time, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.features import prepare, settings_in, template
from v4_assets.clock import NEW_YORK
from v4_assets.config.environment import Settings
from v4_assets.operations import local_runs
from v4_assets.resources import store
from v4_assets.salesforce.plan import Terms, plan_sync
from v4_assets.salesforce.rows import ROW, DayScores
from v4_assets.salesforce.scores import scores_of

FIRST, DAYS = date(2026, 1, 8), 11
"""The day on which every lead is sent, and the number of days with it."""
UNSET = pa.schema(
    {"as_of": pa.date32(), "refused_code": pa.string(), "refused_message": pa.string(), "refused_on": pa.date32()}
)
"""What the plan reads beside the values: nothing is refused."""


def scored(folder: str, scale: float) -> Settings:
    """A home in which both versions have scored every day."""
    prepare(folder, scale)
    last = FIRST + timedelta(days=DAYS - 1)
    moment = datetime.combine(last, time(18), NEW_YORK)
    settings = settings_in(template(folder, scale)).model_copy(update={"now": moment.isoformat()})
    local_runs.init(settings)
    for _, _, outcome in local_runs.backfill(settings, FIRST, last):
        if not outcome.success:
            raise RuntimeError(f"Scoring failed: {outcome.errors}")
    return settings


def written(settings: Settings, days: list[DayScores], *, by_rules: bool) -> list[float]:
    """Share of each day's leads that is sent, the first day left out."""
    rules = settings.rollout.salesforce
    state = pa.schema([*ROW, *UNSET]).empty_table()
    shares = []
    for number, scores in enumerate(days):
        full = not by_rules or number % rules.full_sync_days == 0
        plan = plan_sync(scores, state, rules, Terms(full=full))
        shares.append((len(plan.rows) - plan.cleared) / len(scores.rows))
        state = _confirmed(state, plan.rows)
    return shares[1:]


def _confirmed(state: pa.Table, rows: pa.Table) -> pa.Table:
    """The state after every row was confirmed; emptied leads have none."""
    kept = state.filter(pc.invert(pc.is_in(state["lead_id"], value_set=rows["lead_id"].combine_chunks())))
    sent = rows.filter(pc.is_valid(rows["model_version"]))
    for field in UNSET:
        sent = sent.append_column(field, pa.nulls(len(sent), field.type))
    return pa.concat_tables([kept, sent]).combine_chunks()


def main(folder: str, scale: float) -> None:
    """Print the shares as JSON, by version and way."""
    settings = scored(folder, scale)
    found = {}
    for version in settings.rollout.versions:
        days = [scores_of(store(settings), settings.rollout, version, FIRST + timedelta(days=at)) for at in range(DAYS)]
        shares = {name: written(settings, days, by_rules=name == "rules") for name in ("every", "rules")}
        found[version] = {
            "leads": len(days[-1].rows),
            **{
                name: {"mean": float(np.mean(one)), "days": [round(share, 4) for share in one]}
                for name, one in shares.items()
            },
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
