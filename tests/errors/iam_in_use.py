"""IAM: what exists already or is in use, and limits."""

import json

from errors import case, prepared
from matrix import READ_S3, SAGEMAKER_TRUST
from matrix.iam import TAGS, key, linked_role, second_version

EXISTS, CONFLICT = "EntityAlreadyExists", "DeleteConflict"


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def iam(operation, code, status, text, /, **arguments):
    case("iam", operation, code, status, text, **arguments)


# What exists already


@prepared("iam", "CreateUser", EXISTS, 409, "User with name {UserName} already exists.")
def same_user(world):
    return {"UserName": world.user()}


@prepared("iam", "CreateUser", EXISTS, 409, "User with name {UserName} already exists.")
def same_user_in_capitals(world):
    return {"UserName": world.user().upper(), "Path": "/elsewhere/"}


@prepared("iam", "UpdateUser", EXISTS, 409, "User with name {NewUserName} already exists.")
def taken_user(world):
    return {"UserName": world.user(), "NewUserName": world.user()}


@prepared("iam", "CreateGroup", EXISTS, 409, "Group with name {GroupName} already exists.")
def same_group(world):
    return {"GroupName": world.group()}


@prepared("iam", "UpdateGroup", EXISTS, 409, "Group with name {NewGroupName} already exists.")
def taken_group(world):
    return {"GroupName": world.group(), "NewGroupName": world.group()}


@prepared("iam", "CreateRole", EXISTS, 409, "Role with name {RoleName} already exists.")
def same_role(world):
    return {"RoleName": world.role(), "AssumeRolePolicyDocument": SAGEMAKER_TRUST}


@prepared(
    "iam",
    "CreateInstanceProfile",
    EXISTS,
    409,
    "Instance Profile {InstanceProfileName} already exists.",
)
def same_profile(world):
    return {"InstanceProfileName": world.profile()}


text = "A policy called {PolicyName} already exists. Duplicate names are not allowed."


@prepared("iam", "CreatePolicy", EXISTS, 409, text)
def same_policy(world):
    name = world.policy().rsplit("/", 1)[1]
    return {"PolicyName": name, "PolicyDocument": READ_S3}


text = "has been taken in this account, please try a different suffix."


@prepared("iam", "CreateServiceLinkedRole", "InvalidInput", 400, text)
def same_linked_role(world):
    linked_role(world)
    return {"AWSServiceName": "license-manager.amazonaws.com"}


# What is in use

text = "Cannot delete entity, must {_first} first."


@prepared("iam", "DeleteUser", CONFLICT, 409, text)
def user_with_key(world):
    return {"UserName": key(world)["UserName"], "_first": "delete access keys"}


@prepared("iam", "DeleteUser", CONFLICT, 409, text)
def user_with_policy(world):
    user = world.user()
    world.iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=READ_S3)
    return {"UserName": user, "_first": "delete policies"}


@prepared("iam", "DeleteUser", CONFLICT, 409, text)
def user_with_attachment(world):
    user = world.user()
    world.iam.attach_user_policy(UserName=user, PolicyArn=world.policy())
    return {"UserName": user, "_first": "detach all policies"}


@prepared("iam", "DeleteUser", CONFLICT, 409, text)
def user_in_group(world):
    user = world.user()
    world.iam.add_user_to_group(GroupName=world.group(), UserName=user)
    return {"UserName": user, "_first": "remove users from group"}


@prepared("iam", "DeleteGroup", CONFLICT, 409, text)
def group_with_user(world):
    group = world.group()
    world.iam.add_user_to_group(GroupName=group, UserName=world.user())
    return {"GroupName": group, "_first": "remove users from group"}


@prepared("iam", "DeleteGroup", CONFLICT, 409, text)
def group_with_attachment(world):
    group = world.group()
    world.iam.attach_group_policy(GroupName=group, PolicyArn=world.policy())
    return {"GroupName": group, "_first": "detach all policies"}


@prepared("iam", "DeleteRole", CONFLICT, 409, text)
def role_with_policy(world):
    role = world.role()
    world.iam.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=READ_S3)
    return {"RoleName": role, "_first": "delete policies"}


@prepared("iam", "DeleteRole", CONFLICT, 409, text)
def role_with_attachment(world):
    role = world.role()
    world.iam.attach_role_policy(RoleName=role, PolicyArn=world.policy())
    return {"RoleName": role, "_first": "detach all policies"}


def profile_with_role(world):
    given = {"InstanceProfileName": world.profile(), "RoleName": world.role()}
    world.iam.add_role_to_instance_profile(**given)
    return given


@prepared("iam", "DeleteRole", CONFLICT, 409, text)
def role_in_profile(world):
    role = profile_with_role(world)["RoleName"]
    return {"RoleName": role, "_first": "remove roles from instance profile"}


@prepared("iam", "DeleteInstanceProfile", CONFLICT, 409, text)
def profile_in_use(world):
    profile = profile_with_role(world)["InstanceProfileName"]
    return {"InstanceProfileName": profile, "_first": "remove roles from instance profile"}


@prepared("iam", "DeletePolicy", CONFLICT, 409, "Cannot delete a policy attached to entities.")
def attached_policy(world):
    policy = world.policy()
    world.iam.attach_user_policy(UserName=world.user(), PolicyArn=policy)
    return {"PolicyArn": policy}


@prepared("iam", "DeletePolicy", CONFLICT, 409, "Cannot delete a policy attached to entities.")
def policy_as_boundary(world):
    policy = world.policy()
    world.user(PermissionsBoundary=policy)
    return {"PolicyArn": policy}


@prepared("iam", "DeletePolicy", CONFLICT, 409, "This policy has more than one version.")
def policy_with_versions(world):
    return {"PolicyArn": second_version(world)["PolicyArn"]}


text = "Cannot delete the default version of a policy."


@prepared("iam", "DeletePolicyVersion", CONFLICT, 409, text)
def default_version(world):
    return {"PolicyArn": world.policy(), "VersionId": "v1"}


# Limits


def over(quota, limit):
    return "LimitExceeded", 409, f"Cannot exceed quota for {quota}: {limit}"


@prepared("iam", "CreateAccessKey", *over("AccessKeysPerUser", 2))
def third_key(world):
    user = key(world)["UserName"]
    world.iam.create_access_key(UserName=user)
    return {"UserName": user}


@prepared("iam", "AddUserToGroup", *over("GroupsPerUser", 10))
def eleventh_group(world):
    user = world.user()
    for _ in range(10):
        world.iam.add_user_to_group(GroupName=world.group(), UserName=user)
    return {"GroupName": world.group(), "UserName": user}


@prepared("iam", "AddRoleToInstanceProfile", *over("InstanceSessionsPerInstanceProfile", 1))
def second_role(world):
    profile = profile_with_role(world)["InstanceProfileName"]
    return {"InstanceProfileName": profile, "RoleName": world.role()}


text = "A managed policy can have up to 5 versions. Before you create a new version, you must delete"


@prepared("iam", "CreatePolicyVersion", "LimitExceeded", 409, text)
def sixth_version(world):
    given = {"PolicyArn": world.policy(), "PolicyDocument": READ_S3}
    for _ in range(4):
        world.iam.create_policy_version(**given)
    return given


long = document(
    {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::" + "x" * 6_200}
)
iam("CreatePolicy", *over("PolicySize", 6_144), PolicyName="long", PolicyDocument=long)

trust = json.loads(SAGEMAKER_TRUST)["Statement"][0]
long = document({**trust, "Condition": {"StringEquals": {"aws:SourceAccount": "1" * 2_100}}})
iam(
    "CreateRole", *over("ACLSizePerRole", 2_048), RoleName="long", AssumeRolePolicyDocument=long
)


@prepared("iam", "UpdateAssumeRolePolicy", *over("ACLSizePerRole", 2_048))
def long_trust(world):
    return {"RoleName": world.role(), "PolicyDocument": long}


def many_tags(prefix, count):
    return [{"Key": f"{prefix}{number}", "Value": ""} for number in range(count)]


for kind, make in [
    ("User", lambda world: {"UserName": world.user()}),
    ("Role", lambda world: {"RoleName": world.role()}),
    ("Policy", lambda world: {"PolicyArn": world.policy()}),
    ("InstanceProfile", lambda world: {"InstanceProfileName": world.profile()}),
]:
    tag = {"User": "tag_user", "Role": "tag_role", "Policy": "tag_policy"}.get(
        kind, "tag_instance_profile"
    )

    @prepared("iam", f"Tag{kind}", "LimitExceeded", 409, "50")
    def too_many_tags(world, make=make, tag=tag):
        given = make(world)
        getattr(world.iam, tag)(**given, Tags=many_tags("a", 50))
        return {**given, "Tags": many_tags("b", 1)}

    @prepared("iam", f"Tag{kind}", "InvalidInput", 400, "Duplicate tag keys found.")
    def tag_twice(world, make=make):
        return {**make(world), "Tags": TAGS + TAGS}
