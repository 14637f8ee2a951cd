"""The fields and the permission set that an admin deploys are those that the client writes and the stand-in org has."""

from typing import Any
from xml.etree import ElementTree

from salesforce_stand_in import V4, OrgField
from v4_assets.project_files import PROJECT

METADATA = "{http://soap.sforce.com/2006/04/metadata}"
DEPLOYED = PROJECT / "docs" / "salesforce" / "v4"
KINDS: dict[str, Any] = {"Number": "double", "Checkbox": "boolean", "Text": "string", "DateTime": "datetime"}


def test_the_fields_an_admin_deploys_are_those_of_the_stand_in():
    found = {}
    for file in (DEPLOYED / "objects" / "Lead" / "fields").iterdir():
        said: dict[str, Any] = {
            each.tag.removeprefix(METADATA): each.text for each in ElementTree.parse(file).getroot()
        }
        assert file.name == f"{said['fullName']}.field-meta.xml"
        sizes: dict[str, Any] = {name: int(said[name]) for name in ("precision", "scale", "length") if name in said}
        found[said["fullName"]] = OrgField(name=said["fullName"], type=KINDS[said["type"]], **sizes)
    assert found == {field.name: field for field in V4}


def test_the_permission_set_makes_every_field_editable_and_nothing_else():
    root = ElementTree.parse(DEPLOYED / "permissionsets" / "V4_Lead_Scoring.permissionset-meta.xml").getroot()
    fields = [
        {each.tag.removeprefix(METADATA): each.text for each in one}
        for one in root.findall(f"{METADATA}fieldPermissions")
    ]
    assert {field["field"] for field in fields} == {f"Lead.{field.name}" for field in V4}
    assert {(field["editable"], field["readable"]) for field in fields} == {("true", "true")}
    [lead] = root.findall(f"{METADATA}objectPermissions")
    assert [(lead.findtext(f"{METADATA}{may}")) for may in ("allowEdit", "allowCreate", "allowDelete")] == [
        "true",
        "false",
        "false",
    ]
