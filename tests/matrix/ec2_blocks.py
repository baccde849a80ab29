"""EC2: the blocks of VPCs and subnets."""

import ipaddress

from matrix import entry


def dual(world):
    """A VPC with an IPv6 block, its IPv4 base, and the blocks that its subnets can have."""
    vpc, base = world.vpc()
    made = world.ec2.associate_vpc_cidr_block(VpcId=vpc, AmazonProvidedIpv6CidrBlock=True)
    block = made["Ipv6CidrBlockAssociation"]["Ipv6CidrBlock"]
    blocks = ipaddress.IPv6Network(block).subnets(new_prefix=64)
    return vpc, base, [str(block) for block in blocks]


def dual_subnet(world):
    """A subnet with an IPv6 block, as DescribeSubnets shows it."""
    vpc, base, blocks = dual(world)
    return world.ec2.create_subnet(
        VpcId=vpc,
        CidrBlock=f"{base}.1.0/24",
        Ipv6CidrBlock=blocks[1],
        AvailabilityZone="us-west-2a",
    )["Subnet"]


@entry("ec2", "AssociateVpcCidrBlock")
def associate_vpc_cidr_block(world):
    return {"VpcId": world.vpc()[0], "CidrBlock": "100.64.0.0/16"}


@entry("ec2", "DisassociateVpcCidrBlock")
def disassociate_vpc_cidr_block(world):
    made = world.ec2.associate_vpc_cidr_block(**associate_vpc_cidr_block(world))
    return {"AssociationId": made["CidrBlockAssociation"]["AssociationId"]}


@entry("ec2", "AssociateSubnetCidrBlock")
def associate_subnet_cidr_block(world):
    vpc, base, blocks = dual(world)
    subnet = world.ec2.create_subnet(VpcId=vpc, CidrBlock=f"{base}.1.0/24")["Subnet"]
    return {"SubnetId": subnet["SubnetId"], "Ipv6CidrBlock": blocks[1]}


@entry("ec2", "DisassociateSubnetCidrBlock")
def disassociate_subnet_cidr_block(world):
    own = dual_subnet(world)["Ipv6CidrBlockAssociationSet"][0]
    return {"AssociationId": own["AssociationId"]}


# Addresses of interfaces


def interface(world):
    """A network interface with a second private address and an IPv6 address."""
    return world.ec2.create_network_interface(
        SubnetId=dual_subnet(world)["SubnetId"],
        SecondaryPrivateIpAddressCount=1,
        Ipv6AddressCount=1,
    )["NetworkInterface"]


@entry("ec2", "AssignPrivateIpAddresses")
def assign_private_ip_addresses(world):
    own = interface(world)["NetworkInterfaceId"]
    return {"NetworkInterfaceId": own, "SecondaryPrivateIpAddressCount": 1}


@entry("ec2", "UnassignPrivateIpAddresses")
def unassign_private_ip_addresses(world):
    own = interface(world)
    address = own["PrivateIpAddresses"][1]["PrivateIpAddress"]
    return {"NetworkInterfaceId": own["NetworkInterfaceId"], "PrivateIpAddresses": [address]}


@entry("ec2", "AssignIpv6Addresses")
def assign_ipv6_addresses(world):
    return {"NetworkInterfaceId": interface(world)["NetworkInterfaceId"], "Ipv6AddressCount": 1}


@entry("ec2", "UnassignIpv6Addresses")
def unassign_ipv6_addresses(world):
    own = interface(world)
    address = own["Ipv6Addresses"][0]["Ipv6Address"]
    return {"NetworkInterfaceId": own["NetworkInterfaceId"], "Ipv6Addresses": [address]}
