"""IAM."""

import json

from errors import case, prepared, without
from matrix import READ_S3, SAGEMAKER_TRUST
from matrix.iam import TAGS, key, linked_role, second_version

NO_SUCH, EXISTS, CONFLICT = "NoSuchEntity", "EntityAlreadyExists", "DeleteConflict"
NO_POLICY = "arn:aws:iam::123456789012:policy/nothing"


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def iam(operation, code, status, text, /, **arguments):
    case("iam", operation, code, status, text, **arguments)


# What does not exist

for operation, more in [
    ("GetUser", {}),
    ("UpdateUser", {"NewUserName": "other"}),
    ("DeleteUser", {}),
    ("TagUser", {"Tags": TAGS}),
    ("UntagUser", {"TagKeys": ["team"]}),
    ("ListUserTags", {}),
    (
        "PutUserPermissionsBoundary",
        {"PermissionsBoundary": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
    ),
    ("DeleteUserPermissionsBoundary", {}),
    ("ListGroupsForUser", {}),
    ("CreateAccessKey", {}),
    ("ListAccessKeys", {}),
]:
    text = "The user with name {UserName} cannot be found."
    iam(operation, NO_SUCH, 404, text, UserName="nobody", **more)

for operation, more in [
    ("GetGroup", {}),
    ("UpdateGroup", {"NewGroupName": "other"}),
    ("DeleteGroup", {}),
    ("AddUserToGroup", {"UserName": "nobody"}),
    ("RemoveUserFromGroup", {"UserName": "nobody"}),
]:
    text = "The group with name {GroupName} cannot be found."
    iam(operation, NO_SUCH, 404, text, GroupName="nothing", **more)

for operation, more in [
    ("GetRole", {}),
    ("UpdateRole", {}),
    ("UpdateRoleDescription", {"Description": "x"}),
    ("UpdateAssumeRolePolicy", {"PolicyDocument": SAGEMAKER_TRUST}),
    ("DeleteRole", {}),
    ("TagRole", {"Tags": TAGS}),
    ("UntagRole", {"TagKeys": ["team"]}),
    ("ListRoleTags", {}),
    (
        "PutRolePermissionsBoundary",
        {"PermissionsBoundary": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
    ),
    ("DeleteRolePermissionsBoundary", {}),
    ("ListInstanceProfilesForRole", {}),
    ("DeleteServiceLinkedRole", {}),
]:
    text = "The role with name {RoleName} cannot be found."
    iam(operation, NO_SUCH, 404, text, RoleName="nothing", **more)

for operation, more in [
    ("GetInstanceProfile", {}),
    ("DeleteInstanceProfile", {}),
    ("AddRoleToInstanceProfile", {"RoleName": "nothing"}),
    ("RemoveRoleFromInstanceProfile", {"RoleName": "nothing"}),
    ("TagInstanceProfile", {"Tags": TAGS}),
    ("UntagInstanceProfile", {"TagKeys": ["team"]}),
    ("ListInstanceProfileTags", {}),
]:
    text = "Instance Profile {InstanceProfileName} cannot be found."
    iam(operation, NO_SUCH, 404, text, InstanceProfileName="nothing", **more)

for operation, more in [
    ("GetPolicy", {}),
    ("DeletePolicy", {}),
    ("CreatePolicyVersion", {"PolicyDocument": READ_S3}),
    ("ListPolicyVersions", {}),
    ("TagPolicy", {"Tags": TAGS}),
    ("UntagPolicy", {"TagKeys": ["team"]}),
    ("ListPolicyTags", {}),
    ("ListEntitiesForPolicy", {}),
]:
    iam(
        operation,
        NO_SUCH,
        404,
        "Policy {PolicyArn} was not found.",
        PolicyArn=NO_POLICY,
        **more,
    )

for operation in ("GetPolicyVersion", "DeletePolicyVersion", "SetDefaultPolicyVersion"):

    @prepared(
        "iam", operation, NO_SUCH, 404, "Policy {PolicyArn} version {VersionId} does not exist"
    )
    def no_version(world):
        return {"PolicyArn": world.policy(), "VersionId": "v9"}


for kind in ("User", "Group", "Role"):
    name, lower = f"{kind}Name", kind.lower()

    def own(world, lower=lower):
        return getattr(world, lower)()

    for operation, more in [
        (f"Put{kind}Policy", {"PolicyName": "p", "PolicyDocument": READ_S3}),
        (f"Get{kind}Policy", {"PolicyName": "p"}),
        (f"Delete{kind}Policy", {"PolicyName": "p"}),
        (f"List{kind}Policies", {}),
        (f"Attach{kind}Policy", {"PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}),
        (f"Detach{kind}Policy", {"PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}),
        (f"ListAttached{kind}Policies", {}),
    ]:
        text = f"The {lower} with name nothing cannot be found."
        iam(operation, NO_SUCH, 404, text, **{name: "nothing"}, **more)

    for operation in (f"Get{kind}Policy", f"Delete{kind}Policy"):

        @prepared(
            "iam", operation, NO_SUCH, 404, f"The {lower} policy with name p cannot be found."
        )
        def no_inline(world, name=name, own=own):
            return {name: own(world), "PolicyName": "p"}

    @prepared("iam", f"Detach{kind}Policy", NO_SUCH, 404, "Policy {PolicyArn} was not found.")
    def not_attached(world, name=name, own=own):
        return {name: own(world), "PolicyArn": world.policy()}

    text = "Policy {PolicyArn} does not exist or is not attachable."

    @prepared("iam", f"Attach{kind}Policy", NO_SUCH, 404, text)
    def not_attachable(world, name=name, own=own):
        return {name: own(world), "PolicyArn": NO_POLICY}

    text = f"Cannot exceed quota for Policies Per{kind}: 10".replace("Policies P", "PoliciesP")

    @prepared("iam", f"Attach{kind}Policy", "LimitExceeded", 409, text)
    def too_many_attached(world, name=name, own=own, lower=lower):
        given = {name: own(world)}
        for _ in range(10):
            getattr(world.iam, f"attach_{lower}_policy")(**given, PolicyArn=world.policy())
        return {**given, "PolicyArn": world.policy()}

    limit = {"User": 2_048, "Group": 5_120, "Role": 10_240}[kind]
    text = f"Maximum policy size of {limit} bytes exceeded for {lower} {{{name}}}"

    @prepared("iam", f"Put{kind}Policy", "LimitExceeded", 409, text)
    def inline_too_large(world, name=name, own=own, limit=limit):
        given = {name: own(world), "PolicyName": "p"}
        long = document(
            {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::" + "x" * limit}
        )
        return {**given, "PolicyDocument": long}

    @prepared(
        "iam", f"Put{kind}Policy", "MalformedPolicyDocument", 400, "Syntax errors in policy."
    )
    def inline_malformed(world, name=name, own=own):
        return {name: own(world), "PolicyName": "p", "PolicyDocument": '{"Statement": "all"}'}


@prepared(
    "iam", "PutUserPermissionsBoundary", NO_SUCH, 404, "does not exist or is not attachable."
)
def no_boundary_policy(world):
    return {"UserName": world.user(), "PermissionsBoundary": NO_POLICY}


@prepared(
    "iam", "PutRolePermissionsBoundary", NO_SUCH, 404, "does not exist or is not attachable."
)
def no_role_boundary_policy(world):
    return {"RoleName": world.role(), "PermissionsBoundary": NO_POLICY}


@prepared("iam", "DeleteUserPermissionsBoundary", NO_SUCH, 404, "{UserName}")
def user_without_boundary(world):
    return {"UserName": world.user()}


@prepared("iam", "DeleteRolePermissionsBoundary", NO_SUCH, 404, "{RoleName}")
def role_without_boundary(world):
    return {"RoleName": world.role()}


@prepared("iam", "AddUserToGroup", NO_SUCH, 404, "The user with name nobody cannot be found.")
def nobody_to_group(world):
    return {"GroupName": world.group(), "UserName": "nobody"}


@prepared("iam", "RemoveUserFromGroup", NO_SUCH, 404, "{UserName}")
def not_in_group(world):
    return {"GroupName": world.group(), "UserName": world.user()}


@prepared(
    "iam",
    "AddRoleToInstanceProfile",
    NO_SUCH,
    404,
    "The role with name nothing cannot be found.",
)
def no_role_to_profile(world):
    return {"InstanceProfileName": world.profile(), "RoleName": "nothing"}


@prepared("iam", "RemoveRoleFromInstanceProfile", NO_SUCH, 404, "{RoleName}")
def role_not_in_profile(world):
    return {"InstanceProfileName": world.profile(), "RoleName": world.role()}


for operation, more in [("UpdateAccessKey", {"Status": "Inactive"}), ("DeleteAccessKey", {})]:

    @prepared(
        "iam", operation, NO_SUCH, 404, "The Access Key with id {AccessKeyId} cannot be found."
    )
    def no_key(world, more=more):
        return {"UserName": world.user(), "AccessKeyId": "AKIAIOSFODNN7EXAMPLE", **more}

    @prepared(
        "iam", operation, NO_SUCH, 404, "The Access Key with id {AccessKeyId} cannot be found."
    )
    def key_of_another(world, more=more):
        return {**key(world), "UserName": world.user(), **more}


iam(
    "DeleteAccountAlias",
    NO_SUCH,
    404,
    "{AccountAlias} cannot be found.",
    AccountAlias="not-ours",
)
iam(
    "SimulatePrincipalPolicy",
    NO_SUCH,
    404,
    "The user with name nobody cannot be found.",
    PolicySourceArn="arn:aws:iam::123456789012:user/nobody",
    ActionNames=["s3:GetObject"],
)
iam(
    "GetServiceLinkedRoleDeletionStatus",
    NO_SUCH,
    404,
    "{DeletionTaskId} cannot be found.",
    DeletionTaskId="task/aws-service-role/license-manager.amazonaws.com/none/none",
)


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


# Documents that are no policies

MALFORMED = "MalformedPolicyDocument"
ALLOW = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
for text, wrong in [
    ("Syntax errors in policy.", "{"),
    ("Syntax errors in policy.", json.dumps({"Version": "2012-10-17"})),
    ("Syntax errors in policy.", document({**ALLOW, "Effect": "Perhaps"})),
    ("Policy statement must contain actions.", document({"Effect": "Allow", "Resource": "*"})),
    (
        "Policy statement must contain resources.",
        document({"Effect": "Allow", "Action": "s3:*"}),
    ),
    ("Policy document should not specify a principal.", document({**ALLOW, "Principal": "*"})),
    (
        "Policy document must be version 2012-10-17 or greater.",
        json.dumps({"Version": "2008-10-17", "Statement": ALLOW}),
    ),
    (
        "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
        document({**ALLOW, "Action": "GetObject"}),
    ),
    (
        'Resource bucket must be in ARN format or "*".',
        document({**ALLOW, "Resource": "bucket"}),
    ),
    (
        "Statement IDs (SID) in a single policy must be unique.",
        document({**ALLOW, "Sid": "a"}, {**ALLOW, "Sid": "a"}),
    ),
]:
    iam("CreatePolicy", MALFORMED, 400, text, PolicyName="wrong", PolicyDocument=wrong)


@prepared("iam", "CreatePolicyVersion", MALFORMED, 400, "Syntax errors in policy.")
def malformed_version(world):
    return {"PolicyArn": world.policy(), "PolicyDocument": "[]"}


def trusting(**changes):
    return document({**trust, **changes})


nobody = "arn:aws:iam::123456789012:user/nobody"
for text, wrong in [
    ("This policy contains invalid Json", "{"),
    (f'Invalid principal in policy: "AWS":"{nobody}"', trusting(Principal={"AWS": nobody})),
    (
        "AssumeRole policy may only specify STS AssumeRole actions.",
        trusting(Action="s3:GetObject"),
    ),
    ("Has prohibited field Resource", trusting(Resource="*")),
]:
    text = text.replace("{", "{{")
    iam("CreateRole", MALFORMED, 400, text, RoleName="wrong", AssumeRolePolicyDocument=wrong)

    @prepared("iam", "UpdateAssumeRolePolicy", MALFORMED, 400, text)
    def wrong_trust(world, wrong=wrong):
        return {"RoleName": world.role(), "PolicyDocument": wrong}


# Arguments that the model does not allow

INVALID = "ValidationError"
NAME = "It must contain only alphanumeric characters and/or the following: +=,.@_-"
iam(
    "CreateUser",
    INVALID,
    400,
    f"The specified value for userName is invalid. {NAME}",
    UserName="no/slashes",
)
iam(
    "AttachRolePolicy",
    INVALID,
    400,
    f"The specified value for roleName is invalid. {NAME}",
    RoleName="arn:aws:iam::123456789012:role/x",
    PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess",
)
iam(
    "CreateUser",
    INVALID,
    400,
    "1 validation error detected: Value '{UserName}' at 'userName' failed to satisfy constraint: "
    "Member must have length less than or equal to 64",
    UserName="x" * 65,
)
iam(
    "CreateRole",
    INVALID,
    400,
    "2 validation errors detected: Value '{RoleName}' at 'roleName' failed to satisfy constraint: "
    "Member must have length less than or equal to 64; Value null at 'assumeRolePolicyDocument' "
    "failed to satisfy constraint: Member must not be null",
    RoleName="x" * 65,
)
iam(
    "CreateRole",
    INVALID,
    400,
    "Value '3599' at 'maxSessionDuration' failed to satisfy constraint: Member must have value "
    "greater than or equal to 3600",
    RoleName="short",
    AssumeRolePolicyDocument=SAGEMAKER_TRUST,
    MaxSessionDuration=3_599,
)


@prepared(
    "iam", "UpdateRole", INVALID, 400, "Member must have value less than or equal to 43200"
)
def long_sessions(world):
    return {"RoleName": world.role(), "MaxSessionDuration": 43_201}


@prepared("iam", "UpdateAccessKey", INVALID, 400, "Member must satisfy enum value set: ")
def no_such_status(world):
    return {**key(world), "Status": "Perhaps"}


iam("CreateAccountAlias", "InvalidInput", 400, "12 digit", AccountAlias="123456789012")
iam("CreateAccountAlias", INVALID, 400, "'accountAlias'", AccountAlias="Not An Alias")
iam("GetPolicy", INVALID, 400, "{PolicyArn}", PolicyArn="this-is-not-an-arn-at-all")
iam("GetAccessKeyLastUsed", INVALID, 400, "'accessKeyId'", AccessKeyId="too-short")
iam(
    "SimulateCustomPolicy",
    "InvalidInput",
    400,
    "Invalid Action name: GetObject",
    PolicyInputList=[READ_S3],
    ActionNames=["GetObject"],
)
iam(
    "SimulateCustomPolicy",
    "InvalidInput",
    400,
    "Syntax errors in policy.",
    PolicyInputList=["{"],
    ActionNames=["s3:GetObject"],
)
iam(
    "SimulatePrincipalPolicy",
    "InvalidInput",
    400,
    "Invalid Entity Arn: {PolicySourceArn} does not clearly define entity type and name.",
    PolicySourceArn="arn:aws:iam::123456789012:root",
    ActionNames=["s3:GetObject"],
)
iam(
    "CreateServiceLinkedRole",
    "InvalidInput",
    400,
    "Custom suffix is not allowed for license-manager.amazonaws.com",
    AWSServiceName="license-manager.amazonaws.com",
    CustomSuffix="mine",
)
iam(
    "CreateRole",
    "InvalidInput",
    400,
    "/aws-service-role/",
    RoleName="linked",
    Path="/aws-service-role/sagemaker.amazonaws.com/",
    AssumeRolePolicyDocument=SAGEMAKER_TRUST,
)

for operation, more in [
    ("ListUsers", {}),
    ("ListGroups", {}),
    ("ListRoles", {}),
    ("ListPolicies", {}),
    ("ListInstanceProfiles", {}),
    ("ListAccountAliases", {}),
    ("GetAccountAuthorizationDetails", {}),
]:
    iam(operation, INVALID, 400, "Invalid Marker.", Marker="bm90IG9mIG91cnM=", **more)
    iam(
        operation,
        INVALID,
        400,
        "Value '1001' at 'maxItems' failed to satisfy constraint: "
        "Member must have value less than or equal to 1000",
        MaxItems=1_001,
        **more,
    )


# What is AWS's own

text = (
    "Cannot perform the operation on the protected role '{RoleName}' - this role is only "
    "modifiable by AWS"
)
for operation, more in [
    ("DeleteRole", {}),
    ("AttachRolePolicy", {"PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}),
    ("PutRolePolicy", {"PolicyName": "p", "PolicyDocument": READ_S3}),
    ("UpdateAssumeRolePolicy", {"PolicyDocument": SAGEMAKER_TRUST}),
    (
        "PutRolePermissionsBoundary",
        {"PermissionsBoundary": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
    ),
    ("UpdateRole", {"MaxSessionDuration": 3_600}),
]:

    @prepared("iam", operation, "UnmodifiableEntity", 400, text)
    def protected(world, more=more):
        return {"RoleName": linked_role(world), **more}


for operation, more in [
    ("DeletePolicy", {}),
    ("CreatePolicyVersion", {"PolicyDocument": READ_S3}),
    ("TagPolicy", {"Tags": TAGS}),
]:
    arn = "arn:aws:iam::aws:policy/ReadOnlyAccess"
    iam(
        operation,
        "AccessDenied",
        403,
        "Policy is outside your own account.",
        PolicyArn=arn,
        **more,
    )

without("iam", "takes no argument and always has an answer", "GetAccountSummary")
