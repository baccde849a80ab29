"""STS."""

import json

from errors import case, prepared, without
from matrix.sts import ACCOUNT_TRUST

DENIED, INVALID = "AccessDenied", "ValidationError"
ABSENT_ROLE = "arn:aws:iam::123456789012:role/nothing"


def as_user(world, *actions):
    """A client of STS with a user's key who may do these actions."""
    user = world.user()
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    world.iam.put_user_policy(UserName=user, PolicyName="sts", PolicyDocument=document)
    return world.server.principal(f"user/{user}").client("sts", parameter_validation=False)


def assume(world, **more):
    return {
        "_client": as_user(world, "sts:*"),
        "RoleArn": world.role_arn(trust=ACCOUNT_TRUST),
        "RoleSessionName": "test",
        **more,
    }


def refused(code, status, text, trust=ACCOUNT_TRUST, **more):
    """An AssumeRole by a user who may do everything of STS."""

    @prepared("sts", "AssumeRole", code, status, text)
    def call(world):
        return {**assume(world), **more}


TAG = {"Key": "team", "Value": "research"}
text = "not authorized to perform: sts:AssumeRole on resource: {RoleArn}"
# Whether a role exists is nobody's business.
refused(DENIED, 403, text, RoleArn=ABSENT_ROLE)


@prepared("sts", "AssumeRole", DENIED, 403, text)
def role_that_trusts_another(world):
    return {**assume(world), "RoleArn": world.role_arn()}


case(
    "sts",
    "AssumeRole",
    DENIED,
    403,
    "Roles may not be assumed by root accounts.",
    RoleArn=ABSENT_ROLE,
    RoleSessionName="test",
)
refused(
    INVALID,
    400,
    "2 validation errors detected: Value 'not a name' at 'roleSessionName' failed to satisfy "
    "constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]*; Value '899' at "
    "'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal "
    "to 900",
    RoleSessionName="not a name",
    DurationSeconds=899,
)
refused(
    INVALID,
    400,
    "1 validation error detected: Value '43201' at 'durationSeconds' failed to satisfy "
    "constraint: Member must have value less than or equal to 43200",
    DurationSeconds=43_201,
)
refused(
    INVALID,
    400,
    "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    DurationSeconds=3_601,
)
refused(INVALID, 400, "{RoleArn} is invalid", RoleArn="role-without-an-arn-at-all")
refused(INVALID, 400, "Duplicate tag keys", Tags=[TAG, {**TAG, "Key": "Team"}])
refused(INVALID, 400, "'aws:team'", Tags=[{**TAG, "Key": "aws:team"}])
refused(INVALID, 400, "'other'", Tags=[TAG], TransitiveTagKeys=["other"])
refused("MalformedPolicyDocument", 400, "", Policy='{"Statement": "all"}')
MFA = {"SerialNumber": "arn:aws:iam::123456789012:mfa/device", "TokenCode": "123456"}
refused(DENIED, 403, "MultiFactorAuthentication failed", **MFA)

wide = {
    "Effect": "Allow",
    "Action": "s3:*",
    "Resource": [f"arn:aws:s3:::{'x' * 60}{n}" for n in range(25)],
}
crowd = [{"Key": f"k{number}", "Value": "v" * 200} for number in range(20)]
refused(
    "PackedPolicyTooLarge",
    400,
    "Packed size of",
    Policy=json.dumps({"Version": "2012-10-17", "Statement": [wide]}),
    Tags=crowd,
)


def session(world):
    """A client with the session of a role that may do everything of STS."""
    role = world.role(trust=ACCOUNT_TRUST, MaxSessionDuration=43_200)
    statement = {"Effect": "Allow", "Action": "sts:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    world.iam.put_role_policy(RoleName=role, PolicyName="sts", PolicyDocument=document)
    return world.server.principal(f"role/{role}").client("sts")


text = (
    "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role "
    "chaining"
)


@prepared("sts", "AssumeRole", INVALID, 400, text)
def long_chain(world):
    role = world.role(trust=ACCOUNT_TRUST, MaxSessionDuration=43_200)
    return {
        "_client": session(world),
        "RoleArn": f"arn:aws:iam::123456789012:role/{role}",
        "RoleSessionName": "test",
        "DurationSeconds": 3_601,
    }


for operation, more in [("GetSessionToken", {}), ("GetFederationToken", {"Name": "test"})]:

    @prepared("sts", operation, DENIED, 403, "session credentials")
    def by_session(world, more=more):
        return {"_client": session(world), **more}

    case(
        "sts",
        operation,
        INVALID,
        400,
        "Value '129601' at 'durationSeconds' failed to satisfy constraint: Member must have value "
        "less than or equal to 129600",
        DurationSeconds=129_601,
        **more,
    )

case("sts", "GetSessionToken", DENIED, 403, "MultiFactorAuthentication failed", **MFA)
case("sts", "GetFederationToken", INVALID, 400, "'name'", Name="no/slashes")
case("sts", "GetFederationToken", "MalformedPolicyDocument", 400, "", Name="test", Policy="{")
case(
    "sts",
    "GetAccessKeyInfo",
    INVALID,
    400,
    "1 validation error detected: Value 'short' at 'accessKeyId' failed to satisfy constraint: "
    "Member must have length greater than or equal to 16",
    AccessKeyId="short",
)
case(
    "sts", "GetAccessKeyInfo", INVALID, 400, "{AccessKeyId}", AccessKeyId="XXXXIOSFODNN7EXAMPLE"
)
case(
    "sts",
    "DecodeAuthorizationMessage",
    "InvalidAuthorizationMessageException",
    400,
    "Message is not valid",
    EncodedMessage="bm90IG9mIG91cnM",
)

without(
    "sts", "takes no argument, needs no permission, always has an answer", "GetCallerIdentity"
)
