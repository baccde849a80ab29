"""Who may do what: users, groups, roles and their sessions, by real clients."""

import json

import botocore.exceptions
import pytest

import matrix
from conftest import ACCOUNT, Principal

USERS, GROUPS, ROLES = "iam:ListUsers", "iam:ListGroups", "iam:ListRoles"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"


@pytest.fixture(scope="module")
def world(module_server):
    return matrix.World(module_server)


def statement(action, effect="Allow", resource="*", **conditions):
    out = {"Effect": effect, "Action": action, "Resource": resource}
    return {**out, "Condition": conditions} if conditions else out


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(principal, *more, action="sts:AssumeRole", **conditions):
    out = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": action}
    return policy({**out, "Condition": conditions} if conditions else out, *more)


EVERYTHING_OF_SESSIONS = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]


def user(world, *statements, **more):
    """A user with these statements: the name, and the principal."""
    name = world.user(**more)
    if statements:
        document = policy(*statements)
        world.iam.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=document)
    return name, world.server.principal(f"user/{name}")


def role(world, trust, *statements, **more):
    """A role with these statements: its ARN."""
    name = world.role(trust=trust, **more)
    if statements:
        document = policy(*statements)
        world.iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document)
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def arn(name):
    return f"arn:aws:iam::{ACCOUNT}:user/{name}"


def assume(principal, role, **more):
    """The session of a role that the principal assumes."""
    given = {"RoleSessionName": "session", **more}
    answer = principal.client("sts").assume_role(RoleArn=role, **given)["Credentials"]
    return Principal(
        principal.server,
        {
            "AWS_ACCESS_KEY_ID": answer["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": answer["SecretAccessKey"],
            "AWS_SESSION_TOKEN": answer["SessionToken"],
        },
    )


def refusal(call, **given):
    """Makes a call that must be refused; the text of the refusal."""
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**given)
    error = caught.value.response["Error"]
    assert error["Code"] in ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
    return error["Message"]


# Users and groups


def test_what_a_user_may_is_what_policies_say_now(world):
    name, principal = user(world)
    iam = principal.client("iam")
    assert refusal(iam.list_users) == (
        f"User: {arn(name)} is not authorized to perform: iam:ListUsers on resource: "
        f"arn:aws:iam::{ACCOUNT}:user/ because no identity-based policy allows the iam:ListUsers "
        "action"
    )
    own = {"UserName": name, "PolicyName": "own"}
    world.iam.put_user_policy(**own, PolicyDocument=policy(statement(USERS)))
    iam.list_users()
    world.iam.put_user_policy(**own, PolicyDocument=policy(statement(GROUPS)))
    refusal(iam.list_users)
    iam.list_groups()
    world.iam.delete_user_policy(**own)
    refusal(iam.list_groups)


def test_a_group_gives_and_takes(world):
    name, principal = user(world, statement(USERS))
    iam = principal.client("iam")
    group = world.group()
    document = policy(statement(GROUPS), statement(USERS, "Deny"))
    world.iam.put_group_policy(GroupName=group, PolicyName="own", PolicyDocument=document)
    managed = world.policy(policy(statement(ROLES)))
    world.iam.attach_group_policy(GroupName=group, PolicyArn=managed)
    iam.list_users()

    world.iam.add_user_to_group(GroupName=group, UserName=name)
    iam.list_groups()
    iam.list_roles()
    text = refusal(iam.list_users)
    assert text.endswith("with an explicit deny in an identity-based policy")

    world.iam.remove_user_from_group(GroupName=group, UserName=name)
    iam.list_users()
    refusal(iam.list_groups)
    refusal(iam.list_roles)


def test_the_default_version_of_a_managed_policy_is_in_force(world):
    name, principal = user(world)
    iam = principal.client("iam")
    managed = world.policy(policy(statement(USERS)))
    world.iam.attach_user_policy(UserName=name, PolicyArn=managed)
    iam.list_users()
    given = {"PolicyArn": managed, "PolicyDocument": policy(statement(GROUPS))}
    world.iam.create_policy_version(**given)
    iam.list_users()
    world.iam.set_default_policy_version(PolicyArn=managed, VersionId="v2")
    refusal(iam.list_users)
    iam.list_groups()


def test_variables_stand_for_the_caller(world):
    own = f"arn:aws:iam::{ACCOUNT}:user/${{aws:username}}"
    name, principal = user(world, statement("iam:GetUser", resource=own))
    other, _ = user(world)
    iam = principal.client("iam")
    assert iam.get_user(UserName=name)["User"]["Arn"] == arn(name)
    assert f"on resource: user {other} because" in refusal(iam.get_user, UserName=other)
    # In the older language they are plain text.
    old = {"Version": "2008-10-17", "Statement": [statement("iam:GetUser", resource=own)]}
    given = {"UserName": name, "PolicyName": "own", "PolicyDocument": json.dumps(old)}
    world.iam.put_user_policy(**given)
    refusal(iam.get_user, UserName=name)


def test_tags_of_requests_resources_and_callers(world):
    same = {"aws:RequestTag/team": "${aws:PrincipalTag/team}"}
    theirs = {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}
    _, principal = user(
        world,
        statement(["iam:CreateUser", "iam:TagUser"], StringEquals=same),
        statement("iam:DeleteUser", StringEquals=theirs),
        Tags=[{"Key": "team", "Value": "red"}],
    )
    iam = principal.client("iam")
    mine, other = world.name("mine"), world.name("other")
    red, blue = ([{"Key": "team", "Value": value}] for value in ("red", "blue"))
    iam.create_user(UserName=mine, Tags=red)
    refusal(iam.create_user, UserName=other, Tags=blue)
    refusal(iam.create_user, UserName=other)
    world.iam.create_user(UserName=other, Tags=blue)
    refusal(iam.delete_user, UserName=other)
    iam.delete_user(UserName=mine)


# Permissions boundaries


def test_a_boundary_limits_and_never_grants(world):
    name, principal = user(world, statement([USERS, GROUPS]))
    iam = principal.client("iam")
    boundary = world.policy(policy(statement([USERS, ROLES])))
    world.iam.put_user_permissions_boundary(UserName=name, PermissionsBoundary=boundary)
    iam.list_users()
    text = refusal(iam.list_groups)
    assert text.endswith("because no permissions boundary allows the iam:ListGroups action")
    text = refusal(iam.list_roles)
    assert text.endswith("because no identity-based policy allows the iam:ListRoles action")

    denying = policy(statement("*"), statement(USERS, "Deny"))
    given = {"PolicyArn": boundary, "PolicyDocument": denying, "SetAsDefault": True}
    world.iam.create_policy_version(**given)
    text = refusal(iam.list_users)
    assert text.endswith("with an explicit deny in a permissions boundary")
    iam.list_groups()
    world.iam.delete_user_permissions_boundary(UserName=name)
    iam.list_users()


def test_a_boundary_of_a_role_is_that_of_its_sessions(world):
    _, principal = user(world, statement("sts:AssumeRole"))
    boundary = world.policy(policy(statement(USERS)))
    target = role(world, trust(ACCOUNT), statement("iam:*"), PermissionsBoundary=boundary)
    iam = assume(principal, target).client("iam")
    iam.list_users()
    text = refusal(iam.list_groups)
    assert text.endswith("because no permissions boundary allows the iam:ListGroups action")


def test_users_can_be_made_only_with_a_boundary(world):
    boundary = world.policy()
    condition = {"iam:PermissionsBoundary": boundary}
    _, principal = user(world, statement("iam:CreateUser", StringEquals=condition))
    iam = principal.client("iam")
    refusal(iam.create_user, UserName=world.name("free"))
    refusal(iam.create_user, UserName=world.name("free"), PermissionsBoundary=READ_ONLY)
    iam.create_user(UserName=world.name("bound"), PermissionsBoundary=boundary)


# Sessions of roles


def test_the_external_id_must_be_right(world):
    _, principal = user(world, statement("sts:AssumeRole"))
    right = {"sts:ExternalId": "Ticket-1"}
    target = role(world, trust(ACCOUNT, StringEquals=right))
    sts = principal.client("sts")
    given = {"RoleArn": target, "RoleSessionName": "session"}
    refusal(sts.assume_role, **given)
    refusal(sts.assume_role, **given, ExternalId="ticket-1")
    sts.assume_role(**given, ExternalId="Ticket-1")


def test_a_session_is_named_after_its_user(world):
    # The trust policy that makes IAM user names known to partner apps.
    named = {"sts:RoleSessionName": "${aws:username}"}
    name, principal = user(world, statement("sts:AssumeRole"))
    target = role(world, trust(ACCOUNT, StringEquals=named))
    sts = principal.client("sts")
    refusal(sts.assume_role, RoleArn=target, RoleSessionName="somebody-else")
    sts.assume_role(RoleArn=target, RoleSessionName=name)


def test_a_trust_in_a_user_alone_is_enough_and_ends_with_the_user(world):
    name, principal = user(world)
    target = role(world, trust(arn(name)))
    assume(principal, target)
    # Trust in the account is not: the user's own policies decide.
    by_account = role(world, trust(ACCOUNT))
    text = refusal(
        principal.client("sts").assume_role, RoleArn=by_account, RoleSessionName="session"
    )
    assert "sts:AssumeRole" in text
    # A user of the same name is another user.
    world.iam.delete_user(UserName=name)
    world.iam.create_user(UserName=name)
    again = world.server.principal(f"user/{name}")
    refusal(again.client("sts").assume_role, RoleArn=target, RoleSessionName="session")


def test_a_session_policy_limits_and_never_grants(world):
    _, principal = user(world, statement("sts:AssumeRole"))
    target = role(world, trust(ACCOUNT), statement([USERS, GROUPS]))
    inline = policy(statement([USERS, ROLES]))
    iam = assume(principal, target, Policy=inline).client("iam")
    iam.list_users()
    text = refusal(iam.list_groups)
    assert text.endswith("because no session policy allows the iam:ListGroups action")
    text = refusal(iam.list_roles)
    assert text.endswith("because no identity-based policy allows the iam:ListRoles action")

    managed = world.policy(policy(statement(GROUPS)))
    iam = assume(principal, target, PolicyArns=[{"arn": managed}]).client("iam")
    iam.list_groups()
    refusal(iam.list_users)
    # Several are one: what any of them allows.
    iam = assume(principal, target, Policy=inline, PolicyArns=[{"arn": managed}]).client("iam")
    iam.list_users()
    iam.list_groups()

    denying = policy(statement("*"), statement(USERS, "Deny"))
    iam = assume(principal, target, Policy=denying).client("iam")
    text = refusal(iam.list_users)
    assert text.endswith("with an explicit deny in a session policy")
    iam.list_groups()


def test_session_tags_count_as_the_callers(world):
    _, principal = user(world, statement(["sts:AssumeRole", "sts:TagSession"]))
    red = {"aws:PrincipalTag/team": "red"}
    target = role(
        world,
        trust(ACCOUNT, action=EVERYTHING_OF_SESSIONS),
        statement(USERS, StringEquals=red),
        Tags=[{"Key": "team", "Value": "blue"}],
    )
    # Of the role's tag and the session's, the session's.
    refusal(assume(principal, target).client("iam").list_users)
    tags = [{"Key": "team", "Value": "red"}]
    assume(principal, target, Tags=tags).client("iam").list_users()

    # Tagging asks for a right of its own, on both sides.
    _, untagged = user(world, statement("sts:AssumeRole"))
    given = {"RoleArn": target, "RoleSessionName": "session"}
    text = refusal(untagged.client("sts").assume_role, **given, Tags=tags)
    assert "not authorized to perform: sts:TagSession" in text
    plain = role(world, trust(ACCOUNT))
    given["RoleArn"] = plain
    text = refusal(principal.client("sts").assume_role, **given, Tags=tags)
    assert "not authorized to perform: sts:TagSession" in text


def test_transitive_tags_go_down_the_chain(world):
    _, principal = user(world, statement(EVERYTHING_OF_SESSIONS))
    whole = trust(ACCOUNT, action=EVERYTHING_OF_SESSIONS)
    first = role(world, whole, statement(EVERYTHING_OF_SESSIONS))
    second = role(
        world,
        whole,
        statement(USERS, StringEquals={"aws:PrincipalTag/project": "apollo"}),
        statement(GROUPS, StringEquals={"aws:PrincipalTag/team": "red"}),
        statement(EVERYTHING_OF_SESSIONS),
    )
    tags = [{"Key": "project", "Value": "apollo"}, {"Key": "team", "Value": "red"}]
    one = assume(principal, first, Tags=tags, TransitiveTagKeys=["project"])
    two = assume(one, second)
    iam = two.client("iam")
    iam.list_users()
    refusal(iam.list_groups)
    # And on, to the next.
    assume(two, second).client("iam").list_users()
    other = [{"Key": "Project", "Value": "gemini"}]
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        assume(one, second, Tags=other)
    assert caught.value.response["Error"]["Code"] == "ValidationError"


def test_the_source_identity_stays(world):
    name, principal = user(world, statement(EVERYTHING_OF_SESSIONS))
    whole = trust(ACCOUNT, action=EVERYTHING_OF_SESSIONS)
    first = role(world, whole, statement(EVERYTHING_OF_SESSIONS))
    known = {"aws:SourceIdentity": name}
    second = role(world, whole, statement(USERS, StringEquals=known))
    one = assume(principal, first, SourceIdentity=name)
    two = assume(one, second)
    two.client("iam").list_users()
    refusal(assume(assume(principal, first), second).client("iam").list_users)
    sts = one.client("sts")
    refusal(sts.assume_role, RoleArn=second, RoleSessionName="session", SourceIdentity="other")


def test_a_session_keeps_up_with_its_role(world):
    _, principal = user(world, statement("sts:AssumeRole"))
    target = role(world, trust(ACCOUNT), statement(USERS))
    name = target.rsplit("/", 1)[1]
    iam = assume(principal, target).client("iam")
    iam.list_users()
    own = {"RoleName": name, "PolicyName": "own"}
    world.iam.put_role_policy(**own, PolicyDocument=policy(statement(GROUPS)))
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/session"
    text = refusal(iam.list_users)
    assert text.startswith(f"User: {session} is not authorized to perform: iam:ListUsers on ")
    iam.list_groups()
    # The usual way to revoke sessions: those from before a time are denied everything.
    before = {"aws:TokenIssueTime": "2999-01-01T00:00:00Z"}
    document = policy(statement("*"), statement("*", "Deny", DateLessThan=before))
    world.iam.put_role_policy(**own, PolicyDocument=document)
    text = refusal(iam.list_groups)
    assert text.endswith("with an explicit deny in an identity-based policy")


def test_a_session_is_told_without_the_path_of_its_role(world):
    """The form of the ARN (IAM User Guide, "IAM identifiers"): also that of a service-linked role, whose
    path is /aws-service-role/…/."""
    _, principal = user(world, statement("sts:AssumeRole"))
    name = world.name("role")
    world.iam.create_role(
        RoleName=name, Path="/service-role/team/", AssumeRolePolicyDocument=trust(ACCOUNT)
    )
    target = f"arn:aws:iam::{ACCOUNT}:role/service-role/team/{name}"
    text = refusal(assume(principal, target).client("iam").list_users)
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/session"
    assert text.startswith(f"User: {session} is not authorized to perform: iam:ListUsers on ")


# Federated users and session tokens


def test_a_federated_user_has_what_user_and_policy_both_allow(world):
    _, principal = user(world, statement([USERS, "sagemaker:ListDomains", "sts:*"]))
    document = policy(statement(["sagemaker:ListDomains", "ec2:DescribeVpcs"]))
    given = principal.client("sts").get_federation_token(Name="guest", Policy=document)
    made = given["Credentials"]
    guest = Principal(
        principal.server,
        {
            "AWS_ACCESS_KEY_ID": made["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": made["SecretAccessKey"],
            "AWS_SESSION_TOKEN": made["SessionToken"],
        },
    )
    whoami = guest.client("sts").get_caller_identity()["Arn"]
    assert whoami == f"arn:aws:sts::{ACCOUNT}:federated-user/guest"
    guest.client("sagemaker").list_domains()
    text = refusal(guest.client("ec2").describe_vpcs)
    assert f"User: {whoami} is not authorized to perform: ec2:DescribeVpcs because" in text
    # IAM is closed to federated users.
    with pytest.raises(botocore.exceptions.ClientError):
        guest.client("iam").list_users()


# Why


def test_a_refusal_can_be_explained_and_decoded(world):
    denying = {**statement("ec2:CreateVpc", "Deny"), "Sid": "NoNetworks"}
    name, principal = user(world, statement("*"), denying)
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        principal.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")
    answer = caught.value.response
    assert answer["Error"]["Code"] == "UnauthorizedOperation"
    text, encoded = answer["Error"]["Message"].split(" Encoded authorization failure message: ")
    assert text.startswith("You are not authorized to perform this operation. ")
    assert "with an explicit deny in an identity-based policy" in text

    decoded = principal.client("sts").decode_authorization_message(EncodedMessage=encoded)
    message = json.loads(decoded["DecodedMessage"])
    assert (message["allowed"], message["explicitDeny"]) == (False, True)
    assert message["context"]["action"] == "ec2:CreateVpc"
    assert "NoNetworks" in json.dumps(message["matchedStatements"])

    record = world.server.explain(answer["ResponseMetadata"]["RequestId"])
    [own] = [it for it in record["sagegate"]["trace"]["policies"] if it["kind"] == "identity"]
    [applied] = [it for it in own["statements"] if it["applies"] and it["effect"] == "Deny"]
    assert applied["sid"] == "NoNetworks"
    assert own["policy"] == "own"
    assert name in record["userIdentity"]["arn"]


def test_administrators_and_readers(world):
    for managed, may in [(ADMINISTRATOR, True), (READ_ONLY, False)]:
        name, principal = user(world)
        world.iam.attach_user_policy(UserName=name, PolicyArn=managed)
        iam = principal.client("iam")
        iam.list_users()
        if may:
            iam.create_user(UserName=world.name("made"))
        else:
            refusal(iam.create_user, UserName=world.name("made"))
