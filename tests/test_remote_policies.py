"""Each of the three policies that administrators are given for remote access allows its own way into a
space, and no other."""

import html
import json
import re
import urllib.parse

import pytest

from conftest import Principal
from remote import Client, Site, home, inside, seed, until
from studio import allow, close, denied

#: The image that the AWS Toolkit names where a space has none: of AWS's own account.
IMAGE = "arn:aws:sagemaker:us-west-2:542918446943:image/sagemaker-distribution-cpu"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Ann's space `notes` and Ben's space `other` run; the role of both has the policy for deep links
    and no other."""
    site = Site(tmp_path_factory.mktemp("policies"))
    role = site.new_role("deep-link")
    site.iam.put_role_policy(
        RoleName="deep-link", PolicyName="own", PolicyDocument=seed("deep-link")
    )
    for name in ("ann", "ben"):
        site.sagemaker.update_user_profile(
            DomainId=site.domain, UserProfileName=name, UserSettings={"ExecutionRole": role}
        )
    site.make("notes")
    site.make("other", owner="ben")
    site.run("notes", "other")
    site.toolkit = site.user("toolkit", seed("toolkit"))
    site.terminal = site.user("terminal", seed("ssh"))
    yield site
    close(site.server)


def test_deep_link_from_the_studio_home(site):
    base, browser = home(site, "ann")
    origin = "{0.scheme}://{0.netloc}".format(urllib.parse.urlsplit(base))
    answer = browser.post(f"{base}spaces/notes/connect", headers={"Origin": origin}, timeout=60)
    assert answer.status_code == 200, answer.text
    link = re.search(r'href="(vscode:[^"]*)"', answer.text).group(1)
    link = urllib.parse.urlsplit(html.unescape(link))
    given = dict(urllib.parse.parse_qsl(link.query, strict_parsing=True))
    assert given["connection_identifier"] == site.arn("notes")
    session = {
        "SessionId": given["session"],
        "StreamUrl": given["ws_url"],
        "TokenValue": given["token"],
    }
    # As the Toolkit puts the address together.
    suffix = f"&cell-number={urllib.parse.quote(given['cell-number'])}"
    machine = Client(site, "deep-link", site.terminal)
    machine.add(machine.entry("notes", machine.by_session(session, suffix)))
    assert machine.said("notes", "id -un") == "sagemaker-user\n"
    # The link is used up.
    again = machine.ssh("notes", "id -un")
    assert again.returncode == 255
    assert b"Start a new session." in again.stderr, again.stderr
    # Ben's space is none that she could ask for.
    answer = browser.post(f"{base}spaces/other/connect", headers={"Origin": origin}, timeout=60)
    assert answer.status_code == 404


def test_deep_link_policy_lets_a_studio_session_into_the_spaces_of_its_profile_alone(site):
    ann = inside(site, "notes").client("sagemaker")
    session = ann.start_session(ResourceIdentifier=site.arn("notes"))
    machine = Client(site, "studio-session", site.terminal)
    machine.add(machine.entry("notes", machine.by_session(session)))
    assert machine.said("notes", "echo in") == "in\n"
    denied(ann.start_session, "StartSession", ResourceIdentifier=site.arn("other"))
    # Neither the Toolkit's way nor, without the keys of a Studio session, the terminal's.
    denied(ann.list_spaces, "ListSpaces")
    denied(ann.describe_space, "DescribeSpace", DomainId=site.domain, SpaceName="notes")
    denied(ann.delete_app, "DeleteApp", **site.app_of("notes"))
    plain = site.user("plain", seed("deep-link"))
    for space in ("notes", "other"):
        sagemaker = plain.client("sagemaker")
        denied(sagemaker.start_session, "StartSession", ResourceIdentifier=site.arn(space))


def test_toolkit_policy_allows_the_calls_of_the_toolkit(site):
    """The calls in the order in which the AWS Toolkit for VS Code makes them, for a space whose app runs
    without remote access."""
    site.make("toolkit-space", remote="DISABLED")
    site.run("toolkit-space")
    sagemaker = site.toolkit.client("sagemaker")
    space = {"DomainId": site.domain, "SpaceName": "toolkit-space"}
    app = site.app_of("toolkit-space")

    # The explorer.
    apps = [page["Apps"] for page in sagemaker.get_paginator("list_apps").paginate()]
    assert "toolkit-space" in [it["SpaceName"] for page in apps for it in page]
    spaces = [page["Spaces"] for page in sagemaker.get_paginator("list_spaces").paginate()]
    listed = next(it for page in spaces for it in page if it["SpaceName"] == "toolkit-space")
    assert listed["OwnershipSettingsSummary"] == {"OwnerUserProfileName": "ann"}
    assert listed["SpaceSettingsSummary"]["RemoteAccess"] == "DISABLED"
    assert sagemaker.describe_domain(DomainId=site.domain)["AuthMode"] == "IAM"
    assert site.toolkit.client("sts").get_caller_identity()["Arn"].endswith("user/toolkit")

    # Connecting: the app is deleted, and all that follows does not wait for it to be gone.
    assert sagemaker.describe_app(**app)["Status"] == "InService"
    sagemaker.delete_app(**app)
    assert sagemaker.describe_space(**space)["SpaceSettings"]["AppType"] == "JupyterLab"
    sagemaker.update_space(
        **space,
        SpaceSettings={
            "RemoteAccess": "ENABLED",
            "JupyterLabAppSettings": {"DefaultResourceSpec": {"InstanceType": "ml.t3.large"}},
        },
    )
    until(lambda: sagemaker.describe_space(**space)["Status"] == "InService")
    sagemaker.create_app(
        **app,
        ResourceSpec={
            "InstanceType": "ml.t3.large",
            "SageMakerImageArn": IMAGE,
            "SageMakerImageVersionAlias": "3.2.0",
        },
    )
    site.running("toolkit-space", sagemaker)
    arn = sagemaker.describe_space(**space)["SpaceArn"]
    session = sagemaker.start_session(ResourceIdentifier=arn)

    host = "sm_lc_" + arn.replace("/", "__").replace(":", "_._")
    machine = Client(site, "toolkit", site.toolkit)
    machine.add(machine.entry("toolkit-space", machine.by_session(session), host=host))
    assert machine.said(f"sagemaker-user@{host}", "pwd") == "/home/sagemaker-user\n"


def test_toolkit_policy_does_not_open_studio(site):
    sagemaker = site.toolkit.client("sagemaker")
    given = {"DomainId": site.domain, "UserProfileName": "ann"}
    denied(sagemaker.create_presigned_domain_url, "CreatePresignedDomainUrl", **given)
    denied(sagemaker.create_space, "CreateSpace", DomainId=site.domain, SpaceName="new")
    denied(sagemaker.delete_space, "DeleteSpace", DomainId=site.domain, SpaceName="notes")


def test_terminal_policy_lets_ssh_in_with_a_profile(site):
    machine = Client(site, "terminal", Principal(site.server, {}))
    machine.profile("scientist", site.terminal)
    machine.profile("stranger", site.user("stranger", allow("sagemaker:ListSpaces")))
    for profile in ("scientist", "stranger"):
        command = f"'{machine.script}' '%h' {profile}"
        machine.add(machine.entry("notes", command, host=f"notes-{profile}"))
    assert machine.said("notes-scientist", "echo in") == "in\n"
    refused = machine.ssh("notes-stranger", "echo in")
    assert refused.returncode == 255 and b"AccessDenied" in refused.stderr
    assert b"sagemaker:StartSession" in refused.stderr


def test_terminal_policy_allows_nothing_else(site):
    sagemaker = site.terminal.client("sagemaker")
    space = {"DomainId": site.domain, "SpaceName": "notes"}
    denied(sagemaker.list_spaces, "ListSpaces")
    denied(sagemaker.list_apps, "ListApps")
    denied(sagemaker.describe_space, "DescribeSpace", **space)
    denied(
        sagemaker.update_space,
        "UpdateSpace",
        **space,
        SpaceSettings={"RemoteAccess": "DISABLED"},
    )
    denied(sagemaker.create_app, "CreateApp", **site.app_of("notes"))
    denied(sagemaker.delete_app, "DeleteApp", **site.app_of("notes"))
    given = {"DomainId": site.domain, "UserProfileName": "ann"}
    denied(sagemaker.create_presigned_domain_url, "CreatePresignedDomainUrl", **given)


def test_who_switches_remote_access_on_can_be_limited(site):
    """As documented for administrators: a Deny of CreateSpace and UpdateSpace by the key."""
    limited = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "sagemaker:*", "Resource": "*"},
            {
                "Effect": "Deny",
                "Action": ["sagemaker:CreateSpace", "sagemaker:UpdateSpace"],
                "Resource": "*",
                "Condition": {"StringEquals": {"sagemaker:RemoteAccess": ["ENABLED"]}},
            },
        ],
    }
    sagemaker = site.user("limited", json.dumps(limited)).client("sagemaker")
    site.make("shut", remote="DISABLED")
    given = {"DomainId": site.domain, "SpaceName": "shut"}
    denied(
        sagemaker.update_space, "UpdateSpace", **given, SpaceSettings={"RemoteAccess": "ENABLED"}
    )
    sagemaker.update_space(**given, SpaceSettings={"RemoteAccess": "DISABLED"})
