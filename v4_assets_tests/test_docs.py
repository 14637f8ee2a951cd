"""The documents do not lie: their commands exist and run, their links lead somewhere, nothing is out of reach."""

import importlib.util
import re
import shlex
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import pytest
import yaml
from click.testing import CliRunner

from v4_assets.cli.main import cli
from v4_assets.config import docs_page as configuration
from v4_assets.config.environment import load
from v4_assets.operations import ci, local_runs
from v4_assets.project_files import PROJECT
from v4_assets.resources import warehouse
from v4_assets.sample.world import build, fill
from v4_assets_tests.fixtures.homes import copy, prepared
from v4_assets_tests.fixtures.pages import PAGES, anchors, blocks, inline_code, links
from v4_assets_tests.fixtures.shell import play

LOOKS = ("history", "live", "lift", "replay", "status", "sync preview")
"""Commands that only look and are cheap: run for real wherever a page writes them."""
PLACES = (
    *("docs/", "sql/", "v4_assets/", "salesforce_stand_in/"),
    "deploy/",
    "models/",
    "benchmarks/",
    ".github/",
    ".ci/",
)
EXAMPLES = ("sql/features/features_v42.sql", ".github/workflows/v4-ci.yml", "sql/features/features_<key>.sql")
"""Paths that a page tells the reader to make."""
OF_A_REPOSITORY = ("V4_CI_DATASET", "V4_CI_SERVICE_ACCOUNT", "V4_WORKLOAD_IDENTITY_PROVIDER")
"""Variables of the workflow, not of the environment."""


VARIABLES = {one.name for one in configuration.variables()}


def name_of(path: Path) -> str:
    return str(path.relative_to(PROJECT))


def written(start: str) -> list[tuple[str, str]]:
    """Page and inline code for every command a page writes in prose or tables."""
    return sorted({(name_of(page), code) for page in PAGES for code in inline_code(page) if code.startswith(start)})


def targets() -> set[str]:
    """Targets of the Makefile."""
    return set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def command_of(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that words after `v4` name, and the rest of them. Fails for one there is not."""
    command: click.Command = cli
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        assert words[0] in command.commands, f"there is no command `v4 {words[0]}`"
        command, words = command.commands[words[0]], words[1:]
    return command, words


def verify_options(words: list[str]) -> None:
    command, rest = command_of(words)
    known = {option for one in command.params for option in one.opts} | {"--help", "-h"}
    for word in rest:
        if word.startswith("-"):
            assert word.partition("=")[0] in known, f"`v4 {shlex.join(words)}`: {word} is not among {sorted(known)}"


def verify_call(call: tuple[str, ...]) -> None:
    """A recorded call is one that could be carried out."""
    name, *words = call
    assert "" not in words, f"an argument of {call} expanded to nothing"
    assert not [word for word in words if re.search(r"\$\{?\w|<[a-z]", word)], f"{call} was not expanded"
    if name == "v4":
        command, rest = command_of(words)
        # Click keeps the help option it makes first, so it is made as under `v4`.
        command.make_context(command.name, list(rest), parent=click.Context(cli, **cli.context_settings))
    elif name == "make":
        assert {word for word in words if "=" not in word} <= targets()
    elif name == "python" and words[:1] == ["-m"]:
        assert importlib.util.find_spec(words[1]), f"there is no module {words[1]}"


# --- commands


WITH_SHELL = [page for page in PAGES if blocks(page, "sh")]


@pytest.mark.parametrize("page", WITH_SHELL, ids=name_of)
def test_the_shell_of_a_page_runs_in_its_order_and_calls_what_exists(page, tmp_path, monkeypatch):
    shutil.copytree(PROJECT / "docs", tmp_path / "docs")
    named = ("model.json", "features.json", "metrics.json", "features.parquet", "training.parquet", "scores.parquet")
    for folder in (tmp_path, tmp_path / "v4.0.0", tmp_path / "v4.1.0"):
        folder.mkdir(exist_ok=True)
        for name in (*named, "final_features.json", "training_metrics.json", "figures.json"):
            (folder / name).touch()
    script = "\n".join(f"cd {shlex.quote(str(tmp_path))}\n{block.text}" for block in blocks(page, "sh"))
    played = play(script, tmp_path, V4_HOME=str(tmp_path / "home"))
    assert played.code == 0, played.said
    assert played.calls
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("V4_NOW", ci.SAMPLE_NOW)
    for call in played.calls:
        verify_call(call)


@pytest.mark.parametrize(
    ("snippet", "said"),
    [
        ("v4 promot --reason x", "there is no command `v4 promot`"),
        ("v4 live --jsn", "No such option"),
        ("v4 run --date monday", "is not a date"),
        ("gcloud config set project '' ", "expanded to nothing"),
        ("make nothing", "nothing"),
        ("python -m v4_assets.nothing", "there is no module"),
    ],
)
def test_a_snippet_that_could_not_be_carried_out_is_noticed(snippet, said, tmp_path):
    [call] = play(snippet, tmp_path).calls
    with pytest.raises((AssertionError, click.ClickException), match=re.escape(said)):
        verify_call(call)


@pytest.mark.parametrize("snippet", ["curl https://example.com", 'echo "$UNSET"', "if true; then"])
def test_shell_that_does_not_run_is_noticed(snippet, tmp_path):
    assert play(snippet, tmp_path).code != 0


@pytest.mark.parametrize(("page", "code"), written("v4 "), ids=lambda one: one.removeprefix("docs/"))
def test_a_command_written_in_prose_exists_with_its_options(page, code):
    verify_options([word for word in shlex.split(code)[1:] if word != "…"])


@pytest.mark.parametrize(("page", "code"), written("make "), ids=lambda one: one.removeprefix("docs/"))
def test_a_target_written_in_prose_is_one_of_the_makefile(page, code):
    assert code.split()[1] in targets()


def cheap() -> list[str]:
    """What the pages write of commands that only look, complete and without placeholders."""
    from_blocks = [
        line.partition(" #")[0] for page in PAGES for one in blocks(page, "sh") for line in one.text.splitlines()
    ]
    found = {line.strip().removeprefix(".venv/bin/") for line in (*from_blocks, *(code for _, code in written("v4 ")))}
    looks = {line for line in found if any(line.startswith(f"v4 {name}") for name in LOOKS)}
    return sorted(line for line in looks if "…" not in line and "DAY" not in line)


def scored(home: Path) -> None:
    """A V4_HOME with a small sample world on one scored day."""
    settings = load({"V4_HOME": str(home), "V4_NOW": ci.SAMPLE_NOW})
    fill(warehouse(settings), settings.rollout.catalogue, build(ci.SAMPLE))
    local_runs.init(settings)
    assert local_runs.run_day(settings, ci.SAMPLE_DAY).success
    shutil.copy(PROJECT / "rollout.yaml", home / "other.yaml")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A copy: a look may write a page, and takes the warehouse's lock."""
    return copy(prepared("scored", scored), tmp_path_factory.mktemp("docs") / "home")


@pytest.mark.parametrize("line", cheap())
def test_a_command_that_only_looks_runs_on_sample_data(line, home, monkeypatch):
    monkeypatch.setenv("V4_HOME", str(home))
    monkeypatch.setenv("V4_NOW", ci.SAMPLE_NOW)
    monkeypatch.chdir(home)
    result = CliRunner().invoke(cli, shlex.split(line)[1:], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert result.output.strip()


def test_the_pages_write_every_command_there_is():
    words = {" ".join(code.split()[1:2]) for _, code in written("v4 ")}
    by_make = (PROJECT / "Makefile").read_text(encoding="utf-8")
    listed = " ".join([by_make, *(code for page in PAGES for code in inline_code(page))])
    # A hidden command only names its successor.
    offered = [name for name, command in cli.commands.items() if not command.hidden]
    missing = [name for name in offered if name not in words and not re.search(rf"\b{name}\b", listed)]
    assert missing == []


# --- the notebook


def test_the_notebook_s_code_runs_in_its_order_and_its_scores_are_those_served(home, monkeypatch):
    monkeypatch.setenv("V4_HOME", str(home))
    cells: dict[str, Any] = {}
    for block in blocks(PROJECT / "docs" / "notebook.md", "python"):
        exec(compile(block.text, f"notebook.md:{block.line}", "exec"), cells)
    served, again = cells["scores"].set_index("lead_id"), cells["again"].set_index("lead_id")
    assert len(again) == len(served) > 0
    assert (
        again["score"].to_numpy().tobytes() == served.loc[again.index, "score"].astype("float32").to_numpy().tobytes()
    )
    assert cells["comparisons"]["version"].tolist()
    assert cells["largest_change"] == 0


# --- names


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_an_environment_variable_on_a_page_is_one_that_is_read(page):
    known = VARIABLES | set(OF_A_REPOSITORY)
    named = set(re.findall(r"\bV4_[A-Z0-9_]+\b", page.read_text(encoding="utf-8")))
    unknown = [one for one in named - known if not (one.endswith("_") and any(name.startswith(one) for name in known))]
    assert unknown == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_path_on_a_page_exists(page):
    named = {code for code in inline_code(page) if code.startswith(PLACES) and re.fullmatch(r"[\w./<>-]+", code)}
    assert [one for one in sorted(named - set(EXAMPLES)) if not (PROJECT / one).exists()] == []


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "yaml")], ids=name_of)
def test_yaml_on_a_page_is_yaml(page):
    for block in blocks(page, "yaml"):
        assert yaml.safe_load(block.text)


# --- links


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_of_a_page_leads_somewhere(page):
    assert [link for link in links(page) if not leads_somewhere(page, link)] == []


def leads_somewhere(page: Path, link: str) -> bool:
    """External links are only looked at; a file must be there, and an anchor in it."""
    parts = urlsplit(link)
    if parts.scheme:
        return parts.scheme in ("http", "https") and "." in (parts.hostname or "")
    target = (page.parent / parts.path).resolve() if parts.path else page
    if not target.exists() or PROJECT not in (target, *target.parents):
        return False
    return not parts.fragment or parts.fragment in anchors(target)


def test_a_link_to_nothing_is_noticed(tmp_path):
    readme = PROJECT / "README.md"
    assert leads_somewhere(readme, "docs/rollout.md#evidence")
    for wrong in (
        "docs/nothing.md",
        "docs/rollout.md#nothing",
        "#nothing",
        "../elsewhere.md",
        "http://nowhere",
        "ftp://a.b",
    ):
        assert not leads_somewhere(readme, wrong), wrong


def test_every_document_can_be_reached_from_the_readme():
    reached, ahead = set[Path](), [PROJECT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        ahead += [(page.parent / urlsplit(link).path).resolve() for link in links(page) if not urlsplit(link).scheme]
    assert sorted(map(name_of, set(PAGES) - reached - {PROJECT / "CHANGELOG.md"})) == []


def test_every_decision_is_in_the_index():
    folder = PROJECT / "docs" / "adr"
    listed = {(folder / link).name for link in links(folder / "README.md")}
    assert {path.name for path in folder.glob("0*.md")} <= listed


# --- workflows


WORKFLOWS = {
    path: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in (PROJECT / "deploy" / "github-actions" / "v4-ci.yml", PROJECT / ".github" / "workflows" / "ci.yml")
}
STEPS = [
    (path, name, step) for path, one in WORKFLOWS.items() for name, job in one["jobs"].items() for step in job["steps"]
]


@pytest.mark.parametrize("path", WORKFLOWS, ids=name_of)
def test_a_workflow_has_what_github_asks_for_and_may_only_read(path):
    workflow = WORKFLOWS[path]
    assert set(workflow) == {"name", True, "permissions", "jobs"}  # YAML reads `on` as true
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert {"runs-on", "timeout-minutes", "steps"} <= set(job), name
        assert set(job.get("permissions", {})) <= {"contents", "id-token"}
        assert job.get("needs", name) in workflow["jobs"]
        for step in job["steps"]:
            assert len({"uses", "run"} & set(step)) == 1
            assert set(step) <= {"uses", "run", "with", "env", "id"}
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step.get("uses", "a/b@v1"))


@pytest.mark.parametrize(("path", "job", "step"), [one for one in STEPS if "run" in one[2]], ids=str)
def test_a_step_of_a_workflow_calls_what_exists(path, job, step, tmp_path):
    assert "${{" not in step["run"], "an expression in a script is how a branch's name becomes a command"
    (tmp_path / "workspace.yaml").touch()
    played = play(step["run"], tmp_path, **dict.fromkeys(step.get("env", {}), "given"))
    assert played.code == 0, played.said
    for call in played.calls:
        verify_call(call)
        for word in call[1:]:
            if word in ("requirements.lock", "workspace.yaml"):
                assert (PROJECT / word).is_file()


def test_the_pythons_of_the_workflows_are_those_the_project_takes():
    assert WORKFLOWS[PROJECT / ".github" / "workflows" / "ci.yml"]["jobs"]["all"]["strategy"]["matrix"]["python"] == [
        "3.11",
        "3.12",
        "3.13",
    ]
    assert 'requires-python = ">=3.11,<3.14"' in (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    assert (PROJECT / ".ci" / "run").stat().st_mode & 0o111


def test_every_variable_of_the_user_s_workflow_is_explained():
    text = (PROJECT / "deploy" / "github-actions" / "v4-ci.yml").read_text(encoding="utf-8")
    wanted = set(re.findall(r"vars\.(\w+)", text))
    assert len(wanted) == 5
    assert wanted <= set(inline_code(PROJECT / "docs" / "ci.md"))
