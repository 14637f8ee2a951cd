"""The org keeps its state over a restart, serves requests one after another, and serves this machine only."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from salesforce_stand_in import V4, OrgField, SeedLead, StandInOrg, local_target, switch
from salesforce_stand_in.login import Login
from v4_assets.errors import SalesforceError, SalesforceSetupError
from v4_assets_tests.fixtures.narrow import present
from v4_assets_tests.fixtures.plain_requests import DATA, LEADS, Plain


def test_requests_at_once_are_served_one_after_another(org):
    def one(lead):
        return Plain(org).finish(f"Id,V4_Score__c\n{lead},1\n")["numberRecordsFailed"]

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(one, LEADS)) == [0] * 6
    assert (len({job["id"] for job in org.jobs()}), org.updates()) == (6, dict.fromkeys(LEADS, 1))


def test_leads_jobs_and_address_survive_a_restart(folder):
    with StandInOrg(folder, LEADS) as org:
        org.define(OrgField(name="Mine__c", type="double", precision=3))
        plain, url = Plain(org), org.url
        job = plain.job("".join(["Id,V4_Score__c\n", *(f"{lead},1\n" for lead in LEADS)]))
        assert plain("GET", f"{DATA}/jobs/ingest/{job}").json()["numberRecordsProcessed"] == 3
    with StandInOrg(folder) as org:
        assert (org.url, set(org.rows())) == (url, set(LEADS))
        assert set(org.rows()[LEADS[0]]) == {*(field.name for field in V4), "Mine__c"}
        assert Plain(org)("GET", f"{DATA}/jobs/ingest/{job}").json()["numberRecordsProcessed"] == 6
        assert org.updates() == dict.fromkeys(LEADS, 1)


def test_a_stopped_org_answers_nobody(folder):
    with StandInOrg(folder, LEADS) as org:
        plain = Plain(org)
        assert plain("GET", f"{DATA}/limits").status_code == 200
    with pytest.raises(requests.ConnectionError):
        plain("GET", f"{DATA}/limits")
    with pytest.raises(SalesforceSetupError, match="No stand-in org runs"):
        local_target(folder)


def test_an_org_in_another_process_is_found_used_and_switched_off_and_on(folder):
    command = [sys.executable, "-m", "salesforce_stand_in", "serve", str(folder)]
    with StandInOrg(folder, LEADS):
        pass
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert "V4_SALESFORCE=local" in present(process.stdout).readline()
        url = local_target(folder).loopback

        def status():
            return requests.get(f"{url}{DATA}/limits", timeout=10).status_code

        assert status() == 401
        switch(folder, down=True)
        with pytest.raises(requests.ConnectionError):
            status()
        switch(folder, down=False, latency_seconds=0.01)
        assert status() == 401
        with pytest.raises(SalesforceError, match="refused"):
            switch(folder, dwon=True)
    finally:
        process.terminate()
        assert process.wait(10) == 0
    assert not (folder / "endpoint.json").exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.1", "localhost", "::", "example.com"])
def test_it_binds_to_loopback_only(folder, host):
    with pytest.raises(SalesforceSetupError, match="serves this machine only"):
        StandInOrg(folder, host=host)


def test_a_page_of_another_site_that_points_here_is_refused(org):
    answer = requests.get(f"{org.url}/stand-in/faults", headers={"Host": "evil.example"}, timeout=10)
    assert answer.status_code == 403


def test_the_private_key_is_its_owner_s_alone(org, tmp_path):
    made = Login(tmp_path / "fresh.pem").key_file
    assert made.stat().st_mode & 0o777 == 0o600


def test_a_lead_that_cannot_be_is_not_seeded(org):
    for wrong in (SeedLead("nobody"), SeedLead(LEADS[0], {"V4_Skore__c": 1.0})):
        with pytest.raises(SalesforceSetupError, match="is no lead of this org"):
            org.seed([wrong])


def test_the_endpoint_names_no_secret(org):
    said = (org.folder / "endpoint.json").read_text(encoding="utf-8")
    assert set(json.loads(said)) == {"pid", "url", "sandbox"}
