"""Who may enter and start which space: by tags, by the network, and where a space is shared."""

import json
import urllib.parse

import botocore.exceptions
import pytest

from conftest import ACCOUNT, REGION, Principal
from remote import Client, Site, home, inside, seed, until
from studio import allow, close, denied

OWNER_TAG = "sagemaker:user-profile-arn"
ENDPOINT = "because no VPC endpoint policy allows the {} action"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Three spaces run: Ann's `notes` of the team red, Ben's `other` of the team blue, and `board`, which
    Ann shares. Their role has SageMaker's managed policy and that for deep links. The VPC has endpoints
    for the API and for data channels, in two subnets."""
    site = Site(tmp_path_factory.mktemp("conditions"))
    site.iam.put_role_policy(
        RoleName="studio", PolicyName="deep-link", PolicyDocument=seed("deep-link")
    )
    site.sagemaker.update_domain(
        DomainId=site.domain, DefaultSpaceSettings={"ExecutionRole": site.role}
    )
    site.make("notes", Tags=team("red"))
    site.make("other", owner="ben", Tags=team("blue"))
    site.make("board", sharing="Shared")
    site.subnets = site.ec2.describe_subnets()["Subnets"][:2]
    site.endpoints = {
        service: site.ec2.create_vpc_endpoint(
            VpcEndpointType="Interface",
            VpcId=site.subnets[0]["VpcId"],
            ServiceName=f"com.amazonaws.{REGION}.{service}",
            SubnetIds=[it["SubnetId"] for it in site.subnets],
        )["VpcEndpoint"]["VpcEndpointId"]
        for service in ("sagemaker.api", "ssmmessages")
    }
    site.run("notes", "other", "board")
    yield site
    close(site.server)


def team(name):
    return [{"Key": "Team", "Value": name}]


def url(site, service, subnet):
    """By which address an endpoint is reached from one of the two subnets."""
    wanted = (site.endpoints[service], site.subnets[subnet]["SubnetId"])
    rows = site.server.endpoints()
    return next(it["url"] for it in rows if (it["id"], it["subnet"]) == wanted)


def enters(site, sagemaker, space):
    """Starts a session and gives back its place, of which a space has ten; what was answered."""
    session = sagemaker.start_session(ResourceIdentifier=site.arn(space))
    assert session["TokenValue"]
    site.server.command("sessions", "end", session["SessionId"])
    return session


# Tags


def by_team(site):
    """As documented for administrators: the space's team is the caller's."""
    statement = {
        "Effect": "Allow",
        "Action": "sagemaker:StartSession",
        "Resource": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:space/{site.domain}/*",
        "Condition": {"StringEquals": {"aws:ResourceTag/Team": "${aws:PrincipalTag/Team}"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


def test_a_team_enters_its_own_spaces(site):
    policy = by_team(site)
    for name, own, others in [("red", "notes", "other"), ("blue", "other", "notes")]:
        member = site.user(f"member-{name}", policy, Tags=team(name)).client("sagemaker")
        enters(site, member, own)
        text = denied(member.start_session, "StartSession", ResourceIdentifier=site.arn(others))
        assert f"on resource: {site.arn(others)} because no identity-based policy" in text
        # `board` has no team.
        denied(member.start_session, "StartSession", ResourceIdentifier=site.arn("board"))
    nobody = site.user("member-none", policy).client("sagemaker")
    for space in ("notes", "other", "board"):
        denied(nobody.start_session, "StartSession", ResourceIdentifier=site.arn(space))


def test_a_team_is_followed_when_tags_change(site):
    member = site.user("moving", by_team(site), Tags=team("red")).client("sagemaker")
    other = {"ResourceIdentifier": site.arn("other")}
    denied(member.start_session, "StartSession", **other)
    site.iam.tag_user(UserName="moving", Tags=team("blue"))
    enters(site, member, "other")
    site.sagemaker.delete_tags(ResourceArn=site.arn("other"), TagKeys=["Team"])
    try:
        denied(member.start_session, "StartSession", **other)
    finally:
        site.sagemaker.add_tags(ResourceArn=site.arn("other"), Tags=team("blue"))
    enters(site, member, "other")


def test_a_team_is_that_of_the_session_of_a_role(site):
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
    }
    trust = json.dumps({"Version": "2012-10-17", "Statement": statement})
    made = site.iam.create_role(
        RoleName="teams", AssumeRolePolicyDocument=trust, Tags=team("red")
    )
    site.iam.put_role_policy(RoleName="teams", PolicyName="own", PolicyDocument=by_team(site))
    assumer = site.user("assumer", allow("sts:AssumeRole", "sts:TagSession")).client("sts")

    def session(**tags):
        given = assumer.assume_role(
            RoleArn=made["Role"]["Arn"], RoleSessionName="work", **tags
        )["Credentials"]
        variables = {
            "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
            "AWS_SESSION_TOKEN": given["SessionToken"],
        }
        return Principal(site.server, variables).client("sagemaker")

    # The session's tag stands before the role's.
    for member, own, others in [
        (session(), "notes", "other"),
        (session(Tags=team("blue")), "other", "notes"),
    ]:
        enters(site, member, own)
        denied(member.start_session, "StartSession", ResourceIdentifier=site.arn(others))


# The network

PUBLIC, SUBNET_A, SUBNET_B = "public", 0, 1
NETWORKS = {
    "aws:SourceVpce": ("String{}Equals", {SUBNET_A, SUBNET_B}),
    "aws:SourceIp": ("{}IpAddress", {PUBLIC}),
    "aws:VpcSourceIp": ("{}IpAddress", {SUBNET_A}),
}


def by_network(site, key, shape):
    """A policy that lets in what comes by a network: by allowing that, or by denying all else."""
    operator = NETWORKS[key][0]
    value = {
        "aws:SourceVpce": site.endpoints["sagemaker.api"],
        "aws:SourceIp": "127.0.0.0/8",
        "aws:VpcSourceIp": site.subnets[SUBNET_A]["CidrBlock"],
    }[key]
    actions = ["sagemaker:StartSession", "sagemaker:CreateApp"]
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    if shape == "Allow":
        statement["Condition"] = {operator.format(""): {key: value}}
        return json.dumps({"Version": "2012-10-17", "Statement": statement})
    deny = {
        **statement,
        "Effect": "Deny",
        "Condition": {operator.format("Not"): {key: value}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement, deny]})


@pytest.mark.parametrize("shape", ["Allow", "Deny"])
@pytest.mark.parametrize("key", NETWORKS)
def test_the_network_decides_who_enters_and_who_starts(site, key, shape):
    name = f"by-{key.removeprefix('aws:')}-{shape}"
    visitor = site.user(name, by_network(site, key, shape))
    # Nothing runs such an app here: it is stored as Failed at once, and may be made again.
    app = {
        "DomainId": site.domain,
        "UserProfileName": "ann",
        "AppType": "TensorBoard",
        "AppName": "board",
    }
    why = "because no identity-based policy allows" if shape == "Allow" else "explicit deny in"
    for way in (PUBLIC, SUBNET_A, SUBNET_B):
        place = None if way == PUBLIC else url(site, "sagemaker.api", way)
        sagemaker = visitor.client("sagemaker", place)
        if way in NETWORKS[key][1]:
            stream = enters(site, sagemaker, "notes")["StreamUrl"]
            # By the way by which it was asked for.
            expected = site.server.url if way == PUBLIC else url(site, "ssmmessages", way)
            assert urllib.parse.urlsplit(stream).netloc == urllib.parse.urlsplit(expected).netloc
            assert sagemaker.create_app(**app)["AppArn"]
        else:
            assert why in denied(
                sagemaker.start_session, "StartSession", ResourceIdentifier=site.arn("notes")
            )
            assert why in denied(sagemaker.create_app, "CreateApp", **app)


@pytest.mark.parametrize("program", ["documented", "connect"])
def test_ssh_from_inside_the_vpc(site, program):
    user = site.user(f"ssh-{program}", by_network(site, "aws:SourceVpce", "Allow"))
    machine = Client(site, f"inside-{program}", user)
    command = f"'{site.server.binary}' connect '%h'" if program == "connect" else None
    machine.add(machine.entry("notes", command))
    refused = machine.ssh("notes", "echo in")
    assert refused.returncode == 255
    assert b"is not authorized to perform: sagemaker:StartSession" in refused.stderr
    machine.variables["AWS_ENDPOINT_URL"] = url(site, "sagemaker.api", SUBNET_B)
    with machine.inside("notes"):
        [session] = site.sessions()
        assert session["principal"].endswith(f"user/ssh-{program}")
        # From the address that stands for the clients of that subnet.
        base = site.subnets[SUBNET_B]["CidrBlock"].rsplit(".", 2)[0]
        assert session["source"].startswith(f"{base}."), session
    until(lambda: site.sessions() == [])

    # The data channel has an endpoint, and that a policy, of its own.
    closed = {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}
    endpoint = {"VpcEndpointId": site.endpoints["ssmmessages"]}
    site.ec2.modify_vpc_endpoint(**endpoint, PolicyDocument=json.dumps({"Statement": closed}))
    try:
        refused = machine.ssh("notes", "echo in")
        assert refused.returncode == 255
        assert b"ssmmessages:OpenDataChannel" in refused.stderr, refused.stderr
    finally:
        site.ec2.modify_vpc_endpoint(**endpoint, ResetPolicy=True)
    assert machine.said("notes", "echo in") == "in\n"


def test_the_policy_of_the_endpoint_of_the_api_limits_who_enters(site):
    user = site.user("limited", allow("sagemaker:StartSession"))
    sagemaker = user.client("sagemaker", url(site, "sagemaker.api", SUBNET_A))
    one = {
        "Effect": "Allow",
        "Principal": "*",
        "Action": "sagemaker:StartSession",
        "Resource": site.arn("notes"),
    }
    endpoint = {"VpcEndpointId": site.endpoints["sagemaker.api"]}
    site.ec2.modify_vpc_endpoint(**endpoint, PolicyDocument=json.dumps({"Statement": one}))
    try:
        enters(site, sagemaker, "notes")
        other = {"ResourceIdentifier": site.arn("other")}
        text = denied(sagemaker.start_session, "StartSession", **other)
        assert text.endswith(ENDPOINT.format("sagemaker:StartSession"))
        enters(site, user.client("sagemaker"), "other")
    finally:
        site.ec2.modify_vpc_endpoint(**endpoint, ResetPolicy=True)


# A space that is shared


def test_a_shared_space_is_seen_and_opened_by_all_profiles_of_its_domain(site):
    for profile, own, others in [("ann", "notes", "other"), ("ben", "other", "notes")]:
        base, browser = home(site, profile)
        page = browser.get(base, timeout=60).text
        assert f'id="space-{own}"' in page and 'id="space-board"' in page
        assert f'id="space-{others}"' not in page
        for space in (own, "board"):
            opened = browser.get(f"{base}spaces/{space}/open", timeout=60)
            assert opened.status_code == 200 and "JupyterLab" in opened.text
            assert urllib.parse.urlsplit(opened.url).netloc != urllib.parse.urlsplit(base).netloc
        assert browser.get(f"{base}spaces/{others}/open", timeout=60).status_code == 404


def test_a_shared_space_is_started_by_all_and_changed_by_its_owner(site):
    ann = inside(site, "notes").client("sagemaker")
    ben = inside(site, "other").client("sagemaker")
    board = {"DomainId": site.domain, "SpaceName": "board"}
    named = {**board, "SpaceDisplayName": "Board"}
    denied(ben.update_space, "UpdateSpace", **named)
    denied(ben.delete_space, "DeleteSpace", **board)
    ann.update_space(**named)
    until(lambda: site.status("board") == "InService")
    for space, client in [("other", ann), ("notes", ben)]:
        denied(client.delete_app, "DeleteApp", **site.app_of(space))
        denied(client.create_app, "CreateApp", **site.app_of(space))
    ben.delete_app(**site.app_of("board"))
    until(lambda: site.app_status("board") == "Deleted")
    site.begin("board", ben)
    site.running("board")


def test_a_shared_space_is_entered_by_its_owner(site):
    board = {"ResourceIdentifier": site.arn("board")}
    ann, ben = (inside(site, it).client("sagemaker") for it in ("notes", "other"))
    enters(site, ann, "board")
    denied(ben.start_session, "StartSession", **board)
    # What runs in it is nobody's in particular, so the policy lets it in nowhere.
    everybody = inside(site, "board").client("sagemaker")
    for space in ("board", "notes", "other"):
        given = {"ResourceIdentifier": site.arn(space)}
        denied(everybody.start_session, "StartSession", **given)


def test_no_caller_writes_the_tag_that_names_the_owner(site):
    def refused(call, **given):
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            call(**given)
        error = caught.value.response["Error"]
        assert error["Code"] == "ValidationException", error
        assert "sagemaker:" in error["Message"].lower(), error

    profile = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:user-profile/{site.domain}"
    arn = site.arn("board")
    site.sagemaker.create_space(DomainId=site.domain, SpaceName="nobodys")
    callers = [site.sagemaker, site.user("tags", allow("sagemaker:*")).client("sagemaker")]
    for caller in callers:
        for key in (OWNER_TAG, OWNER_TAG.upper(), "Sagemaker:User-Profile-Arn"):
            tag = {"Key": key, "Value": f"{profile}/ben"}
            for space in ("board", "nobodys"):
                refused(caller.add_tags, ResourceArn=site.arn(space), Tags=[tag])
            refused(caller.delete_tags, ResourceArn=arn, TagKeys=[key])
            refused(
                caller.create_space,
                DomainId=site.domain,
                SpaceName="taken",
                OwnershipSettings={"OwnerUserProfileName": "ann"},
                SpaceSharingSettings={"SharingType": "Private"},
                Tags=[tag],
            )
        kept = caller.list_tags(ResourceArn=arn)["Tags"]
        assert kept == [{"Key": OWNER_TAG, "Value": f"{profile}/ann"}]
        assert caller.list_tags(ResourceArn=site.arn("nobodys"))["Tags"] == []
