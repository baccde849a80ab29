"""The policies of the seed documents are stored where they belong, as they are."""

import json

import pytest

import matrix
from conftest import shared

# What each is: a policy of a user, role or group; of an endpoint; a trust policy; no policy at all.
USER, MANAGED, TRUST, ENDPOINT, ANSWER = "user", "managed", "trust", "endpoint", "answer"
PLACES = {
    "000-remote-access-deep-link": USER,
    "000-remote-access-ssh": USER,
    "000-remote-access-toolkit": USER,
    "001-endpoint-policy-create-app": ENDPOINT,
    "001-endpoint-policy-presigned-url": ENDPOINT,
    "001-response-describe-user-profile": ANSWER,
    "001-response-presigned-url": ANSWER,
    "001-studio-by-source-ip": USER,
    "001-studio-by-source-vpc": USER,
    "001-studio-by-source-vpce": USER,
    "001-studio-by-vpc-source-ip": USER,
    "002-create-model-vpc-config": ANSWER,
    "002-model-role-network-interfaces": USER,
    "002-s3-endpoint-deny-amazon-linux": ENDPOINT,
    "002-s3-endpoint-deny-amazon-linux-2": ENDPOINT,
    "003-launch-role-trust-session-name-equals-username": TRUST,
    "003-launch-role-trust-tag-equals-username": TRUST,
    "003-partner-app-admin": USER,
    "003-partner-app-role-license-manager": USER,
    "003-partner-app-role-trust": TRUST,
    "003-partner-app-sdk-call": USER,
    "003-partner-app-user": USER,
    "003-studio-role-trust-tag-session": TRUST,
    "004-elastic-inference-connect": USER,
    # Longer than the inline policies of a user may be.
    "004-elastic-inference-full": MANAGED,
}


def seeds():
    """The names of all seed files; none where they are not beside the checkout."""
    return sorted(place.stem for place in (shared() / "seed-policies").glob("*.json"))


def text(name):
    return (shared() / "seed-policies" / f"{name}.json").read_text()


@pytest.fixture(scope="module")
def world(module_server):
    return matrix.World(module_server)


def in_place(place):
    return [name for name in seeds() if PLACES.get(name) == place]


def test_every_seed_has_its_place():
    assert [name for name in seeds() if name not in PLACES] == []


@pytest.mark.parametrize("name", in_place(USER))
def test_a_policy_of_a_user(world, name):
    given = {"UserName": world.user(), "PolicyName": name}
    world.iam.put_user_policy(**given, PolicyDocument=text(name))
    kept = world.iam.get_user_policy(**given)["PolicyDocument"]
    assert kept == json.loads(text(name))


@pytest.mark.parametrize("name", in_place(MANAGED))
def test_a_managed_policy(world, name):
    given = {"PolicyName": world.name("policy"), "PolicyDocument": text(name)}
    arn = world.iam.create_policy(**given)["Policy"]["Arn"]
    kept = world.iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]
    assert kept["Document"] == json.loads(text(name))
    world.iam.attach_user_policy(UserName=world.user(), PolicyArn=arn)


@pytest.mark.parametrize("name", in_place(USER) + in_place(MANAGED))
def test_a_policy_of_a_role_and_a_group(world, name):
    role, group = world.role(), world.group()
    world.iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=text(name))
    world.iam.put_group_policy(GroupName=group, PolicyName=name, PolicyDocument=text(name))
    kept = world.iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    assert kept == json.loads(text(name))


@pytest.mark.parametrize("name", in_place(TRUST))
def test_a_trust_policy(world, name):
    role = world.role(trust=text(name))
    kept = world.iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    assert kept == json.loads(text(name))


@pytest.mark.parametrize("name", in_place(ENDPOINT))
def test_an_endpoint_policy(world, name):
    vpc, subnet = world.subnet()
    made = world.ec2.create_vpc_endpoint(
        VpcEndpointType="Interface",
        VpcId=vpc,
        ServiceName="com.amazonaws.us-west-2.sagemaker.api",
        SubnetIds=[subnet],
        PolicyDocument=text(name),
    )["VpcEndpoint"]
    ids = [made["VpcEndpointId"]]
    kept = world.ec2.describe_vpc_endpoints(VpcEndpointIds=ids)["VpcEndpoints"][0]
    assert json.loads(kept["PolicyDocument"]) == json.loads(text(name))
