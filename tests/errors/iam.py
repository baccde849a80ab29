"""IAM: what does not exist."""

from errors import case, prepared
from errors.iam_in_use import document
from matrix import READ_S3, SAGEMAKER_TRUST
from matrix.iam import TAGS, key

NO_SUCH = "NoSuchEntity"
NO_POLICY = "arn:aws:iam::123456789012:policy/nothing"


def iam(operation, code, status, text, /, **arguments):
    case("iam", operation, code, status, text, **arguments)


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
