"""The Dagster instance of production, on a real PostgreSQL: a day runs on it, and the sensor reads it from there."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from v4_assets.operations.instance import dagster_instance
from v4_assets.production.decision import GATE_NAMES
from v4_assets.project_files import PROJECT
from v4_assets_tests.bigquery.emulator import free_port
from v4_assets_tests.fixtures.stories import ADOPTED, tell

pytestmark = pytest.mark.extended

USER, PASSWORD = "dagster", "not-a-secret"
HOW_TO_GET_IT = "`apt-get install postgresql` gives the PostgreSQL server; its programs lie in /usr/lib/postgresql."
PATIENCE = 120.0


@dataclass(frozen=True)
class Server:
    """A server on a free port of 127.0.0.1."""

    port: int

    @property
    def environment(self) -> dict[str, str]:
        """What deploy/dagster.production.yaml reads."""
        said = {"HOST": "127.0.0.1", "PORT": str(self.port), "DB": "postgres", "USERNAME": USER, "PASSWORD": PASSWORD}
        return {f"DAGSTER_PG_{name}": value for name, value in said.items()}

    def ask(self, text: str) -> list[tuple[object, ...]]:
        """The answer to a query."""
        connection = psycopg2.connect(host="127.0.0.1", port=self.port, dbname="postgres", user=USER, password=PASSWORD)
        try:
            with connection.cursor() as cursor:
                cursor.execute(text)
                return cursor.fetchall()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Skipped where PostgreSQL is not installed, except in CI, where that is a failure."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(HOW_TO_GET_IT)
    programs = found[-1].parent
    # The server refuses to run as root; Debian's package has made an account for it.
    account = pwd.getpwnam("postgres") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    other: dict[str, Any] = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    as_user = other if os.getuid() == 0 else {}
    # Not below pytest's own folder, which no other account may enter.
    folder = Path(tempfile.mkdtemp(prefix="v4-postgres-"))
    try:
        secret = folder / "password"
        secret.write_text(PASSWORD, encoding="utf-8")
        for path in (folder, secret):
            os.chown(path, account.pw_uid, account.pw_gid)
        data, port = folder / "data", free_port()
        command: list[str | Path] = [programs / "initdb", "-D", data, "-U", USER, "-A", "scram-sha-256"]
        command += ["--pwfile", secret, "-N"]
        subprocess.run(command, check=True, capture_output=True, cwd=folder, **as_user)
        serving: list[str | Path] = [programs / "postgres", "-D", data, "-p", str(port), "-k", folder]
        serving += ["-h", "127.0.0.1", "-F"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(serving, stdout=log, stderr=log, cwd=folder, **as_user)
        try:
            _await(Server(port), process, folder / "log")
            yield Server(port)
        finally:
            process.send_signal(signal.SIGINT)  # fast shutdown
            process.wait(60)
    finally:
        shutil.rmtree(folder)


def _await(server: Server, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            server.ask("SELECT 1")
        except psycopg2.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()[-2000:]}") from None
            time.sleep(0.1)
        else:
            return


def test_a_day_runs_on_postgresql_and_the_sensor_reads_its_evaluations_from_there(server, tmp_path, monkeypatch):
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)  # Dagster reads them itself
    production = str(PROJECT / "deploy" / "dagster.production.yaml")
    story = tell("adopted", tmp_path / "home", V4_DAGSTER_YAML=production)
    shutil.rmtree(story.settings.dagster_home)  # made by the month's job, on SQLite
    with dagster_instance(story.settings) as instance:
        storages = (instance.run_storage, instance.event_log_storage, instance.schedule_storage)
        assert [type(one).__module__.partition(".")[0] for one in storages] == ["dagster_postgres"] * 3
    outcome = story.run()
    assert outcome.success, outcome.errors
    assert server.ask("SELECT run_id, status FROM runs") == [(outcome.run_id, "SUCCESS")]
    gates = server.ask(
        "SELECT check_name FROM asset_check_executions "
        f"WHERE run_id = '{outcome.run_id}' AND asset_key = '[\"lift_comparison\"]' AND evaluation_event IS NOT NULL"
    )
    assert {*GATE_NAMES} <= {name for (name,) in gates}
    assert story.tick().said.startswith(
        "hold: v4.1.0 waits: 0 of 2 consecutive weeks closed with a lift of at least 2."
    )
    assert story.alerts().endswith("was live before this project kept records.")
    assert story.alerts() == ""
    assert [path.name for path in story.settings.dagster_home.rglob("*.db")] == []
    story.goes_on(ADOPTED, "08:00")
    assert story.alerts() == ""
