"""An impossible number or field name in rollout.yaml's section on Salesforce is refused by name."""

import pytest

from v4_assets.config.rollout import read_rollout
from v4_assets.errors import SettingsError
from v4_assets.project_files import PROJECT


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
