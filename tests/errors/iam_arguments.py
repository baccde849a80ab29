"""IAM: arguments that are wrong, and what only AWS may change."""

import json

from errors import case, prepared, without
from errors.iam_in_use import document, trust
from matrix import READ_S3, SAGEMAKER_TRUST
from matrix.iam import TAGS, key, linked_role


def iam(operation, code, status, text, /, **arguments):
    case("iam", operation, code, status, text, **arguments)


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
