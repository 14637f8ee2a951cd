"""Inspects a booster's file before XGBoost scores with it: its format, its kind, and whether its trees are valid.

XGBoost follows invalid child and split indices, which crashes the process or loops forever. So the file is first loaded
and used in a subprocess, and its trees are verified here.
"""

import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from v4_assets.errors import ModelContractError

SECONDS = 120
"""Time limit for loading the file and scoring a few rows."""
PER_NODE = ("left_children", "right_children", "parents", "split_indices", "split_conditions", "default_left")
TRIAL = """
import sys
sys.modules["pandas"] = sys.modules["sklearn"] = None  # XGBoost does without, and starts in a third of the time
import numpy as np, xgboost as xgb
booster = xgb.Booster({"nthread": 1})
try:
    booster.load_model(sys.argv[1])
except (xgb.core.XGBoostError, ValueError) as error:
    sys.exit("XGBoost cannot load it: " + str(error).splitlines()[0])
booster.save_model(sys.argv[2])
if sys.argv[3] == "use":
    rows = np.random.default_rng(0).normal(scale=100, size=(64, booster.num_features())).astype("float32")
    rows[0] = np.nan
    names, types = booster.feature_names, booster.feature_types
    if "c" in (types or []):
        rows = np.zeros_like(rows)
    booster.inplace_predict(rows)
    booster.predict(xgb.DMatrix(rows, feature_names=names, feature_types=types), pred_contribs=True)
"""


@dataclass(frozen=True)
class BoosterFacts:
    """The properties stored in a booster's file."""

    names: tuple[str, ...] | None
    types: tuple[str, ...] | None
    rounds: int
    best_iteration: int | None
    is_sklearn: bool
    """Written by XGBClassifier, which predicts with the rounds up to the best one."""
    unusual: tuple[str, ...]
    """Properties that need known answers, one text each."""

    @property
    def best_rounds(self) -> int | None:
        """Rounds up to the best one where later ones follow; None where every round counts."""
        early = self.best_iteration is not None and 0 <= self.best_iteration < self.rounds - 1
        return self.best_iteration + 1 if early and self.best_iteration is not None else None


def verify_format(path: Path) -> None:
    """The file is XGBoost's JSON or UBJ. Raises ModelContractError on anything else, pickles above all."""
    with path.open("rb") as file:
        first = file.read(2)
    if not first.startswith(b"{"):
        raise ModelContractError(
            f"{path} is not in XGBoost's JSON or UBJ format (it begins with {first!r}). A pickle runs code when it "
            "is loaded and is never read here. Load it where you trust it and write it with "
            "Booster.save_model('model.json')."
        )


def inspect(path: Path) -> BoosterFacts:
    """The facts of a file in XGBoost's JSON or UBJ. Raises ModelContractError naming the first invalid tree."""
    verify_format(path)
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "model.json"
        try:
            content = json.loads(path.read_bytes())
        except ValueError:  # UBJ, which XGBoost itself rewrites
            _tried(path, plain, "load")
            content = json.loads(plain.read_bytes())
        facts = _facts(path, content)
        _tried(path, plain, "use")
    return facts


def _tried(path: Path, plain: Path, what: str) -> None:
    """Load the file, and `use` it, in a subprocess."""
    command = [sys.executable, "-c", TRIAL, str(path), str(plain), what]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise ModelContractError(
            f"{path}: XGBoost did not score 64 rows within {SECONDS} s. Export the model again."
        ) from error
    if done.returncode:
        last_line = (done.stderr.strip().splitlines() or [""])[-1]
        reason = f"XGBoost crashed with signal {-done.returncode}" if done.returncode < 0 else last_line
        raise ModelContractError(f"{path}: {reason[:300]}. Write it again with Booster.save_model('model.json').")


def _facts(path: Path, content: Any) -> BoosterFacts:
    try:
        learner = content["learner"]
        booster = learner["gradient_booster"]
        kind = booster["name"]
        if kind not in ("gbtree", "dart"):
            raise ModelContractError(f"{path} is a {kind} booster, which has no trees. Train with booster gbtree.")
        model = booster["model"] if kind == "gbtree" else booster["gbtree"]["model"]
        shape = learner["learner_model_param"]
        count = int(shape["num_feature"])
        targets, classes = int(shape.get("num_target", 1)), int(shape["num_class"])
        if targets > 1 or classes > 1:
            raise ModelContractError(
                f"{path} gives {max(targets, classes)} scores per lead, expected one. Train with binary:logistic."
            )
        for number, tree in enumerate(model["trees"]):
            if problem := tree_problem(tree, count):
                raise ModelContractError(f"{path}: tree {number} is damaged: {problem}. Export the model again.")
        trees, parallel = len(model["trees"]), max(int(model["gbtree_model_param"]["num_parallel_tree"]), 1)
        stated = int(model["gbtree_model_param"]["num_trees"])
        if stated != trees or trees == 0 or any(model["tree_info"]) or len(model["tree_info"]) != trees:
            raise ModelContractError(f"{path} holds {trees} trees but states {stated}. Export the model again.")
        attributes = learner.get("attributes", {})
        best = attributes.get("best_iteration")
        types = tuple(learner.get("feature_types") or ()) or None
        names = tuple(learner.get("feature_names") or ()) or None
        categorical = "c" in (types or ()) or any(any(tree.get("split_type", ())) for tree in model["trees"])
        unusual = [
            text
            for text, found in (
                ("categorical inputs of XGBoost's own", categorical),
                ("DART trees", kind == "dart"),
                (f"{parallel} trees per round", parallel > 1),
                (f"objective {learner['objective']['name']}", learner["objective"]["name"] != "binary:logistic"),
            )
            if found
        ]
        return BoosterFacts(
            names,
            types,
            trees // parallel,
            None if best is None else int(best),
            "scikit_learn" in attributes,
            tuple(unusual),
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise ModelContractError(
            f"{path} is not a booster in XGBoost's format ({type(error).__name__}: {error}). "
            "Write it with Booster.save_model('model.json')."
        ) from error


def tree_problem(tree: Mapping[str, Any], features: int) -> str | None:
    """Why a tree is invalid: XGBoost would read outside it or never reach a leaf. None when it is valid."""
    nodes = int(tree["tree_param"]["num_nodes"])
    lengths = {len(tree[name]) for name in PER_NODE}
    if lengths != {nodes} or nodes < 1:
        return f"it states {nodes} nodes and lists {sorted(lengths)}"
    if int(tree["tree_param"].get("size_leaf_vector", 1)) > 1:
        return "its leaves hold several values"
    return next(_walk(tree, nodes, features), None) or _category_problem(tree)


def _walk(tree: Mapping[str, Any], nodes: int, features: int) -> Iterator[str]:
    """Problems between the root and the leaves; stops where the next step would leave the tree."""
    left, right, conditions = tree["left_children"], tree["right_children"], tree["split_conditions"]
    seen, ahead = set[int](), [0]
    while ahead:
        node = ahead.pop()
        if node in seen:
            yield f"node {node} is reached twice, which is a cycle or a shared branch"
            return
        seen.add(node)
        if not math.isfinite(conditions[node]):
            yield f"node {node} holds {conditions[node]}"
        if left[node] == -1 and right[node] == -1:
            continue
        if not 0 <= tree["split_indices"][node] < features:
            yield f"node {node} splits by input {tree['split_indices'][node]} of {features}"
        for child in (left[node], right[node]):
            if not 0 < child < nodes:
                yield f"node {node} has child {child} of {nodes} nodes"
                return
            if child not in seen and tree["parents"][child] != node:
                yield f"node {child} names {tree['parents'][child]} as its parent instead of {node}"
            ahead.append(child)


def _category_problem(tree: Mapping[str, Any]) -> str | None:
    values: Sequence[int] = tree.get("categories", ())
    parts = zip(tree.get("categories_segments", ()), tree.get("categories_sizes", ()), strict=True)
    if any(start < 0 or size < 0 or start + size > len(values) for start, size in parts):
        return f"it reads categories beyond the {len(values)} it lists"
    marked = [node for node, kind in enumerate(tree.get("split_type", ())) if kind]
    if not set(marked) <= set(tree.get("categories_nodes", ())):
        return "a categorical split lists no categories"
    return None
