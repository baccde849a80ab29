"""EC2: peering connections."""

from errors.ec2 import ec2, fails
from matrix import ec2_peering as made

VPC = "vpc-0123456789abcdef0"
CONNECTION = "pcx-0123456789abcdef0"
NAMES = {"AccepterPeeringConnectionOptions": {"AllowDnsResolutionFromRemoteVpc": True}}

# What does not exist, and what is no id at all

for operation, more in [
    ("AcceptVpcPeeringConnection", {}),
    ("RejectVpcPeeringConnection", {}),
    ("DeleteVpcPeeringConnection", {}),
    ("ModifyVpcPeeringConnectionOptions", NAMES),
]:
    text = "The vpcPeeringConnection ID '{VpcPeeringConnectionId}' does not exist"
    code = "InvalidVpcPeeringConnectionID.NotFound"
    ec2(operation, code, text, VpcPeeringConnectionId=CONNECTION, **more)
    text = 'Invalid id: "pcx-Oops" (expecting "pcx-...")'
    code = "InvalidVpcPeeringConnectionId.Malformed"
    ec2(operation, code, text, VpcPeeringConnectionId="pcx-Oops", **more)
ec2("CreateVpcPeeringConnection", "InvalidVpcID.NotFound", VPC, VpcId=VPC, PeerVpcId=VPC)
ec2("DescribeStaleSecurityGroups", "InvalidVpcID.NotFound", VPC, VpcId=VPC)
group = "sg-0123456789abcdef0"
ec2("DescribeSecurityGroupReferences", "InvalidGroup.NotFound", group, GroupId=[group])
ec2(
    "DescribeVpcPeeringConnections",
    "InvalidVpcPeeringConnectionID.NotFound",
    CONNECTION,
    VpcPeeringConnectionIds=[CONNECTION],
)
ec2(
    "DescribeVpcPeeringConnections",
    "InvalidParameterValue",
    "The filter 'colour' is invalid",
    Filters=[{"Name": "colour", "Values": ["red"]}],
)
ec2(
    "DescribeVpcPeeringConnections",
    "InvalidNextToken",
    "",
    MaxResults=10,
    NextToken="bm90IG9mIG91cnM=",
)


# Connections


@fails("CreateVpcPeeringConnection", "MissingParameter", "the parameter peerVpcId")
def without_peer(world):
    return {"VpcId": world.vpc()[0]}


@fails("CreateVpcPeeringConnection", "VpcPeeringConnectionAlreadyExists", "already exists")
def second_connection(world):
    vpc, peer = made.two_vpcs(world)
    first = world.ec2.create_vpc_peering_connection(VpcId=vpc, PeerVpcId=peer)
    first = first["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    world.ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=first)
    return {"VpcId": peer, "PeerVpcId": vpc}


@fails("CreateVpcPeeringConnection", "UnsupportedOperation", "AllowMultipathResilience")
def several_paths(world):
    vpc, peer = made.two_vpcs(world)
    options = {"AllowMultipathResilience": True}
    return {"VpcId": vpc, "PeerVpcId": peer, "RequesterPeeringConnectionOptions": options}


for operation, to in [
    ("AcceptVpcPeeringConnection", "provisioning"),
    ("RejectVpcPeeringConnection", "rejected"),
    ("DeleteVpcPeeringConnection", "deleting"),
]:
    text = "Invalid state transition for {VpcPeeringConnectionId}, attempted to transition from rejected to "

    @fails(operation, "InvalidStateTransition", text + to)
    def rejected(world):
        given = {"VpcPeeringConnectionId": made.requested(world)}
        world.ec2.reject_vpc_peering_connection(**given)
        return given


@fails("AcceptVpcPeeringConnection", "VpcPeeringConnectionAlreadyExists", "already exists")
def both_asked(world):
    vpc, peer = made.two_vpcs(world)
    ids = [
        world.ec2.create_vpc_peering_connection(VpcId=one, PeerVpcId=other)[
            "VpcPeeringConnection"
        ]["VpcPeeringConnectionId"]
        for one, other in [(vpc, peer), (peer, vpc)]
    ]
    world.ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=ids[0])
    return {"VpcPeeringConnectionId": ids[1]}


@fails("DeleteVpc", "DependencyViolation", "has dependencies and cannot be deleted")
def vpc_with_connection(world):
    given = made.create_vpc_peering_connection(world)
    connection = world.ec2.create_vpc_peering_connection(**given)["VpcPeeringConnection"]
    world.ec2.accept_vpc_peering_connection(
        VpcPeeringConnectionId=connection["VpcPeeringConnectionId"]
    )
    return {"VpcId": given["PeerVpcId"]}


# Options


@fails(
    "ModifyVpcPeeringConnectionOptions",
    "OperationNotPermitted",
    "Peering {VpcPeeringConnectionId} is not active. Peering options can be added only to active peerings.",
)
def options_of_a_request(world):
    return {"VpcPeeringConnectionId": made.requested(world), **NAMES}


@fails(
    "ModifyVpcPeeringConnectionOptions",
    "InvalidVpcPeeringConnectionState.DnsHostnamesDisabled",
    "DNS hostname support must be enabled for the VPCs",
)
def names_without_host_names(world):
    return {"VpcPeeringConnectionId": made.active(world), **NAMES}


@fails("ModifyVpcPeeringConnectionOptions", "MissingParameter", "PeeringConnectionOptions")
def no_options(world):
    return {"VpcPeeringConnectionId": made.active(world)}


@fails(
    "ModifyVpcPeeringConnectionOptions",
    "UnsupportedOperation",
    "AllowEgressFromLocalClassicLinkToRemoteVpc",
)
def classic_link(world):
    options = {"AllowEgressFromLocalClassicLinkToRemoteVpc": True}
    return {
        "VpcPeeringConnectionId": made.active(world),
        "RequesterPeeringConnectionOptions": options,
    }


# Routes and rules


@fails("CreateRoute", "InvalidParameterValue", "belong to different networks")
def route_of_a_third_vpc(world):
    connection = made.active(world)
    third = world.ec2.create_vpc(CidrBlock="10.241.0.0/16")["Vpc"]["VpcId"]
    table = world.ec2.create_route_table(VpcId=third)["RouteTable"]["RouteTableId"]
    return {
        "RouteTableId": table,
        "DestinationCidrBlock": "10.240.0.0/16",
        "VpcPeeringConnectionId": connection,
    }


@fails(
    "AuthorizeSecurityGroupIngress",
    "InvalidGroup.NotFound",
    "You have specified two resources that belong to different networks.",
)
def group_of_a_stranger(world):
    vpc, peer = made.two_vpcs(world)
    by_vpc = [{"Name": "vpc-id", "Values": [vpc, peer]}]
    groups = world.ec2.describe_security_groups(Filters=by_vpc)["SecurityGroups"]
    one, other = (group["GroupId"] for group in groups)
    pairs = [{"GroupId": other}]
    permission = {"IpProtocol": "-1", "UserIdGroupPairs": pairs}
    return {"GroupId": one, "IpPermissions": [permission]}
