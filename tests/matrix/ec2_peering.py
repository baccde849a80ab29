"""EC2: peering connections."""

from matrix import entry
from matrix.ec2 import tagged


def two_vpcs(world):
    """Two VPCs, the second of which is the one that may be asked."""
    vpc, _ = world.vpc()
    peer = world.ec2.create_vpc(CidrBlock="10.240.0.0/16")["Vpc"]["VpcId"]
    return vpc, peer


def requested(world):
    """A request that waits."""
    vpc, peer = two_vpcs(world)
    made = world.ec2.create_vpc_peering_connection(VpcId=vpc, PeerVpcId=peer)
    return made["VpcPeeringConnection"]["VpcPeeringConnectionId"]


def active(world):
    """An active connection."""
    made = requested(world)
    world.ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=made)
    return made


@entry(
    "ec2",
    "CreateVpcPeeringConnection",
    needs=["ec2:CreateVpcPeeringConnection", "ec2:CreateTags"],
)
def create_vpc_peering_connection(world):
    vpc, peer = two_vpcs(world)
    return {
        "VpcId": vpc,
        "PeerVpcId": peer,
        "TagSpecifications": tagged("vpc-peering-connection"),
    }


@entry("ec2", "AcceptVpcPeeringConnection")
def accept_vpc_peering_connection(world):
    return {"VpcPeeringConnectionId": requested(world)}


@entry("ec2", "RejectVpcPeeringConnection")
def reject_vpc_peering_connection(world):
    return {"VpcPeeringConnectionId": requested(world)}


@entry("ec2", "DeleteVpcPeeringConnection")
def delete_vpc_peering_connection(world):
    return {"VpcPeeringConnectionId": active(world)}


@entry("ec2", "DescribeVpcPeeringConnections")
def describe_vpc_peering_connections(world):
    return {}


@entry("ec2", "ModifyVpcPeeringConnectionOptions")
def modify_vpc_peering_connection_options(world):
    return {
        "VpcPeeringConnectionId": active(world),
        "AccepterPeeringConnectionOptions": {"AllowDnsResolutionFromRemoteVpc": False},
    }


@entry("ec2", "DescribeSecurityGroupReferences")
def describe_security_group_references(world):
    return {"GroupId": [world.security_group()]}


@entry("ec2", "DescribeStaleSecurityGroups")
def describe_stale_security_groups(world):
    return {"VpcId": world.vpc()[0]}
