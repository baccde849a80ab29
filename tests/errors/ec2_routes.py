"""EC2: route tables and gateways."""

from errors.ec2 import ec2, fails
from matrix import ec2_routes as made

TABLE = "rtb-0123456789abcdef0"
GATEWAY = "igw-0123456789abcdef0"
VPC = "vpc-0123456789abcdef0"
OUT = {"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": GATEWAY}

# What does not exist, and what is no id at all

for operation, more in [
    ("DeleteRouteTable", {}),
    ("CreateRoute", OUT),
    ("ReplaceRoute", OUT),
    ("DeleteRoute", {"DestinationCidrBlock": "0.0.0.0/0"}),
]:
    text = "The routeTable ID '{RouteTableId}' does not exist"
    ec2(operation, "InvalidRouteTableID.NotFound", text, RouteTableId=TABLE, **more)
    text = 'Invalid id: "rtb-Oops" (expecting "rtb-...")'
    ec2(operation, "InvalidRouteTableId.Malformed", text, RouteTableId="rtb-Oops", **more)

for operation, more in [
    ("DeleteInternetGateway", {}),
    ("AttachInternetGateway", {"VpcId": VPC}),
    ("DetachInternetGateway", {"VpcId": VPC}),
]:
    text = "The internetGateway ID '{InternetGatewayId}' does not exist"
    code = "InvalidInternetGatewayID.NotFound"
    ec2(operation, code, text, InternetGatewayId=GATEWAY, **more)
    text = 'Invalid id: "igw-Oops" (expecting "igw-...")'
    code = "InvalidInternetGatewayId.Malformed"
    ec2(operation, code, text, InternetGatewayId="igw-Oops", **more)

ec2("DescribeRouteTables", "InvalidRouteTableID.NotFound", TABLE, RouteTableIds=[TABLE])
ec2(
    "DescribeInternetGateways",
    "InvalidInternetGatewayID.NotFound",
    GATEWAY,
    InternetGatewayIds=[GATEWAY],
)
ec2("CreateRouteTable", "InvalidVpcID.NotFound", VPC, VpcId=VPC)
for operation, more in [
    ("DisassociateRouteTable", {}),
    ("ReplaceRouteTableAssociation", {"RouteTableId": TABLE}),
]:
    text = "The association ID '{AssociationId}' does not exist"
    code = "InvalidAssociationID.NotFound"
    ec2(operation, code, text, AssociationId="rtbassoc-0123456789abcdef0", **more)

for operation in ("DescribeRouteTables", "DescribeInternetGateways"):
    wrong = [{"Name": "colour", "Values": ["red"]}]
    ec2(operation, "InvalidParameterValue", "The filter 'colour' is invalid", Filters=wrong)
    ec2(operation, "InvalidNextToken", "", MaxResults=10, NextToken="bm90IG9mIG91cnM=")


# Associations


@fails(
    "AssociateRouteTable",
    "Resource.AlreadyAssociated",
    "the specified association for route table {RouteTableId} conflicts with an existing "
    "association",
)
def second_table(world):
    table, subnet, _ = made.associated(world)
    vpc = world.ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["VpcId"]
    other = world.ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    return {"RouteTableId": other, "SubnetId": subnet}


def main(world):
    """The main table of a VPC."""
    vpc, _ = world.vpc()
    within = [{"Name": "vpc-id", "Values": [vpc]}]
    return world.ec2.describe_route_tables(Filters=within)["RouteTables"][0]


@fails(
    "DisassociateRouteTable",
    "InvalidParameterValue",
    "cannot disassociate the main route table association {AssociationId}",
)
def main_association(world):
    return {"AssociationId": main(world)["Associations"][0]["RouteTableAssociationId"]}


text = "The routeTable '{RouteTableId}' has dependencies and cannot be deleted."


@fails("DeleteRouteTable", "DependencyViolation", text)
def table_of_subnet(world):
    return {"RouteTableId": made.associated(world)[0]}


@fails("DeleteRouteTable", "DependencyViolation", text)
def main_of_vpc(world):
    return {"RouteTableId": main(world)["RouteTableId"]}


text = "The vpc '{VpcId}' has dependencies and cannot be deleted."


@fails("DeleteVpc", "DependencyViolation", text)
def vpc_with_table(world):
    return {"VpcId": made.table(world)[0]}


@fails("DeleteVpc", "DependencyViolation", text)
def vpc_with_gateway(world):
    return {"VpcId": made.attached(world)["VpcId"]}


# Routes


@fails(
    "CreateRoute",
    "RouteAlreadyExists",
    "The route identified by {DestinationCidrBlock} already exists.",
)
def same_route(world):
    return made.replace_route(world)


@fails("CreateRoute", "InvalidGatewayID.NotFound", "The gateway ID '{GatewayId}' does not exist")
def to_no_gateway(world):
    return {"RouteTableId": made.table(world)[1], **OUT}


@fails(
    "CreateRoute",
    "InvalidParameterValue",
    "route table {RouteTableId} and network gateway {GatewayId} belong to different networks",
)
def to_another_vpcs_gateway(world):
    given = made.leading_out(world)
    vpc = world.ec2.create_vpc(CidrBlock="10.240.0.0/16")["Vpc"]["VpcId"]
    table = world.ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    return {**given, "RouteTableId": table}


@fails(
    "CreateRoute",
    "InvalidParameterValue",
    "The destination CIDR block {DestinationCidrBlock} is equal to or more specific than one of this "
    "VPC's CIDR blocks. This route can target only an interface or an instance.",
)
def within_the_vpc(world):
    given = made.leading_out(world)
    table = world.ec2.describe_route_tables(RouteTableIds=[given["RouteTableId"]])
    local = table["RouteTables"][0]["Routes"][0]["DestinationCidrBlock"]
    return {**given, "DestinationCidrBlock": local.replace("/16", "/24")}


@fails(
    "ReplaceRoute",
    "InvalidParameterValue",
    "There is no route defined for '{DestinationCidrBlock}' in the route table.",
)
def replace_nothing(world):
    return made.leading_out(world)


@fails(
    "DeleteRoute",
    "InvalidRoute.NotFound",
    "no route with destination-cidr-block {DestinationCidrBlock} in route table {RouteTableId}",
)
def delete_nothing(world):
    return {"RouteTableId": made.table(world)[1], "DestinationCidrBlock": "0.0.0.0/0"}


@fails(
    "DeleteRoute",
    "InvalidParameterValue",
    "cannot remove local route {DestinationCidrBlock} in route table {RouteTableId}",
)
def delete_local(world):
    table = main(world)
    return {
        "RouteTableId": table["RouteTableId"],
        "DestinationCidrBlock": table["Routes"][0]["DestinationCidrBlock"],
    }


# Internet gateways


@fails(
    "AttachInternetGateway",
    "Resource.AlreadyAssociated",
    "resource {InternetGatewayId} is already attached to network {VpcId}",
)
def attach_again(world):
    return made.attached(world)


@fails(
    "AttachInternetGateway",
    "InvalidParameterValue",
    "Network {VpcId} already has an internet gateway attached",
)
def second_gateway(world):
    given = made.attached(world)
    other = world.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    return {**given, "InternetGatewayId": other}


@fails(
    "DetachInternetGateway",
    "Gateway.NotAttached",
    "resource {InternetGatewayId} is not attached to network {VpcId}",
)
def detach_again(world):
    given = made.attached(world)
    world.ec2.detach_internet_gateway(**given)
    return given


@fails(
    "DeleteInternetGateway",
    "DependencyViolation",
    "The internetGateway '{InternetGatewayId}' has dependencies and cannot be deleted.",
)
def delete_attached(world):
    return {"InternetGatewayId": made.attached(world)["InternetGatewayId"]}


@fails(
    "CreateInternetGateway",
    "InternetGatewayLimitExceeded",
    "The maximum number of internet gateways has been reached.",
)
def too_many_gateways(world):
    world.clear()
    while len(world.ec2.describe_internet_gateways()["InternetGateways"]) < 5:
        world.ec2.create_internet_gateway()
    return {}


# Public addresses

ADDRESS = "eipalloc-0123456789abcdef0"
NAT = "nat-0123456789abcdef0"
EGRESS_ONLY = "eigw-0123456789abcdef0"
SUBNET = "subnet-0123456789abcdef0"

for operation, more in [
    ("ReleaseAddress", {}),
    ("AssociateAddress", {"NetworkInterfaceId": "eni-0123456789abcdef0"}),
]:
    text = "The allocation ID '{AllocationId}' does not exist"
    ec2(operation, "InvalidAllocationID.NotFound", text, AllocationId=ADDRESS, **more)
for operation in ("DescribeAddresses", "DescribeAddressesAttribute"):
    ec2(operation, "InvalidAllocationID.NotFound", ADDRESS, AllocationIds=[ADDRESS])
ec2(
    "DescribeAddresses",
    "InvalidAddress.NotFound",
    "Address '192.0.2.1' not found.",
    PublicIps=["192.0.2.1"],
)
ec2(
    "ReleaseAddress",
    "InvalidParameterValue",
    "You must specify an allocation id when releasing a VPC elastic IP address",
    PublicIp="192.0.2.1",
)
ec2(
    "DisassociateAddress",
    "InvalidAssociationID.NotFound",
    "The association ID '{AssociationId}' does not exist",
    AssociationId="eipassoc-0123456789abcdef0",
)


@fails(
    "AllocateAddress",
    "AddressLimitExceeded",
    "The maximum number of addresses has been reached.",
)
def too_many_addresses(world):
    made.clear_addresses(world)
    for _ in range(5):
        world.ec2.allocate_address()
    return {}


@fails("ReleaseAddress", "InvalidIPAddress.InUse", "Address {_address} is in use.")
def release_held(world):
    given = made.associate_address(world)
    world.ec2.associate_address(**given)
    found = world.ec2.describe_addresses(AllocationIds=[given["AllocationId"]])["Addresses"][0]
    return {"AllocationId": given["AllocationId"], "_address": found["PublicIp"]}


@fails(
    "AssociateAddress",
    "Resource.AlreadyAssociated",
    "resource {AllocationId} is already associated with associate-id eipassoc-",
)
def associate_held(world):
    given = made.associate_address(world)
    world.ec2.associate_address(**given)
    first = world.ec2.describe_network_interfaces(
        NetworkInterfaceIds=[given["NetworkInterfaceId"]]
    )["NetworkInterfaces"][0]
    other = world.ec2.create_network_interface(SubnetId=first["SubnetId"])["NetworkInterface"]
    return {**given, "NetworkInterfaceId": other["NetworkInterfaceId"]}


@fails(
    "AssociateAddress",
    "Gateway.NotAttached",
    "Network {_vpc} is not attached to any internet gateway",
)
def associate_without_gateway(world):
    own = made.address(world)
    vpc, subnet = world.subnet()
    interface = world.ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]
    return {
        "AllocationId": own,
        "NetworkInterfaceId": interface["NetworkInterfaceId"],
        "_vpc": vpc,
    }


@fails(
    "DetachInternetGateway",
    "DependencyViolation",
    "Network {VpcId} has some mapped public address(es). Please unmap those public address(es) "
    "before detaching the gateway.",
)
def detach_with_addresses(world):
    given = made.associate_address(world)
    world.ec2.associate_address(**given)
    gateway = [
        gateway
        for gateway in world.ec2.describe_internet_gateways()["InternetGateways"]
        if gateway["Attachments"]
    ]
    interface = world.ec2.describe_network_interfaces(
        NetworkInterfaceIds=[given["NetworkInterfaceId"]]
    )["NetworkInterfaces"][0]
    own = [one for one in gateway if one["Attachments"][0]["VpcId"] == interface["VpcId"]]
    return {"VpcId": interface["VpcId"], "InternetGatewayId": own[0]["InternetGatewayId"]}


# NAT gateways

text = "NatGateway {NatGatewayId} was not found"
ec2("DeleteNatGateway", "NatGatewayNotFound", text, NatGatewayId=NAT)
ec2("DescribeNatGateways", "NatGatewayNotFound", NAT, NatGatewayIds=[NAT])
ec2(
    "CreateNatGateway",
    "InvalidSubnetID.NotFound",
    "The subnet ID '{SubnetId}' does not exist",
    SubnetId=SUBNET,
    AllocationId=ADDRESS,
)


@fails("CreateNatGateway", "InvalidAllocationID.NotFound", "'{AllocationId}' does not exist")
def nat_without_such_address(world):
    return {"SubnetId": world.subnet()[1], "AllocationId": ADDRESS}


@fails(
    "CreateNatGateway",
    "MissingParameter",
    "The request must include the AllocationId parameter.",
)
def public_nat_without_address(world):
    return {"SubnetId": world.subnet()[1]}


def held_by_nat(world):
    given = made.create_nat_gateway(world)
    nat = world.ec2.create_nat_gateway(**given)["NatGateway"]["NatGatewayId"]
    found = world.ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]
    assert found["State"] == "available", found
    return found["NatGatewayAddresses"][0]


@fails(
    "DisassociateAddress",
    "AuthFailure",
    "You do not have permission to access the specified resource.",
)
def take_from_nat(world):
    return {"AssociationId": held_by_nat(world)["AssociationId"]}


@fails(
    "DeleteNetworkInterface",
    "InvalidParameterValue",
    "Network interface '{NetworkInterfaceId}' is currently in use.",
)
def interface_of_nat(world):
    return {"NetworkInterfaceId": held_by_nat(world)["NetworkInterfaceId"]}


# Egress-only internet gateways

for operation, given in [
    ("DeleteEgressOnlyInternetGateway", {"EgressOnlyInternetGatewayId": EGRESS_ONLY}),
    ("DescribeEgressOnlyInternetGateways", {"EgressOnlyInternetGatewayIds": [EGRESS_ONLY]}),
]:
    ec2(operation, "InvalidEgressOnlyInternetGatewayId.NotFound", EGRESS_ONLY, **given)
ec2("CreateEgressOnlyInternetGateway", "InvalidVpcID.NotFound", VPC, VpcId=VPC)

for operation, member in [
    ("DescribeAddresses", "Filters"),
    ("DescribeNatGateways", "Filters"),
    ("DescribeEgressOnlyInternetGateways", "Filters"),
]:
    wrong = {member: [{"Name": "colour", "Values": ["red"]}]}
    ec2(operation, "InvalidParameterValue", "The filter 'colour' is invalid", **wrong)
for operation in (
    "DescribeAddressesAttribute",
    "DescribeNatGateways",
    "DescribeEgressOnlyInternetGateways",
):
    ec2(operation, "InvalidNextToken", "", MaxResults=10, NextToken="bm90IG9mIG91cnM=")
