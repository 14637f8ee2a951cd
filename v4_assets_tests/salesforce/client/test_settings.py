"""The environment names the org, and a mistake in it is reported by its variable and never by its value."""

import pytest

from salesforce_stand_in.login import ORG_ID
from v4_assets import resources
from v4_assets.config.environment import load
from v4_assets.config.salesforce import SalesforceTarget, from_environment
from v4_assets.errors import SalesforceSetupError, SettingsError
from v4_assets.project_files import PROJECT
from v4_assets.salesforce.client.org import OrgIdentity
from v4_assets_tests.fixtures.hidden_secrets import assert_hidden, failure
from v4_assets_tests.fixtures.narrow import present

COMPLETE = {
    "V4_SALESFORCE": "salesforce",
    "V4_SALESFORCE_DOMAIN": "acme--sbx.sandbox.my",
    "V4_SALESFORCE_ORG_ID": "00D000000000001EAA",
    "V4_SALESFORCE_SANDBOX": "yes",
    "V4_SALESFORCE_USERNAME": "v4@acme.example",
    "V4_SALESFORCE_CONSUMER_KEY": "k3y",
    "V4_SALESFORCE_PRIVATE_KEY_FILE": "/etc/v4/key.pem",
}


def test_the_environment_names_the_org():
    target = present(load(COMPLETE).salesforce_target)
    assert (target.domain, target.org_id, target.sandbox) == ("acme--sbx.sandbox.my", "00D000000000001EAA", True)
    assert (target.auth, target.api_version, target.request_floor) == ("jwt", "66.0", 1000)
    assert present(target.consumer_key).get_secret_value() == "k3y"
    more = {"V4_SALESFORCE_SANDBOX": "no", "V4_SALESFORCE_REQUEST_FLOOR": "5", "V4_SALESFORCE_API_VERSION": "64.0"}
    target = from_environment(COMPLETE | more)
    assert (target.sandbox, target.request_floor, target.api_version) == (False, 5, "64.0")


def test_the_target_is_a_dry_run_unless_it_is_said_otherwise(tmp_path, org):
    assert load({}).salesforce == "dry-run"
    assert resources.salesforce(load({})) is None
    local = load({"V4_SALESFORCE": "local", "V4_HOME": str(org.folder.parent)})
    assert present(resources.salesforce(local)).identity() == OrgIdentity(ORG_ID, True)
    assert repr(resources.salesforce(load(COMPLETE))) == "SalesforceClient(acme--sbx.sandbox.my)"


def test_a_stand_in_that_is_not_running_is_told_when_it_is_needed(tmp_path):
    client = present(resources.salesforce(load({"V4_SALESFORCE": "local", "V4_HOME": str(tmp_path)})))
    with pytest.raises(
        SalesforceSetupError, match=r"Start it with `v4 dev`, or alone with `/.* -m salesforce_stand_in serve .*/org`"
    ):
        client.identity()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"V4_SALESFORCE_USERNAME": ""}, "V4_SALESFORCE_AUTH is jwt, which needs V4_SALESFORCE_USERNAME"),
        ({"V4_SALESFORCE_DOMAIN": ""}, "V4_SALESFORCE_DOMAIN is missing: set it."),
        ({"V4_SALESFORCE_ORG_ID": ""}, "V4_SALESFORCE_ORG_ID is missing: set it."),
        ({"V4_SALESFORCE_SANDBOX": ""}, "V4_SALESFORCE_SANDBOX is missing: set it."),
        ({"V4_SALESFORCE_SANDBOX": "maybe"}, "V4_SALESFORCE_SANDBOX must be true or false."),
        (
            {"V4_SALESFORCE_DOMAIN": "login"},
            "V4_SALESFORCE_DOMAIN must be the My Domain without .salesforce.com",
        ),
        ({"V4_SALESFORCE_DOMAIN": "acme.my.salesforce.com"}, "V4_SALESFORCE_DOMAIN must be the My Domain"),
        ({"V4_SALESFORCE_ORG_ID": "00Q000000000001EAA"}, "V4_SALESFORCE_ORG_ID must be 00D and 12 or 15 more letters"),
        ({"V4_SALESFORCE_API_VERSION": "v66.0"}, "V4_SALESFORCE_API_VERSION must be a version like 66.0."),
        ({"V4_SALESFORCE_REQUEST_FLOOR": "-1"}, "V4_SALESFORCE_REQUEST_FLOOR must be 0 or more."),
        ({"V4_SALESFORCE_AUTH": "magic"}, "V4_SALESFORCE_AUTH must be 'jwt' or 'client-credentials'"),
        ({"V4_SALESFORCE_AUTH": "password"}, "set V4_SALESFORCE_AUTH to jwt or client-credentials"),
        ({"V4_SALESFORCE_PASSWORD": "hunter2"}, "V4_SALESFORCE_PASSWORD cannot be used: Salesforce ends the login"),
        ({"V4_SALESFORCE_SECURITY_TOKEN": "hunter2"}, "V4_SALESFORCE_SECURITY_TOKEN cannot be used"),
        (
            {"V4_SALESFORCE_AUTH": "client-credentials"},
            "V4_SALESFORCE_AUTH is client-credentials, which needs V4_SALESFORCE_CONSUMER_SECRET",
        ),
    ],
)
def test_a_mistake_in_the_environment_is_told_by_its_variable_and_not_by_its_value(change, said):
    error = failure(SettingsError, lambda: load(COMPLETE | change))
    assert said in str(error)
    assert_hidden(error, "k3y", "hunter2")


def test_a_target_nobody_knows_is_refused():
    with pytest.raises(SettingsError, match="V4_SALESFORCE is 'sandbox', expected 'dry-run', 'local' or 'salesforce'"):
        load({"V4_SALESFORCE": "sandbox"})


def test_every_variable_is_in_the_example_and_in_the_admin_s_guide():
    names = {f"V4_SALESFORCE_{name.upper()}" for name in SalesforceTarget.model_fields if name != "loopback"}
    for page in (PROJECT / ".env.example", PROJECT / "docs" / "salesforce.md"):
        text = page.read_text(encoding="utf-8")
        assert [name for name in names if name not in text] == []
