"""Commands inside of a subnet whose VPC is peered with another one, in which nobody is."""

import re

from test_exec import HTTPS, site as site  # noqa: F401


def main_table(ec2, vpc):
    of_vpc = [
        {"Name": "vpc-id", "Values": [vpc]},
        {"Name": "association.main", "Values": ["true"]},
    ]
    return ec2.describe_route_tables(Filters=of_vpc)["RouteTables"][0]["RouteTableId"]


def test_an_endpoint_is_reached_over_a_peering_connection(site):  # noqa: F811
    ec2, vpc, other = site.ec2, site.saved["vpc"], site.saved["other_vpc"]
    names = ec2.describe_vpc_endpoints(VpcEndpointIds=[site.saved["other_endpoint"]])
    endpoint = names["VpcEndpoints"][0]
    url = f"https://{endpoint['DnsEntries'][0]['DnsName']}"
    assert site.curl(url).returncode in (7, 28)

    made = ec2.create_vpc_peering_connection(VpcId=vpc, PeerVpcId=other)
    connection = made["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=connection)
    offices = ec2.create_managed_prefix_list(
        PrefixListName="other", AddressFamily="IPv4", MaxEntries=2
    )["PrefixList"]["PrefixListId"]
    ec2.create_route(
        RouteTableId=main_table(ec2, vpc),
        DestinationPrefixListId=offices,
        VpcPeeringConnectionId=connection,
    )
    ec2.create_route(
        RouteTableId=main_table(ec2, other),
        DestinationCidrBlock="10.20.0.0/16",
        VpcPeeringConnectionId=connection,
    )
    pair = [{**HTTPS, "UserIdGroupPairs": [{"GroupId": site.saved["clients"]}]}]
    group = endpoint["Groups"][0]["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=pair)
    # The list has nothing yet; what it gets is in force when the change is answered.
    assert site.curl(url).returncode in (7, 28)
    ec2.modify_managed_prefix_list(
        PrefixListId=offices, CurrentVersion=1, AddEntries=[{"Cidr": "10.30.0.0/16"}]
    )
    ask = f"ip -4 -o addr show eth0; exec curl -sS -D - -o /dev/null {url}"
    done = site.exec("sh", "-c", ask)
    assert done.returncode == 0, done.stderr
    record = site.server.explain(re.search(r"x-amzn-requestid: (\S+)", done.stdout).group(1))
    # The endpoint's VPC, and the address that the client has in its own.
    assert record["vpcEndpointId"] == site.saved["other_endpoint"]
    assert record["sourceIPAddress"] == re.search(r"inet ([\d.]+)/", done.stdout).group(1)

    # The rule is stale with the connection, and the way is gone.
    ec2.delete_vpc_peering_connection(VpcPeeringConnectionId=connection)
    assert site.curl(url).returncode in (7, 28)
    again = ec2.create_vpc_peering_connection(VpcId=vpc, PeerVpcId=other)
    again = again["VpcPeeringConnection"]["VpcPeeringConnectionId"]
    ec2.accept_vpc_peering_connection(VpcPeeringConnectionId=again)
    for table, destination in [
        (main_table(ec2, vpc), {"DestinationPrefixListId": offices}),
        (main_table(ec2, other), {"DestinationCidrBlock": "10.20.0.0/16"}),
    ]:
        ec2.replace_route(RouteTableId=table, VpcPeeringConnectionId=again, **destination)
    assert site.curl(url).returncode in (7, 28)
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=pair)
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=pair)
    assert site.curl(url).stdout == "400"
