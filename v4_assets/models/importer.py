"""Converts other teams' feature lists and figures to this project's contract and figures. Pure.

A list is this project's features.json, or a training script's: `final_features` (the booster's names) and
`categorical_mappings` (per feature, code to word).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from difflib import get_close_matches
from typing import Any

from v4_assets.errors import ModelContractError
from v4_assets.models import Nulls
from v4_assets.models.booster_file import BoosterFacts
from v4_assets.models.contract import ALL_ROUNDS, Contract, Feature, parse_contract
from v4_assets.models.training import features_of
from v4_assets.sql import Column

ENCODED = "_encoded"

FIGURES = {
    "train_auc": ("train_auc", "train_auc_roc"),
    "test_auc": ("test_auc", "test_auc_roc"),
    "test_top_decile_lift": ("test_top_decile_lift", "test_top_lift", "test_lift_10"),
    **{
        name: (name,)
        for name in (
            *("trees", "best_iteration", "train_rows", "train_base_rate", "test_rows", "test_base_rate"),
            *("test_auc_pr", "test_top_decile_conversion", "test_bottom_fifth_conversion", "test_from", "test_until"),
        )
    },
}
"""This project's name of each figure, and the spellings that are read."""
CHECKLIST = {"train_auc": (0.0, 1.0), "test_auc": (0.0, 1.0), "test_top_decile_lift": (0.0, 10.0)}
"""Figures of the pre-deployment checklist, with the lowest and highest plausible value."""
DESCRIPTIONS = ("version", "model_version", "hyperparameters", "description", "created_at", "trained_at")
"""Keys that are not quality figures and are ignored."""


def figures_of(content: Any, where: str) -> dict[str, Any]:
    """The figures by this project's names. Raises ModelContractError on an unknown key and a missing or odd figure."""
    if not isinstance(content, Mapping):
        raise ModelContractError(
            f"{where} holds a {type(content).__name__}, expected an object such as {{'test_auc': 0.62}}."
        )
    nested = content.get("metrics", {})
    if not isinstance(nested, Mapping):
        raise ModelContractError(f"{where}: metrics is a {type(nested).__name__}, expected an object of figures.")
    spellings = {spelling: name for name, known in FIGURES.items() for spelling in known}
    figures: dict[str, Any] = {}
    for key, value in (*((key, one) for key, one in content.items() if key != "metrics"), *nested.items()):
        if key in DESCRIPTIONS:
            continue
        if key not in spellings:
            near = get_close_matches(key, spellings, 1)
            hint = f"Did you mean {near[0]}?" if near else f"Known are {', '.join(spellings)}."
            raise ModelContractError(f"{where}: {key!r} is not a known figure. {hint} Rename or remove it.")
        name = spellings[key]
        if name in figures and figures[name] != value:
            raise ModelContractError(f"{where} states {name} twice: {figures[name]} and {value}. Keep the right one.")
        figures[name] = value
    for name, (low, high) in CHECKLIST.items():
        value = figures.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low < value <= high:
            raise ModelContractError(
                f"{where}: {name} is {value!r}, expected a number above {low:g} and up to {high:g}. The "
                f"pre-deployment checklist needs it. State it as {' or '.join(FIGURES[name])}."
            )
    return figures


def contract_of(
    content: Any, where: str, facts: BoosterFacts, columns: Sequence[Column] | None, nulls: Nulls = "error"
) -> Contract:
    """The contract a list states, in the booster's order. `columns` are the features of the version's SQL file.

    Raises ModelContractError where the list, the booster and the SQL do not determine it.
    """
    if isinstance(content, Mapping) and "final_features" in content:
        names = content["final_features"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ModelContractError(f"{where}: final_features must be a list of names.")
        mappings = content.get("categorical_mappings", {})
        if not isinstance(mappings, Mapping):
            raise ModelContractError(f"{where}: categorical_mappings must be an object of feature to code and word.")
        if facts.names is not None and set(facts.names) == set(names):
            names = list(facts.names)
        stray = [key for key in mappings if key not in names and key + ENCODED not in names]
        if stray:
            raise ModelContractError(f"{where}: categorical_mappings names {stray}, which are not in the feature list.")
        features = [_input(name, mappings, where, columns, facts) for name in names]
        listed = [asdict(_with_nulls(feature, nulls)) for feature in features]
        return parse_contract({"features": listed, "rounds": content.get("rounds", ALL_ROUNDS)}, where)
    contract = parse_contract(content, where)
    return replace(contract, features=tuple(_with_nulls(feature, nulls) for feature in contract.features))


def draft(facts: BoosterFacts, columns: Sequence[Column], where: str) -> tuple[Contract, list[str]]:
    """A list made of the booster's names and the SQL's columns, and what the operator must confirm about it."""
    known = {column.name for column in columns}
    notes = []
    names = facts.names or tuple(column.name for column in columns)
    if facts.names is None:
        notes.append("the order: the booster has no names, so the SQL file's order was taken")
    features = []
    for name in names:
        column = name if name in known else name.removesuffix(ENCODED)
        if column not in known:
            raise ModelContractError(
                f"{where}: the booster takes {name}, which the version's SQL file does not make. Add it there."
            )
        [feature] = features_of([one for one in columns if one.name == column])
        if feature.categories:
            feature = replace(feature, categories=tuple(sorted(feature.categories)))
            notes.append(f"the codes of {column}: alphabetical, {', '.join(feature.categories)}")
        features.append(replace(feature, booster_name="" if name == column else name))
    notes.append("what a NULL becomes: an error, for every input (`nulls`: error, nan or missing)")
    if facts.best_rounds:
        notes.append(f"the rounds: all {facts.rounds}, or the {facts.best_rounds} up to the best (`rounds`)")
    return Contract(tuple(features)), notes


def _input(
    name: str, mappings: Mapping[str, Any], where: str, columns: Sequence[Column] | None, facts: BoosterFacts
) -> Feature:
    """One input by the booster's name: from the SQL's column of that name, or from the words of the one it encodes."""
    by_name = {column.name: column for column in columns or ()}
    word_column = name.removesuffix(ENCODED)
    mapping = mappings.get(name, mappings.get(word_column))
    if name in by_name and not by_name[name].categories:
        [feature] = features_of([by_name[name]])
        return feature
    if mapping is not None:
        words = _words(mapping, f"{where}: categorical_mappings.{name}")
        made = by_name.get(word_column)
        if made is not None and (unknown := sorted(set(made.categories) - set(words))):
            raise ModelContractError(
                f"{where}: the SQL makes {unknown} in {word_column}, which has no code. Add it to categorical_mappings."
            )
        missing = made.missing if made else None
        return Feature(
            word_column,
            "STRING",
            words,
            missing=missing,
            booster_name=name if name != word_column else "",
        )
    if columns is not None:
        found = by_name.get(name) or by_name.get(word_column)
        what = f"words whose codes it does not state ({', '.join(found.categories)})" if found else "nothing"
        raise ModelContractError(
            f"{where}: for {name} the SQL makes {what}. "
            + ("Add its categorical_mappings." if found else "Correct the list, or add the column to the SQL file.")
        )
    types = dict(zip(facts.names or (), facts.types or (), strict=False))
    return Feature(name, "INT64" if types.get(name) in ("int", "i") else "FLOAT64")


def _words(mapping: Any, where: str) -> tuple[str, ...]:
    """The words in the order of their codes, which must be 0, 1, 2, …"""
    if isinstance(mapping, list):
        mapping = dict(enumerate(mapping))
    try:
        codes = {int(code): word for code, word in mapping.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise ModelContractError(f"{where} must map codes to words, such as {{'0': '0-12'}}.") from error
    if sorted(codes) != list(range(len(codes))) or not all(isinstance(word, str) for word in codes.values()):
        raise ModelContractError(
            f"{where} has codes {sorted(codes)}, expected 0 to {len(codes) - 1}, each with a word."
        )
    words = tuple(codes[code] for code in range(len(codes)))
    if len(set(words)) < len(words):
        raise ModelContractError(f"{where} gives two codes to one word: {words}.")
    return words


def _with_nulls(feature: Feature, nulls: Nulls) -> Feature:
    """A feature whose NULLs are an error, under another rule. As 0 only a number that is not known by another value."""
    if feature.nulls != "error" or nulls == "error":
        return feature
    if nulls == "nan":
        return replace(feature, nulls="nan")
    if feature.categories or feature.missing not in (None, 0):
        return feature
    return replace(feature, nulls="missing", missing=0)


def chosen_rounds(stated: str | None, listed: Any, contract: Contract, facts: BoosterFacts) -> Contract | None:
    """The contract with the chosen number of rounds; None when the best differs from all and none was chosen.

    `stated` is the operator's choice; without one the list's (`listed` is its content), if it has one.
    """
    if stated is None:
        is_open = facts.best_rounds is not None and "rounds" not in listed
        return None if is_open else contract
    if stated == "best":
        if facts.best_iteration is None:
            raise ModelContractError(
                f"--rounds is best, but the booster has no best_iteration. Choose all, or up to {facts.rounds}."
            )
        return replace(contract, rounds=facts.best_rounds or ALL_ROUNDS)
    if stated == ALL_ROUNDS:
        return replace(contract, rounds=ALL_ROUNDS)
    if not stated.isdecimal() or not 0 < int(stated) <= facts.rounds:
        raise ModelContractError(f"--rounds is {stated!r}. Expected all, best, or a number from 1 to {facts.rounds}.")
    return replace(contract, rounds=int(stated))
