"""A damaged tree, a file that was cut off and JSON that is no booster are refused by name."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from v4_assets_tests.fixtures.firm_models import Case, assert_refused, coded, table, trained


def tree_of(content: dict[str, Any], number: int = 3) -> dict[str, Any]:
    return content["learner"]["gradient_booster"]["model"]["trees"][number]


def put(name: str, node: int, value: Any) -> Callable[[dict[str, Any]], None]:
    def spoil(content: dict[str, Any]) -> None:
        tree_of(content)[name][node] = value

    return spoil


DAMAGE = {
    "child out of range": (put("left_children", 0, 999_999), "has child 999999"),
    "negative child": (put("right_children", 0, -7), "has child -7"),
    "one child": (put("right_children", 0, -1), "has child -1"),
    "split out of range": (put("split_indices", 0, 22), "splits by input 22 of 22"),
    "a cycle": (put("left_children", 1, 0), "node 1 has child 0"),
    "a longer cycle": (put("left_children", 3, 1), "node 1"),
    "a shared branch": (put("left_children", 0, 2), "is reached twice"),
    "a condition that is none": (put("split_conditions", 0, float("nan")), "node 0 holds nan"),
    "a short list": (lambda content: tree_of(content)["left_children"].pop(), "nodes and lists"),
}


@pytest.mark.parametrize(("spoil", "said"), DAMAGE.values(), ids=DAMAGE)
def test_a_tree_that_is_none_is_refused_by_its_number(home, spoil, said):
    rows = table()
    case = Case(home, trained(coded(rows), 5), rows)
    content = json.loads(case.booster.save_raw("json"))
    spoil(content)
    (home / "model.json").write_text(json.dumps(content), encoding="utf-8")
    result = case.register()
    assert_refused(result, "tree 3 is damaged: ")
    assert said in str(result.exception)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
@pytest.mark.parametrize("suffix", ["json", "ubj"])
def test_a_file_cut_off_is_refused(home, suffix, share):
    rows = table()
    case = Case(home, trained(coded(rows), 5), rows, suffix=suffix)
    whole = bytes(case.booster.save_raw(suffix))
    (home / f"model.{suffix}").write_bytes(whole[: int(len(whole) * share)])
    assert_refused(case.register(), "Write it again with Booster.save_model")


@pytest.mark.parametrize("content", ["{}", '{"learner": 3}', '{"learner": {"gradient_booster": {"name": "gbtree"}}}'])
def test_json_that_is_no_booster_is_refused(home, content):
    case = Case(home, trained(coded(table()), 5))
    (home / "model.json").write_text(content, encoding="utf-8")
    assert_refused(case.register(), "is not a booster in XGBoost's format")
