"""Peering connections as Terraform and a platform's engineer use them, with boto3."""

import botocore.exceptions
import pytest


@pytest.fixture(scope="module")
def ec2(module_server):
    return module_server.principal().client("ec2")


@pytest.fixture
def vpcs(ec2):
    """Two VPCs with host names."""
    made = []
    for block in ("10.91.0.0/16", "10.92.0.0/16"):
        vpc = ec2.create_vpc(CidrBlock=block)["Vpc"]["VpcId"]
        ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
        made.append(vpc)
    yield made
    for vpc in made:
        ec2.delete_vpc(VpcId=vpc)


def read(ec2, connection):
    found = ec2.describe_vpc_peering_connections(VpcPeeringConnectionIds=[connection])
    return found["VpcPeeringConnections"][0]


def main_table(ec2, vpc):
    of_vpc = [
        {"Name": "vpc-id", "Values": [vpc]},
        {"Name": "association.main", "Values": ["true"]},
    ]
    return ec2.describe_route_tables(Filters=of_vpc)["RouteTables"][0]["RouteTableId"]


def default_group(ec2, vpc):
    of_vpc = [
        {"Name": "vpc-id", "Values": [vpc]},
        {"Name": "group-name", "Values": ["default"]},
    ]
    return ec2.describe_security_groups(Filters=of_vpc)["SecurityGroups"][0]["GroupId"]


def test_connection_with_routes_and_rules(ec2, vpcs):
    one, two = vpcs
    # aws_vpc_peering_connection with auto_accept: create, wait, accept, wait, options, read.
    tags = [
        {
            "ResourceType": "vpc-peering-connection",
            "Tags": [{"Key": "Name", "Value": "tf"}],
        }
    ]
    made = ec2.create_vpc_peering_connection(
        VpcId=one, PeerVpcId=two, TagSpecifications=tags
    )["VpcPeeringConnection"]
    assert made["Status"]["Code"] == "initiating-request"
    connection = made["VpcPeeringConnectionId"]
    assert read(ec2, connection)["Status"]["Code"] == "pending-acceptance"
    waiter = ec2.get_waiter("vpc_peering_connection_exists")
    waiter.wait(VpcPeeringConnectionIds=[connection])
    accepted = ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=connection)
    assert accepted["VpcPeeringConnection"]["Status"]["Code"] == "active"
    ec2.modify_vpc_peering_connection_options(
        VpcPeeringConnectionId=connection,
        AccepterPeeringConnectionOptions={"AllowDnsResolutionFromRemoteVpc": True},
        RequesterPeeringConnectionOptions={"AllowDnsResolutionFromRemoteVpc": False},
    )
    seen = read(ec2, connection)
    assert seen["Tags"] == [{"Key": "Name", "Value": "tf"}]
    assert seen["RequesterVpcInfo"]["CidrBlockSet"] == [{"CidrBlock": "10.91.0.0/16"}]
    assert seen["AccepterVpcInfo"]["CidrBlock"] == "10.92.0.0/16"
    options = seen["AccepterVpcInfo"]["PeeringOptions"]
    assert options["AllowDnsResolutionFromRemoteVpc"] is True

    # aws_route on both sides.
    for vpc, block in [(one, "10.92.0.0/16"), (two, "10.91.0.0/16")]:
        ec2.create_route(
            RouteTableId=main_table(ec2, vpc),
            DestinationCidrBlock=block,
            VpcPeeringConnectionId=connection,
        )
    by_connection = [{"Name": "route.vpc-peering-connection-id", "Values": [connection]}]
    tables = ec2.describe_route_tables(Filters=by_connection)["RouteTables"]
    assert len(tables) == 2
    assert all(route["State"] == "active" for table in tables for route in table["Routes"])

    # aws_security_group_rule with the other VPC's group.
    source, target = default_group(ec2, one), default_group(ec2, two)
    pairs = [{"GroupId": source, "VpcPeeringConnectionId": connection}]
    permission = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": pairs}
    ec2.authorize_security_group_ingress(GroupId=target, IpPermissions=[permission])
    references = ec2.describe_security_group_references(GroupId=[source])
    assert references["SecurityGroupReferenceSet"] == [
        {
            "GroupId": source,
            "ReferencingVpcId": two,
            "VpcPeeringConnectionId": connection,
        }
    ]

    # Destroy. What referred to the connection stays, and says so.
    ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=connection)
    assert read(ec2, connection)["Status"]["Code"] == "deleted"
    ec2.get_waiter("vpc_peering_connection_deleted").wait(VpcPeeringConnectionIds=[connection])
    blackholes = [{"Name": "route.state", "Values": ["blackhole"]}]
    assert len(ec2.describe_route_tables(Filters=blackholes)["RouteTables"]) == 2
    stale = ec2.describe_stale_security_groups(VpcId=two)["StaleSecurityGroupSet"]
    assert [group["GroupId"] for group in stale] == [target]
    pair = stale[0]["StaleIpPermissions"][0]["UserIdGroupPairs"][0]
    assert pair["PeeringStatus"] == "deleted"
    assert pair["VpcPeeringConnectionId"] == connection
    ec2.revoke_security_group_ingress(GroupId=target, IpPermissions=[permission])
    assert ec2.describe_stale_security_groups(VpcId=two)["StaleSecurityGroupSet"] == []


def test_request_is_rejected(ec2, vpcs):
    # aws_vpc_peering_connection_accepter reads the connection by its id before it answers.
    made = ec2.create_vpc_peering_connection(VpcId=vpcs[0], PeerVpcId=vpcs[1])
    connection = made["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    ec2.reject_vpc_peering_connection(VpcPeeringConnectionId=connection)
    by_state = [{"Name": "status-code", "Values": ["rejected"]}]
    found = ec2.describe_vpc_peering_connections(Filters=by_state)["VpcPeeringConnections"]
    assert connection in [it["VpcPeeringConnectionId"] for it in found]
    with pytest.raises(botocore.exceptions.ClientError, match="from rejected to deleting"):
        ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=connection)


def test_vpcs_that_overlap_cannot_be_joined(ec2, vpcs):
    inside = ec2.create_vpc(CidrBlock="10.91.128.0/20")["Vpc"]["VpcId"]
    made = ec2.create_vpc_peering_connection(VpcId=vpcs[0], PeerVpcId=inside)
    seen = read(ec2, made["VpcPeeringConnection"]["VpcPeeringConnectionId"])
    assert seen["Status"]["Code"] == "failed"
    assert "overlapping CIDR range" in seen["Status"]["Message"]
    ec2.delete_vpc(VpcId=inside)
