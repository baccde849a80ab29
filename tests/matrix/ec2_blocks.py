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
