"""EC2: networks, security groups, interfaces, tags; filters and pages of all lists."""

from errors import case, prepared
from matrix.ec2 import PERMISSION, TAGS, interface, tagged

API = "com.amazonaws.us-west-2.sagemaker.api"

# Well formed, and of nothing.
ABSENT = {
    "VpcId": "vpc-0123456789abcdef0",
    "SubnetId": "subnet-0123456789abcdef0",
    "GroupId": "sg-0123456789abcdef0",
    "NetworkInterfaceId": "eni-0123456789abcdef0",
    "VpcEndpointId": "vpce-0123456789abcdef0",
}
NOT_FOUND = {
    "VpcId": ("InvalidVpcID.NotFound", "The vpc ID '{VpcId}' does not exist"),
    "SubnetId": ("InvalidSubnetID.NotFound", "The subnet ID '{SubnetId}' does not exist"),
    "GroupId": ("InvalidGroup.NotFound", "The security group '{GroupId}' does not exist"),
    "NetworkInterfaceId": (
        "InvalidNetworkInterfaceID.NotFound",
        "The networkInterface ID '{NetworkInterfaceId}' does not exist",
    ),
    "VpcEndpointId": (
        "InvalidVpcEndpointId.NotFound",
        "The Vpc Endpoint Id '{VpcEndpointId}' does not exist",
    ),
}
MALFORMED = {
    "VpcId": "InvalidVpcID.Malformed",
    "SubnetId": "InvalidSubnetID.Malformed",
    "GroupId": "InvalidGroupId.Malformed",
    "NetworkInterfaceId": "InvalidNetworkInterfaceID.Malformed",
    "VpcEndpointId": "InvalidVpcEndpointId.Malformed",
}


def ec2(operation, code, text, /, **arguments):
    """All errors of EC2 that are about arguments have status 400."""
    case("ec2", operation, code, 400, text, **arguments)


def fails(operation, code, text):
    return prepared("ec2", operation, code, 400, text)


# What does not exist, and what is no id at all

for operation, member, more in [
    ("DeleteVpc", "VpcId", {}),
    ("DescribeVpcAttribute", "VpcId", {"Attribute": "enableDnsSupport"}),
    ("ModifyVpcAttribute", "VpcId", {"EnableDnsSupport": {"Value": True}}),
    ("CreateSubnet", "VpcId", {"CidrBlock": "10.0.0.0/24"}),
    ("CreateSecurityGroup", "VpcId", {"GroupName": "x", "Description": "x"}),
    ("CreateVpcEndpoint", "VpcId", {"ServiceName": API, "VpcEndpointType": "Interface"}),
    ("DeleteSubnet", "SubnetId", {}),
    ("ModifySubnetAttribute", "SubnetId", {"MapPublicIpOnLaunch": {"Value": True}}),
    ("CreateNetworkInterface", "SubnetId", {}),
    ("DeleteSecurityGroup", "GroupId", {}),
    ("AuthorizeSecurityGroupIngress", "GroupId", {"IpPermissions": PERMISSION}),
    ("AuthorizeSecurityGroupEgress", "GroupId", {"IpPermissions": PERMISSION}),
    ("RevokeSecurityGroupIngress", "GroupId", {"IpPermissions": PERMISSION}),
    ("RevokeSecurityGroupEgress", "GroupId", {"IpPermissions": PERMISSION}),
    ("UpdateSecurityGroupRuleDescriptionsIngress", "GroupId", {"IpPermissions": PERMISSION}),
    ("UpdateSecurityGroupRuleDescriptionsEgress", "GroupId", {"IpPermissions": PERMISSION}),
    ("DeleteNetworkInterface", "NetworkInterfaceId", {}),
    ("DescribeNetworkInterfaceAttribute", "NetworkInterfaceId", {"Attribute": "groupSet"}),
    ("ResetNetworkInterfaceAttribute", "NetworkInterfaceId", {"SourceDestCheck": "true"}),
    ("ModifyNetworkInterfaceAttribute", "NetworkInterfaceId", {"Description": {"Value": "x"}}),
    ("ModifyVpcEndpoint", "VpcEndpointId", {"ResetPolicy": True}),
]:
    ec2(operation, *NOT_FOUND[member], **{member: ABSENT[member]}, **more)
    prefix = ABSENT[member].split("-")[0]
    text = f'Invalid id: "{prefix}-Oops" (expecting "{prefix}-...")'
    ec2(operation, MALFORMED[member], text, **{member: f"{prefix}-Oops"}, **more)

for operation, member in [
    ("DescribeVpcs", "VpcId"),
    ("DescribeSubnets", "SubnetId"),
    ("DescribeSecurityGroups", "GroupId"),
    ("DescribeNetworkInterfaces", "NetworkInterfaceId"),
    ("DescribeVpcEndpoints", "VpcEndpointId"),
]:
    code, text = NOT_FOUND[member]
    text = text.replace(f"{{{member}}}", ABSENT[member])
    ec2(operation, code, text, **{f"{member}s": [ABSENT[member]]})

ec2(
    "DescribeSecurityGroupRules",
    "InvalidSecurityGroupRuleId.NotFound",
    "'sgr-0123456789abcdef0'",
    SecurityGroupRuleIds=["sgr-0123456789abcdef0"],
)
ec2("DescribeSecurityGroups", "InvalidGroup.NotFound", "'nothing'", GroupNames=["nothing"])
for operation in ("CreateTags", "DeleteTags"):
    text = f"The vpc ID '{ABSENT['VpcId']}' does not exist"
    ec2(operation, "InvalidVpcID.NotFound", text, Resources=[ABSENT["VpcId"]], Tags=TAGS)
    ec2(operation, "InvalidID", "The ID 'thing' is not valid", Resources=["thing"], Tags=TAGS)
ec2(
    "DescribeVpcEndpointServices",
    "InvalidServiceName",
    "The Vpc Endpoint Service 'com.amazonaws.us-west-2.nothing' does not exist",
    ServiceNames=["com.amazonaws.us-west-2.nothing"],
)
ec2(
    "DescribeAvailabilityZones",
    "InvalidParameterValue",
    "[us-west-2z]",
    ZoneNames=["us-west-2z"],
)
ec2("DescribeRegions", "InvalidParameterValue", "nowhere-1", RegionNames=["nowhere-1"])
ec2(
    "DescribeAccountAttributes",
    "InvalidParameterValue",
    "nothing",
    AttributeNames=["nothing"],
)


# Blocks of addresses

for text, code, block in [
    ("The CIDR '{CidrBlock}' is invalid.", "InvalidVpc.Range", "10.0.0.0/8"),
    ("The CIDR '{CidrBlock}' is invalid.", "InvalidVpc.Range", "10.0.0.0/29"),
    (
        "Value ({CidrBlock}) for parameter cidrBlock is invalid. This is not a valid CIDR block.",
        "InvalidParameterValue",
        "10.0.0/16",
    ),
]:
    ec2("CreateVpc", code, text, CidrBlock=block)


@fails("CreateSubnet", "InvalidSubnet.Range", "The CIDR '{CidrBlock}' is invalid.")
def subnet_outside(world):
    return {"VpcId": world.vpc()[0], "CidrBlock": "192.168.0.0/24"}


@fails(
    "CreateSubnet",
    "InvalidSubnet.Conflict",
    "The CIDR '{CidrBlock}' conflicts with another subnet",
)
def subnet_over_another(world):
    vpc, subnet = world.subnet()
    block = world.ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["CidrBlock"]
    return {"VpcId": vpc, "CidrBlock": block.replace("/24", "/25")}


text = (
    "Value (us-west-2z) for parameter availabilityZone is invalid. Subnets can currently only be "
    "created in the following availability zones: us-west-2a, us-west-2b"
)


@fails("CreateSubnet", "InvalidParameterValue", text)
def subnet_nowhere(world):
    vpc, base = world.vpc()
    return {"VpcId": vpc, "CidrBlock": f"{base}.1.0/24", "AvailabilityZone": "us-west-2z"}


@fails(
    "CreateNetworkInterface",
    "InvalidParameterValue",
    "Address does not fall within the subnet's address range",
)
def address_outside(world):
    return {"SubnetId": world.subnet()[1], "PrivateIpAddress": "192.168.0.9"}


def address(world, last):
    subnet = world.subnet()[1]
    block = world.ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["CidrBlock"]
    return {"SubnetId": subnet, "PrivateIpAddress": block.replace("0/24", str(last))}


# The network, the router, the resolver, one for later, and the broadcast address.
for last in (0, 1, 2, 3, 255):

    @fails(
        "CreateNetworkInterface",
        "InvalidParameterValue",
        "Address is in subnet's reserved address range",
    )
    def reserved_address(world, last=last):
        return address(world, last)


@fails(
    "CreateNetworkInterface", "InvalidIPAddress.InUse", "Address {PrivateIpAddress} is in use."
)
def address_in_use(world):
    given = address(world, 20)
    world.ec2.create_network_interface(**given)
    return given


@fails("CreateNetworkInterface", "InsufficientFreeAddressesInSubnet", "{SubnetId}")
def no_address_left(world):
    vpc, base = world.vpc()
    made = world.ec2.create_subnet(VpcId=vpc, CidrBlock=f"{base}.1.0/28")["Subnet"]
    for _ in range(made["AvailableIpAddressCount"]):
        world.ec2.create_network_interface(SubnetId=made["SubnetId"])
    return {"SubnetId": made["SubnetId"]}


# What is in use


@fails(
    "DeleteVpc",
    "DependencyViolation",
    "The vpc '{VpcId}' has dependencies and cannot be deleted.",
)
def vpc_with_subnet(world):
    return {"VpcId": world.subnet()[0]}


@fails(
    "DeleteSubnet",
    "DependencyViolation",
    "The subnet '{SubnetId}' has dependencies and cannot be deleted.",
)
def subnet_with_interface(world):
    subnet = world.subnet()[1]
    world.ec2.create_network_interface(SubnetId=subnet)
    return {"SubnetId": subnet}


@fails(
    "DeleteSecurityGroup", "DependencyViolation", "resource {GroupId} has a dependent object"
)
def group_of_interface(world):
    vpc, subnet = world.subnet()
    given = {"VpcId": vpc, "GroupName": world.name("group"), "Description": "x"}
    group = world.ec2.create_security_group(**given)["GroupId"]
    world.ec2.create_network_interface(SubnetId=subnet, Groups=[group])
    return {"GroupId": group}


@fails(
    "DeleteSecurityGroup", "DependencyViolation", "resource {GroupId} has a dependent object"
)
def group_named_by_another(world):
    group = world.security_group()
    vpc = world.ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["VpcId"]
    given = {"VpcId": vpc, "GroupName": world.name("group"), "Description": "x"}
    other = world.ec2.create_security_group(**given)["GroupId"]
    rule = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": group}]}
    world.ec2.authorize_security_group_ingress(GroupId=other, IpPermissions=[rule])
    return {"GroupId": group}


def default_group(world):
    vpc = world.vpc()[0]
    within = [{"Name": "vpc-id", "Values": [vpc]}]
    return world.ec2.describe_security_groups(Filters=within)["SecurityGroups"][0]["GroupId"]


text = 'the specified group: "{GroupId}" name: "default" cannot be deleted by a user'


@fails("DeleteSecurityGroup", "CannotDelete", text)
def delete_default_group(world):
    return {"GroupId": default_group(world)}


def endpoint_interface(world):
    endpoint = world.endpoint()
    found = world.ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"][0]
    return {"NetworkInterfaceId": found["NetworkInterfaceIds"][0]}


text = "Network interface '{NetworkInterfaceId}' is currently in use."
fails("DeleteNetworkInterface", "InvalidParameterValue", text)(endpoint_interface)


@fails(
    "ModifyNetworkInterfaceAttribute",
    "AuthFailure",
    "You do not have permission to access the specified resource.",
)
def interface_of_endpoint(world):
    return {**endpoint_interface(world), "Description": {"Value": "mine"}}


# Security groups


@fails(
    "CreateSecurityGroup",
    "InvalidGroup.Duplicate",
    "The security group '{GroupName}' already exists for VPC '{VpcId}'",
)
def same_group(world):
    given = {"VpcId": world.vpc()[0], "GroupName": world.name("group"), "Description": "x"}
    world.ec2.create_security_group(**given)
    return given


ec2(
    "CreateSecurityGroup",
    "InvalidParameterValue",
    "Cannot use reserved security group name: default",
    GroupName="default",
    Description="x",
)
ec2(
    "CreateSecurityGroup",
    "InvalidParameterValue",
    "Group names may not begin with 'sg-'.",
    GroupName="sg-mine",
    Description="x",
)


@fails(
    "ModifySecurityGroupRules",
    "InvalidSecurityGroupRuleId.NotFound",
    "The security group rule ID 'sgr-0123456789abcdef0' does not exist",
)
def no_rule_to_change(world):
    to = {"IpProtocol": "-1", "CidrIpv4": "10.0.0.0/8"}
    update = {"SecurityGroupRuleId": "sgr-0123456789abcdef0", "SecurityGroupRule": to}
    return {"GroupId": world.security_group(), "SecurityGroupRules": [update]}


for way in ("Ingress", "Egress"):
    authorize, revoke = f"AuthorizeSecurityGroup{way}", f"RevokeSecurityGroup{way}"
    text = 'the specified rule "peer: 10.0.0.0/8, TCP, from port: 443, to port: 443, ALLOW" already exists'

    @fails(authorize, "InvalidPermission.Duplicate", text)
    def same_rule(world, way=way):
        given = {"GroupId": world.security_group(), "IpPermissions": PERMISSION}
        getattr(world.ec2, f"authorize_security_group_{way.lower()}")(**given)
        return given

    text = "The specified rule does not exist in this security group."
    describe = f"UpdateSecurityGroupRuleDescriptions{way}"

    @fails(revoke, "InvalidPermission.NotFound", text)
    @fails(describe, "InvalidPermission.NotFound", text)
    def no_such_rule(world):
        return {"GroupId": world.security_group(), "IpPermissions": PERMISSION}

    text = "Either IpPermissions or SecurityGroupRuleDescriptions must be given."

    @fails(describe, "MissingParameter", text)
    def nothing_to_describe(world):
        return {"GroupId": world.security_group()}

    @fails(
        authorize,
        "RulesPerSecurityGroupLimitExceeded",
        "The maximum number of rules per security group has been reached.",
    )
    def too_many_rules(world):
        ranges = [{"CidrIp": f"10.0.{number}.0/24"} for number in range(61)]
        rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": ranges}
        return {"GroupId": world.security_group(), "IpPermissions": [rule]}

    @fails(authorize, "InvalidParameterValue", "CIDR block 10.0.0.0/33 is malformed")
    def no_block(world):
        rule = {**PERMISSION[0], "IpRanges": [{"CidrIp": "10.0.0.0/33"}]}
        return {"GroupId": world.security_group(), "IpPermissions": [rule]}

    @fails(
        authorize,
        "InvalidGroup.NotFound",
        f"The security group '{ABSENT['GroupId']}' does not exist",
    )
    def no_group_in_rule(world):
        rule = {"IpProtocol": "-1", "UserIdGroupPairs": [{"GroupId": ABSENT["GroupId"]}]}
        return {"GroupId": world.security_group(), "IpPermissions": [rule]}

    @fails(authorize, "MissingParameter", "The request must contain the parameter")
    def no_rule(world):
        return {"GroupId": world.security_group()}


# Attributes


@fails("ModifyVpcAttribute", "InvalidParameterCombination", "one attribute")
def two_attributes(world):
    on = {"Value": True}
    return {"VpcId": world.vpc()[0], "EnableDnsSupport": on, "EnableDnsHostnames": on}


@fails(
    "DescribeVpcAttribute",
    "InvalidParameterValue",
    "Value ( nothing ) for parameter attribute is invalid.",
)
def no_such_attribute(world):
    return {"VpcId": world.vpc()[0], "Attribute": "nothing"}


@fails("ModifySubnetAttribute", "MissingParameter", "The request must contain the parameter")
def no_attribute(world):
    return {"SubnetId": world.subnet()[1]}


@fails(
    "ModifyNetworkInterfaceAttribute",
    "SecurityGroupsPerInterfaceLimitExceeded",
    "The maximum number of security groups per interface has been reached.",
)
def too_many_groups(world):
    vpc, subnet = world.subnet()
    groups = [
        world.ec2.create_security_group(
            VpcId=vpc, GroupName=world.name("group"), Description="x"
        )["GroupId"]
        for _ in range(6)
    ]
    made = world.ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]
    return {"NetworkInterfaceId": made["NetworkInterfaceId"], "Groups": groups}


@fails("ModifyNetworkInterfaceAttribute", "InvalidSecurityGroupID.NotFound", ABSENT["GroupId"])
def no_such_group(world):
    return {"NetworkInterfaceId": interface(world), "Groups": [ABSENT["GroupId"]]}


# Limits


@fails("CreateVpc", "VpcLimitExceeded", "The maximum number of VPCs has been reached.")
def sixth_vpc(world):
    world.clear()
    while len(world.ec2.describe_vpcs()["Vpcs"]) < 5:
        world.ec2.create_vpc(CidrBlock="10.0.0.0/16")
    return {"CidrBlock": "10.0.0.0/16"}


@fails(
    "CreateTags",
    "TagLimitExceeded",
    "The maximum number of Tags for a resource has been reached.",
)
def too_many_tags(world):
    vpc = world.vpc()[0]
    tags = [{"Key": f"k{number}", "Value": ""} for number in range(50)]
    world.ec2.create_tags(Resources=[vpc], Tags=tags)
    return {"Resources": [vpc], "Tags": [{"Key": "one-more", "Value": ""}]}


text = "Tag keys starting with 'aws:' are reserved for internal use"


@fails("CreateTags", "InvalidParameterValue", text)
def reserved_tag(world):
    return {"Resources": [world.vpc()[0]], "Tags": [{"Key": "aws:team", "Value": "x"}]}


ec2(
    "CreateVpc",
    "InvalidParameterValue",
    "'subnet' is not a valid taggable resource type for this operation.",
    CidrBlock="10.0.0.0/16",
    TagSpecifications=tagged("subnet"),
)


# Filters and pages

for operation in (
    "DescribeVpcs",
    "DescribeSubnets",
    "DescribeSecurityGroups",
    "DescribeSecurityGroupRules",
    "DescribeNetworkInterfaces",
    "DescribeVpcEndpoints",
    "DescribeVpcEndpointServices",
    "DescribePrefixLists",
    "DescribeTags",
    "DescribeAvailabilityZones",
    "DescribePrefixLists",
    "DescribeRegions",
):
    wrong = [{"Name": "colour", "Values": ["red"]}]
    ec2(operation, "InvalidParameterValue", "The filter 'colour' is invalid", Filters=wrong)

for operation in (
    "DescribeVpcs",
    "DescribeSubnets",
    "DescribeSecurityGroups",
    "DescribeSecurityGroupRules",
    "DescribeNetworkInterfaces",
    "DescribeVpcEndpoints",
    "DescribeVpcEndpointServices",
    "DescribePrefixLists",
    "DescribeTags",
):
    ec2(operation, "InvalidNextToken", "", MaxResults=10, NextToken="bm90IG9mIG91cnM=")

for operation in ("DescribeVpcs", "DescribeSubnets", "DescribeSecurityGroups"):
    text = "Value ( 4 ) for parameter maxResults is invalid. Expecting a value greater than 5."
    ec2(operation, "InvalidParameterValue", text, MaxResults=4)
