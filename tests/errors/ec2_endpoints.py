"""EC2: VPC endpoints."""

import json

from errors.ec2 import ABSENT, API, ec2, fails

RUNTIME = "com.amazonaws.us-west-2.sagemaker.runtime"

# VPC endpoints


def endpoint_in(world, vpc, subnet, **more):
    return {
        "VpcEndpointType": "Interface",
        "VpcId": vpc,
        "ServiceName": API,
        "SubnetIds": [subnet],
        **more,
    }


def endpoint(world, **more):
    return endpoint_in(world, *world.subnet(), **more)


@fails(
    "CreateVpcEndpoint",
    "InvalidServiceName",
    "The Vpc Endpoint Service '{ServiceName}' does not exist",
)
def no_service(world):
    return endpoint(world, ServiceName="com.amazonaws.us-west-2.nothing")


text = (
    "private-dns-enabled cannot be set because there is already a conflicting DNS domain for "
    "api.sagemaker.us-west-2.amazonaws.com in the VPC {VpcId}"
)


@fails("CreateVpcEndpoint", "InvalidParameter", text)
def name_of_a_hosted_zone(world):
    given = endpoint(world)
    world.route53.create_hosted_zone(
        Name="api.sagemaker.us-west-2.amazonaws.com",
        CallerReference=world.name("reference"),
        VPC={"VPCRegion": "us-west-2", "VPCId": given["VpcId"]},
    )
    return given


text = (
    "Found another VPC endpoint subnet in the availability zone of {_first}. VPC endpoint subnets "
    "should be in different availability zones supported by the VPC endpoint service."
)


def two_in_one_zone(world):
    vpc, subnet = world.subnet()
    block = world.ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["CidrBlock"]
    other = world.ec2.create_subnet(
        VpcId=vpc, CidrBlock=block.replace(".1.0/", ".2.0/"), AvailabilityZone="us-west-2a"
    )
    return vpc, subnet, other["Subnet"]["SubnetId"]


@fails("CreateVpcEndpoint", "DuplicateSubnetsInSameZone", text)
def subnets_in_one_zone(world):
    vpc, subnet, other = two_in_one_zone(world)
    given = endpoint_in(world, vpc, subnet)
    return {**given, "SubnetIds": [subnet, other], "_first": subnet}


@fails("ModifyVpcEndpoint", "DuplicateSubnetsInSameZone", text)
def another_subnet_in_its_zone(world):
    vpc, subnet, other = two_in_one_zone(world)
    made = world.ec2.create_vpc_endpoint(**endpoint_in(world, vpc, subnet))["VpcEndpoint"]
    return {"VpcEndpointId": made["VpcEndpointId"], "AddSubnetIds": [other], "_first": subnet}


@fails(
    "CreateVpcEndpoint",
    "InvalidSubnetID.NotFound",
    "The subnet ID 'subnet-0123456789abcdef0' does not exist",
)
def endpoint_in_no_subnet(world):
    return endpoint_in(world, world.vpc()[0], ABSENT["SubnetId"])


text = (
    "Invalid Subnet Id: 'Oops' (expecting 'subnet-...; the Id may only contain lowercase "
    "alphanumeric characters and a single dash')"
)


@fails("CreateVpcEndpoint", "InvalidSubnetId.Malformed", text)
def endpoint_in_wrong_subnet(world):
    return endpoint_in(world, world.vpc()[0], "Oops")


text = (
    "private-dns-enabled cannot be set because there is already a conflicting DNS domain for "
    "api.sagemaker.us-west-2.amazonaws.com in the VPC {VpcId}"
)


@fails("CreateVpcEndpoint", "InvalidParameter", text)
def same_private_name(world):
    vpc, subnet = world.subnet()
    world.ec2.create_vpc_endpoint(**endpoint_in(world, vpc, subnet, PrivateDnsEnabled=True))
    return endpoint_in(world, vpc, subnet, PrivateDnsEnabled=True)


text = (
    "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes "
    "set to true for {VpcId}"
)


@fails("CreateVpcEndpoint", "InvalidParameter", text)
def private_name_without_dns(world):
    given = endpoint(world, PrivateDnsEnabled=True)
    world.ec2.modify_vpc_attribute(VpcId=given["VpcId"], EnableDnsHostnames={"Value": False})
    return given


@fails("CreateVpcEndpoint", "InvalidSecurityGroupID.NotFound", ABSENT["GroupId"])
def endpoint_with_no_group(world):
    return endpoint(world, SecurityGroupIds=[ABSENT["GroupId"]])


@fails("CreateVpcEndpoint", "IdempotentParameterMismatch", "")
def same_token_other_call(world):
    given = endpoint(world, ClientToken=world.name("token"), PrivateDnsEnabled=False)
    world.ec2.create_vpc_endpoint(**given)
    return {**given, "ServiceName": RUNTIME}


ALL = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
NOBODY = {**ALL, "Principal": {"AWS": "arn:aws:iam::123456789012:user/nobody"}}
for wrong in (
    "{",
    json.dumps({"Statement": {**ALL, "Effect": "Perhaps"}}),
    " " * 20_481,
    json.dumps({"Statement": NOBODY}),
):

    @fails("CreateVpcEndpoint", "InvalidPolicyDocument", "")
    def wrong_policy(world, wrong=wrong):
        return endpoint(world, PolicyDocument=wrong)

    @fails("ModifyVpcEndpoint", "InvalidPolicyDocument", "")
    def wrong_new_policy(world, wrong=wrong):
        return {"VpcEndpointId": world.endpoint(), "PolicyDocument": wrong}


@fails("ModifyVpcEndpoint", "InvalidParameterCombination", "PolicyDocument")
def policy_and_none(world):
    policy = json.dumps({"Statement": ALL})
    return {"VpcEndpointId": world.endpoint(), "PolicyDocument": policy, "ResetPolicy": True}


ec2(
    "CreateVpcEndpoint",
    "MissingParameter",
    "The request must contain the parameter VpcId",
    ServiceName=API,
)
ec2(
    "DeleteVpcEndpoints",
    "MissingParameter",
    "The request must contain the parameter",
    VpcEndpointIds=[],
)
