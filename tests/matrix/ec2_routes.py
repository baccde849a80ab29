"""EC2: route tables and gateways."""

from matrix import entry
from matrix.ec2 import tagged


def table(world):
    """A route table, and the VPC that it is in."""
    vpc, _ = world.vpc()
    made = world.ec2.create_route_table(VpcId=vpc)
    return vpc, made["RouteTable"]["RouteTableId"]


def associated(world):
    """A subnet's route table, the subnet, and what associates them."""
    vpc, subnet = world.subnet()
    table = world.ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    made = world.ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    return table, subnet, made["AssociationId"]


def gateway(world):
    """An internet gateway that is attached to nothing."""
    world.clear()
    return world.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]


def attached(world):
    """A VPC with an internet gateway."""
    vpc, _ = world.vpc()
    made = world.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    world.ec2.attach_internet_gateway(VpcId=vpc, InternetGatewayId=made)
    return {"VpcId": vpc, "InternetGatewayId": made}


def leading_out(world):
    """A route of everything to an internet gateway."""
    given = attached(world)
    table = world.ec2.create_route_table(VpcId=given["VpcId"])["RouteTable"]["RouteTableId"]
    return {
        "RouteTableId": table,
        "DestinationCidrBlock": "0.0.0.0/0",
        "GatewayId": given["InternetGatewayId"],
    }


@entry("ec2", "CreateRouteTable", needs=["ec2:CreateRouteTable", "ec2:CreateTags"])
def create_route_table(world):
    return {"VpcId": world.vpc()[0], "TagSpecifications": tagged("route-table")}


@entry("ec2", "DescribeRouteTables")
def describe_route_tables(world):
    return {}


@entry("ec2", "DeleteRouteTable")
def delete_route_table(world):
    return {"RouteTableId": table(world)[1]}


@entry("ec2", "AssociateRouteTable")
def associate_route_table(world):
    vpc, subnet = world.subnet()
    made = world.ec2.create_route_table(VpcId=vpc)
    return {"RouteTableId": made["RouteTable"]["RouteTableId"], "SubnetId": subnet}


@entry("ec2", "DisassociateRouteTable")
def disassociate_route_table(world):
    return {"AssociationId": associated(world)[2]}


@entry("ec2", "ReplaceRouteTableAssociation")
def replace_route_table_association(world):
    old, _, association = associated(world)
    vpc = world.ec2.describe_route_tables(RouteTableIds=[old])["RouteTables"][0]["VpcId"]
    new = world.ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    return {"AssociationId": association, "RouteTableId": new}


@entry("ec2", "CreateRoute")
def create_route(world):
    return leading_out(world)


@entry("ec2", "ReplaceRoute")
def replace_route(world):
    given = leading_out(world)
    world.ec2.create_route(**given)
    return given


@entry("ec2", "DeleteRoute")
def delete_route(world):
    given = replace_route(world)
    del given["GatewayId"]
    return given


@entry(
    "ec2", "CreateInternetGateway", needs=["ec2:CreateInternetGateway", "ec2:CreateTags"]
)
def create_internet_gateway(world):
    world.clear()
    return {"TagSpecifications": tagged("internet-gateway")}


@entry("ec2", "DescribeInternetGateways")
def describe_internet_gateways(world):
    return {}


@entry("ec2", "AttachInternetGateway")
def attach_internet_gateway(world):
    vpc, _ = world.vpc()
    made = world.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    return {"VpcId": vpc, "InternetGatewayId": made}


@entry("ec2", "DetachInternetGateway")
def detach_internet_gateway(world):
    return attached(world)


@entry("ec2", "DeleteInternetGateway")
def delete_internet_gateway(world):
    return {"InternetGatewayId": gateway(world)}


# Public addresses


def clear_addresses(world):
    """An account has few addresses: those of earlier entries go."""
    for gateway in world.ec2.describe_nat_gateways()["NatGateways"]:
        if gateway["State"] != "deleted":
            world.ec2.delete_nat_gateway(NatGatewayId=gateway["NatGatewayId"])
    for address in world.ec2.describe_addresses()["Addresses"]:
        if "AssociationId" in address:
            world.ec2.disassociate_address(AssociationId=address["AssociationId"])
        world.ec2.release_address(AllocationId=address["AllocationId"])


def address(world):
    clear_addresses(world)
    return world.ec2.allocate_address(Domain="vpc")["AllocationId"]


def public_subnet(world):
    """A subnet of a VPC with an internet gateway."""
    clear_addresses(world)
    vpc, subnet = world.subnet()
    made = world.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    world.ec2.attach_internet_gateway(VpcId=vpc, InternetGatewayId=made)
    return vpc, subnet


@entry("ec2", "AllocateAddress", needs=["ec2:AllocateAddress", "ec2:CreateTags"])
def allocate_address(world):
    clear_addresses(world)
    return {"Domain": "vpc", "TagSpecifications": tagged("elastic-ip")}


@entry("ec2", "DescribeAddresses")
def describe_addresses(world):
    return {}


@entry("ec2", "DescribeAddressesAttribute")
def describe_addresses_attribute(world):
    return {"AllocationIds": [address(world)], "Attribute": "domain-name"}


@entry("ec2", "ReleaseAddress")
def release_address(world):
    return {"AllocationId": address(world)}


@entry("ec2", "AssociateAddress")
def associate_address(world):
    _, subnet = public_subnet(world)
    interface = world.ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]
    return {
        "AllocationId": address(world),
        "NetworkInterfaceId": interface["NetworkInterfaceId"],
    }


@entry("ec2", "DisassociateAddress")
def disassociate_address(world):
    made = world.ec2.associate_address(**associate_address(world))
    return {"AssociationId": made["AssociationId"]}


@entry("ec2", "CreateNatGateway", needs=["ec2:CreateNatGateway", "ec2:CreateTags"])
def create_nat_gateway(world):
    _, subnet = public_subnet(world)
    return {
        "SubnetId": subnet,
        "AllocationId": address(world),
        "TagSpecifications": tagged("natgateway"),
    }


@entry("ec2", "DescribeNatGateways")
def describe_nat_gateways(world):
    return {}


@entry("ec2", "DeleteNatGateway")
def delete_nat_gateway(world):
    made = world.ec2.create_nat_gateway(**create_nat_gateway(world))
    return {"NatGatewayId": made["NatGateway"]["NatGatewayId"]}


# Egress-only internet gateways


@entry("ec2", "CreateEgressOnlyInternetGateway")
def create_egress_only_internet_gateway(world):
    return {"VpcId": world.vpc()[0]}


@entry("ec2", "DescribeEgressOnlyInternetGateways")
def describe_egress_only_internet_gateways(world):
    return {}


@entry("ec2", "DeleteEgressOnlyInternetGateway")
def delete_egress_only_internet_gateway(world):
    made = world.ec2.create_egress_only_internet_gateway(VpcId=world.vpc()[0])
    made = made["EgressOnlyInternetGateway"]["EgressOnlyInternetGatewayId"]
    return {"EgressOnlyInternetGatewayId": made}
