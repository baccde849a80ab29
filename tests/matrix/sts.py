"""STS."""

import json

from matrix import entry

ACCOUNT_TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                # The account, not a user: so identity policies decide who may.
                "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
                "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
            }
        ],
    }
)


@entry("sts", "GetCallerIdentity", needs=[])
def get_caller_identity(world):
    return {}


@entry("sts", "GetSessionToken", needs=[])
def get_session_token(world):
    return {}


@entry("sts", "GetFederationToken")
def get_federation_token(world):
    return {"Name": world.name("federated")}


@entry("sts", "GetAccessKeyInfo")
def get_access_key_info(world):
    return {"AccessKeyId": world.root.variables["AWS_ACCESS_KEY_ID"]}


@entry(
    "sts", "AssumeRole", needs=["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]
)
def assume_role(world):
    return {
        "RoleArn": world.role_arn(trust=ACCOUNT_TRUST),
        "RoleSessionName": "matrix",
        "Tags": [{"Key": "team", "Value": "research"}],
        "SourceIdentity": "somebody",
    }


@entry("sts", "DecodeAuthorizationMessage")
def decode_authorization_message(world):
    nobody = world.server.principal(f"user/{world.user()}")
    try:
        nobody.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")
    except nobody.client("ec2").exceptions.ClientError as error:
        text = error.response["Error"]["Message"]
        return {"EncodedMessage": text.rsplit("message: ", 1)[1]}
    raise AssertionError("a user without policies made a VPC")
