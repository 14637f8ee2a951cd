"""The stand-in org as a HTTP server on this machine's loopback, and how another process finds it and upsets it."""

import json
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import requests
from pydantic import SecretStr

from salesforce_stand_in.api import Api
from salesforce_stand_in.faults import Faults, Operation
from salesforce_stand_in.fields import V4, OrgField, Value
from salesforce_stand_in.handler import CONTROL, Server
from salesforce_stand_in.jobs import info
from salesforce_stand_in.login import DOMAIN, ORG_ID, USERNAME, Login
from salesforce_stand_in.store import SeedLead, Store
from v4_assets.config.salesforce import SalesforceTarget, is_loopback
from v4_assets.errors import SalesforceError, SalesforceSetupError

ENDPOINT = "endpoint.json"
PORT = "port"
KEY_FILE = "private_key.pem"
SHOWN = ("Id", "IsDeleted", "IsConverted")
START = "Start it with `v4 dev`, or alone with `" + sys.executable + " -m salesforce_stand_in serve {folder}`."


class StandInOrg:
    """A Salesforce org on loopback, from __enter__ to __exit__. See salesforce_stand_in/__init__.py."""

    def __init__(
        self,
        folder: Path,
        leads: Iterable[SeedLead | str] = (),
        *,
        fields: Sequence[OrgField] = V4,
        sandbox: bool = True,
        page_size: int = 2000,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        if not is_loopback(f"http://{host}"):
            raise SalesforceSetupError(f"A stand-in org serves this machine only, not {host}. Use 127.0.0.1.")
        self.folder = folder
        self.faults = Faults()
        self.requests: Counter[Operation] = Counter()
        """How many requests of each kind came in, refused and dropped ones included."""
        self.bytes_in = 0
        """Size of all request bodies."""
        self.store = Store(folder / "org.sqlite", fields)
        self.login = Login(folder / KEY_FILE)
        self._server = _bind(host, port, folder / PORT, self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self.url = f"http://{host}:{self._server.server_address[1]}"
        self.api = Api(self.store, self.faults, self.login, self.url.replace("http", "https"), sandbox, page_size)
        self.seed(leads)

    def __enter__(self) -> Self:
        self._thread.start()
        endpoint = {"pid": os.getpid(), "url": self.url, "sandbox": self.api.sandbox}
        (self.folder / ENDPOINT).write_text(json.dumps(endpoint), encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        (self.folder / ENDPOINT).unlink(missing_ok=True)
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server.hang_up()
        self.store.close()

    @property
    def target(self) -> SalesforceTarget:
        """What a client needs to write to this org, by JWT bearer."""
        return _target(self.folder, self.url, self.api.sandbox)

    def seed(self, leads: Iterable[SeedLead | str]) -> int:
        """Put leads (ids, or ids with values) into the org. Returns how many."""
        return self.store.seed(leads)

    def rows(self) -> dict[str, dict[str, Value]]:
        """The V4 values of every lead by its id, deleted and converted ones too, as the org keeps them."""
        self._settle()
        return {str(row["Id"]): self._shown(row) for row in self.store.leads()}

    def updates(self) -> dict[str, int]:
        """How often each lead that was updated was."""
        return {str(row["Id"]): int(row["updates"] or 0) for row in self.store.leads("updates > 0")}

    def jobs(self) -> list[dict[str, object]]:
        """All ingest jobs in order of creation, in the form of the API."""
        return [info(job) for job in self.store.jobs()]

    def define(self, field: OrgField) -> None:
        """Create or change a field of Lead; visible=False hides it."""
        self.store.define(field)

    def drop(self, name: str) -> None:
        """Remove a field from Lead."""
        self.store.drop(name)

    def _settle(self) -> None:
        with self.store.turn():
            self.api.jobs.settle()

    def _shown(self, row: dict[str, Value]) -> dict[str, Value]:
        return {name: value for name, value in row.items() if name not in (*SHOWN, "updates")}


def _bind(host: str, port: int, last: Path, org: StandInOrg) -> Server:
    """A server on the port; for 0 on the one this org had before, where clients look for it, or on a free one."""
    if port == 0 and last.exists():
        try:
            return Server((host, int(last.read_text(encoding="utf-8"))), org)
        except OSError:  # another process has taken it
            last.unlink()
    server = Server((host, port), org)
    last.write_text(str(server.server_address[1]), encoding="utf-8")
    return server


def local_target(folder: Path) -> SalesforceTarget:
    """The stand-in org that runs over `folder`, started by whichever process. Raises SalesforceSetupError."""
    content = _endpoint(folder)
    return _target(folder, str(content["url"]), bool(content["sandbox"]))


def switch(folder: Path, **changes: object) -> None:
    """Change the faults of the org that runs over `folder`, from another process: switch(folder, down=True)."""
    session = requests.Session()
    session.trust_env = False
    url = f"{_endpoint(folder)['url']}{CONTROL}"
    answer = session.put(url, json=changes, timeout=10)
    if answer.status_code != 200:
        raise SalesforceError(f"The stand-in org over {folder} refused {changes}: {answer.text}")


def _endpoint(folder: Path) -> dict[str, object]:
    try:
        content: dict[str, object] = json.loads((folder / ENDPOINT).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SalesforceSetupError(f"No stand-in org runs over {folder}. {START.format(folder=folder)}") from error
    return content


def _target(folder: Path, url: str, sandbox: bool) -> SalesforceTarget:
    return SalesforceTarget(
        domain=DOMAIN,
        org_id=ORG_ID,
        sandbox=sandbox,
        username=USERNAME,
        consumer_key=SecretStr("stand-in-consumer-key"),
        private_key_file=folder / KEY_FILE,
        loopback=url,
    )
