"""The calls that Terraform's AWS provider makes for network resources, in its order, with boto3:
create, read until it is there, change, read again, destroy, read until it is gone."""

import botocore.exceptions
import pytest


@pytest.fixture(scope="module")
def ec2(module_server):
    return module_server.principal().client("ec2")


def code_of(call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"]


def tagged(kind, name):
    return [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": name}]}]


@pytest.fixture
def vpc(ec2):
    """aws_vpc: the read after the create asks for its main table, default group and attributes."""
    made = ec2.create_vpc(CidrBlock="10.90.0.0/16", TagSpecifications=tagged("vpc", "tf"))
    vpc = made["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    main = ec2.describe_route_tables(
        Filters=[
            {"Name": "association.main", "Values": ["true"]},
            {"Name": "vpc-id", "Values": [vpc]},
        ]
    )["RouteTables"]
    assert len(main) == 1 and main[0]["Associations"][0]["Main"]
    yield vpc
    ec2.delete_vpc(VpcId=vpc)
    assert code_of(ec2.describe_vpcs, VpcIds=[vpc]) == "InvalidVpcID.NotFound"


def routes(ec2, table):
    found = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]
    return {route.get("DestinationCidrBlock"): route for route in found["Routes"]}


def test_route_table_with_gateway(ec2, vpc):
    # aws_internet_gateway: create, attach, read until `available`.
    made = ec2.create_internet_gateway(TagSpecifications=tagged("internet-gateway", "tf"))
    gateway = made["InternetGateway"]["InternetGatewayId"]
    assert made["InternetGateway"]["Attachments"] == []
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    read = ec2.describe_internet_gateways(InternetGatewayIds=[gateway])["InternetGateways"][0]
    assert read["Attachments"] == [{"State": "available", "VpcId": vpc}]

    # aws_route_table with an inline route, aws_route, aws_route_table_association.
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.90.1.0/24")["Subnet"]["SubnetId"]
    made = ec2.create_route_table(
        VpcId=vpc, ClientToken="terraform-1", TagSpecifications=tagged("route-table", "tf")
    )["RouteTable"]
    table = made["RouteTableId"]
    assert [route["GatewayId"] for route in made["Routes"]] == ["local"]
    ec2.create_route(
        RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway
    )
    assert routes(ec2, table)["0.0.0.0/0"]["State"] == "active"
    association = ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)
    assert association["AssociationState"] == {"State": "associated"}
    association = association["AssociationId"]
    by_association = [
        {"Name": "association.route-table-association-id", "Values": [association]}
    ]
    read = ec2.describe_route_tables(Filters=by_association)["RouteTables"][0]
    assert read["Associations"][0]["SubnetId"] == subnet

    # A change of the route's target, as aws_route does it.
    interface = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]
    interface = interface["NetworkInterfaceId"]
    ec2.replace_route(
        RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NetworkInterfaceId=interface
    )
    assert routes(ec2, table)["0.0.0.0/0"]["NetworkInterfaceId"] == interface

    # aws_main_route_table_association, and back at its end.
    main = ec2.describe_route_tables(
        Filters=[
            {"Name": "association.main", "Values": ["true"]},
            {"Name": "vpc-id", "Values": [vpc]},
        ]
    )["RouteTables"][0]
    old = main["Associations"][0]["RouteTableAssociationId"]
    new = ec2.replace_route_table_association(AssociationId=old, RouteTableId=table)
    ec2.replace_route_table_association(
        AssociationId=new["NewAssociationId"], RouteTableId=main["RouteTableId"]
    )

    # Destroy: the association, the route, the table, the gateway.
    ec2.disassociate_route_table(AssociationId=association)
    assert ec2.describe_route_tables(Filters=by_association)["RouteTables"] == []
    ec2.delete_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")
    assert list(routes(ec2, table)) == ["10.90.0.0/16"]
    ec2.delete_route_table(RouteTableId=table)
    gone = code_of(ec2.describe_route_tables, RouteTableIds=[table])
    assert gone == "InvalidRouteTableID.NotFound"
    ec2.delete_network_interface(NetworkInterfaceId=interface)
    ec2.delete_subnet(SubnetId=subnet)
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)
    gone = code_of(ec2.describe_internet_gateways, InternetGatewayIds=[gateway])
    assert gone == "InvalidInternetGatewayID.NotFound"


def test_nat_gateway_with_address(ec2, vpc):
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.90.2.0/24")["Subnet"]["SubnetId"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]

    # aws_eip: allocate, read, read the reverse DNS name.
    own = ec2.allocate_address(Domain="vpc", TagSpecifications=tagged("elastic-ip", "tf"))
    own = own["AllocationId"]
    read = ec2.describe_addresses(AllocationIds=[own])["Addresses"][0]
    assert read["Domain"] == "vpc" and "AssociationId" not in read
    name = ec2.describe_addresses_attribute(AllocationIds=[own], Attribute="domain-name")
    assert "PtrRecord" not in name["Addresses"][0]

    # aws_nat_gateway: create, read until `available`.
    made = ec2.create_nat_gateway(
        SubnetId=subnet,
        AllocationId=own,
        ClientToken="terraform-nat",
        TagSpecifications=tagged("natgateway", "tf"),
    )["NatGateway"]
    assert made["State"] == "pending"
    nat = made["NatGatewayId"]
    read = ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]
    assert read["State"] == "available", read
    held = read["NatGatewayAddresses"][0]
    assert held["AllocationId"] == own
    interface = ec2.describe_network_interfaces(
        NetworkInterfaceIds=[held["NetworkInterfaceId"]]
    )["NetworkInterfaces"][0]
    assert interface["InterfaceType"] == "nat_gateway"
    assert interface["Association"]["PublicIp"] == held["PublicIp"]

    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)
    assert routes(ec2, table)["0.0.0.0/0"]["State"] == "active"

    # Destroy: the route, the NAT gateway until `deleted`, the address, the gateway.
    ec2.delete_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")
    ec2.delete_nat_gateway(NatGatewayId=nat)
    read = ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]
    assert read["State"] == "deleted"
    ec2.release_address(AllocationId=own)
    gone = code_of(ec2.describe_addresses, AllocationIds=[own])
    assert gone == "InvalidAllocationID.NotFound"
    ec2.delete_route_table(RouteTableId=table)
    ec2.delete_subnet(SubnetId=subnet)
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)


def test_a_nat_gateway_that_cannot_lead_out_fails(ec2, vpc):
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.90.3.0/24")["Subnet"]["SubnetId"]
    own = ec2.allocate_address()["AllocationId"]
    made = ec2.create_nat_gateway(SubnetId=subnet, AllocationId=own)["NatGateway"]
    nat = made["NatGatewayId"]
    read = ec2.describe_nat_gateways(NatGatewayIds=[nat])["NatGateways"][0]
    assert (read["State"], read["FailureCode"]) == ("failed", "Gateway.NotAttached")
    assert read["FailureMessage"] == f"Network {vpc} has no Internet gateway attached"
    ec2.delete_nat_gateway(NatGatewayId=nat)
    ec2.release_address(AllocationId=own)
    ec2.delete_subnet(SubnetId=subnet)


def test_egress_only_internet_gateway(ec2, vpc):
    made = ec2.create_egress_only_internet_gateway(
        VpcId=vpc,
        ClientToken="terraform-eigw",
        TagSpecifications=tagged("egress-only-internet-gateway", "tf"),
    )["EgressOnlyInternetGateway"]
    gateway = made["EgressOnlyInternetGatewayId"]
    assert made["Attachments"] == [{"State": "attached", "VpcId": vpc}]
    read = ec2.describe_egress_only_internet_gateways(EgressOnlyInternetGatewayIds=[gateway])
    assert len(read["EgressOnlyInternetGateways"]) == 1
    ec2.delete_egress_only_internet_gateway(EgressOnlyInternetGatewayId=gateway)


def test_gateway_endpoint(ec2, vpc):
    """aws_vpc_endpoint of type Gateway, and aws_vpc_endpoint_route_table_association."""
    service = "com.amazonaws.us-west-2.s3"
    details = ec2.describe_vpc_endpoint_services(ServiceNames=[service])["ServiceDetails"]
    assert details[0]["ServiceType"] == [{"ServiceType": "Gateway"}]
    one, two = [
        ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"] for _ in range(2)
    ]
    made = ec2.create_vpc_endpoint(
        VpcId=vpc,
        ServiceName=service,
        VpcEndpointType="Gateway",
        RouteTableIds=[one],
        PrivateDnsEnabled=False,
        ClientToken="terraform-s3",
        TagSpecifications=tagged("vpc-endpoint", "tf"),
    )["VpcEndpoint"]
    endpoint = made["VpcEndpointId"]
    read = ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"][0]
    assert (read["State"], read["RouteTableIds"]) == ("available", [one])
    lists = ec2.describe_prefix_lists(
        Filters=[{"Name": "prefix-list-name", "Values": [service]}]
    )["PrefixLists"]
    assert lists[0]["PrefixListId"] == "pl-68a54001" and lists[0]["Cidrs"]
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, AddRouteTableIds=[two])
    for table in (one, two):
        found = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
        assert {
            "DestinationPrefixListId": "pl-68a54001",
            "GatewayId": endpoint,
            "Origin": "CreateRoute",
            "State": "active",
        } in found
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, RemoveRouteTableIds=[two])
    ec2.delete_vpc_endpoints(VpcEndpointIds=[endpoint])
    for table in (one, two):
        found = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
        assert [route["GatewayId"] for route in found] == ["local"]
        ec2.delete_route_table(RouteTableId=table)


def acl_of(ec2, subnet):
    """The association of a subnet, as aws_network_acl looks it up."""
    by_subnet = [{"Name": "association.subnet-id", "Values": [subnet]}]
    found = ec2.describe_network_acls(Filters=by_subnet)["NetworkAcls"]
    assert len(found) == 1
    own = [one for one in found[0]["Associations"] if one["SubnetId"] == subnet]
    assert len(own) == 1
    return own[0]


def test_network_acl(ec2, vpc):
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.90.4.0/24")["Subnet"]["SubnetId"]
    # aws_vpc reads its default ACL.
    default = ec2.describe_network_acls(
        Filters=[
            {"Name": "default", "Values": ["true"]},
            {"Name": "vpc-id", "Values": [vpc]},
        ]
    )["NetworkAcls"]
    assert len(default) == 1 and default[0]["IsDefault"]
    default = default[0]["NetworkAclId"]

    # aws_network_acl: create, its entries, and its subnets.
    made = ec2.create_network_acl(
        VpcId=vpc, ClientToken="terraform-acl", TagSpecifications=tagged("network-acl", "tf")
    )["NetworkAcl"]
    acl = made["NetworkAclId"]
    assert {entry["RuleNumber"] for entry in made["Entries"]} == {32767}
    ec2.create_network_acl_entry(
        NetworkAclId=acl,
        RuleNumber=100,
        Protocol="6",
        RuleAction="allow",
        Egress=False,
        CidrBlock="10.0.0.0/8",
        PortRange={"From": 443, "To": 443},
    )
    ec2.create_network_acl_entry(
        NetworkAclId=acl,
        RuleNumber=100,
        Protocol="-1",
        RuleAction="allow",
        Egress=True,
        CidrBlock="0.0.0.0/0",
        PortRange={"From": 0, "To": 0},
    )
    association = acl_of(ec2, subnet)
    assert association["NetworkAclId"] == default
    ec2.replace_network_acl_association(
        AssociationId=association["NetworkAclAssociationId"], NetworkAclId=acl
    )
    assert acl_of(ec2, subnet)["NetworkAclId"] == acl
    read = ec2.describe_network_acls(NetworkAclIds=[acl])["NetworkAcls"][0]
    own = {
        (entry["Egress"], entry["RuleNumber"]): entry
        for entry in read["Entries"]
        if entry["RuleNumber"] < 32767
    }
    assert own[False, 100]["PortRange"] == {"From": 443, "To": 443}
    assert own[True, 100]["Protocol"] == "-1" and "PortRange" not in own[True, 100]

    # aws_network_acl_rule: one for ICMP; an update deletes and creates.
    ping = {"NetworkAclId": acl, "RuleNumber": 200, "Egress": False}
    ec2.create_network_acl_entry(
        **ping,
        Protocol="1",
        RuleAction="deny",
        CidrBlock="0.0.0.0/0",
        IcmpTypeCode={"Type": 8, "Code": -1},
    )
    by_rule = [
        {"Name": "entry.egress", "Values": ["false"]},
        {"Name": "entry.rule-number", "Values": ["200"]},
    ]
    read = ec2.describe_network_acls(NetworkAclIds=[acl], Filters=by_rule)["NetworkAcls"]
    assert len(read) == 1
    ec2.delete_network_acl_entry(**ping)
    gone = code_of(ec2.delete_network_acl_entry, **ping)
    assert gone == "InvalidNetworkAclEntry.NotFound"

    # Destroy: the subnet goes back to the default ACL, then the ACL goes.
    assert code_of(ec2.delete_network_acl, NetworkAclId=acl) == "DependencyViolation"
    ec2.replace_network_acl_association(
        AssociationId=acl_of(ec2, subnet)["NetworkAclAssociationId"], NetworkAclId=default
    )
    ec2.delete_network_acl(NetworkAclId=acl)
    gone = code_of(ec2.describe_network_acls, NetworkAclIds=[acl])
    assert gone == "InvalidNetworkAclID.NotFound"
    ec2.delete_subnet(SubnetId=subnet)


def test_network_insights(ec2, vpc):
    """aws_ec2_network_insights_path and aws_ec2_network_insights_analysis."""
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.90.5.0/24")["Subnet"]["SubnetId"]
    one, two = [
        ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"] for _ in range(2)
    ]
    source, destination = one["NetworkInterfaceId"], two["NetworkInterfaceId"]
    made = ec2.create_network_insights_path(
        ClientToken="terraform-path",
        Source=source,
        Destination=destination,
        DestinationPort=443,
        Protocol="tcp",
        TagSpecifications=tagged("network-insights-path", "tf"),
    )["NetworkInsightsPath"]
    path = made["NetworkInsightsPathId"]
    by_id = {"NetworkInsightsPathIds": [path]}
    read = ec2.describe_network_insights_paths(**by_id)["NetworkInsightsPaths"]
    assert read == [made]
    assert made["NetworkInsightsPathArn"].endswith(f":network-insights-path/{path}")
    assert made["SourceArn"].endswith(f":network-interface/{source}")
    assert (made["DestinationPort"], made["Protocol"]) == (443, "tcp")

    # The analysis: started, then read until it runs no longer.
    started = ec2.start_network_insights_analysis(
        ClientToken="terraform-analysis",
        NetworkInsightsPathId=path,
        TagSpecifications=tagged("network-insights-analysis", "tf"),
    )["NetworkInsightsAnalysis"]
    assert started["Status"] == "running"
    analysis = started["NetworkInsightsAnalysisId"]
    by_id = {"NetworkInsightsAnalysisIds": [analysis]}
    found = ec2.describe_network_insights_analyses(**by_id)["NetworkInsightsAnalyses"]
    assert len(found) == 1
    assert (found[0]["Status"], found[0]["NetworkPathFound"]) == ("succeeded", True)
    ids = [step["Component"]["Id"] for step in found[0]["ForwardPathComponents"]]
    assert (ids[0], ids[-1]) == (source, destination)
    assert "Explanations" not in found[0]

    # Tags change; the analysis stays what it was.
    ec2.create_tags(Resources=[path, analysis], Tags=[{"Key": "Owner", "Value": "ml"}])
    again = ec2.describe_network_insights_analyses(**by_id)["NetworkInsightsAnalyses"][0]
    assert {tag["Key"] for tag in again["Tags"]} == {"Name", "Owner"}
    assert again["ForwardPathComponents"] == found[0]["ForwardPathComponents"]

    # Destroy: the path goes after its analyses; until then its deletion is tried again.
    delete = {"NetworkInsightsPathId": path}
    in_use = code_of(ec2.delete_network_insights_path, **delete)
    assert in_use == "AnalysisExistsForNetworkInsightsPath"
    ec2.delete_network_insights_analysis(NetworkInsightsAnalysisId=analysis)
    gone = code_of(ec2.describe_network_insights_analyses, **by_id)
    assert gone == "InvalidNetworkInsightsAnalysisId.NotFound"
    ec2.delete_network_insights_path(**delete)
    gone = code_of(ec2.describe_network_insights_paths, NetworkInsightsPathIds=[path])
    assert gone == "InvalidNetworkInsightsPathId.NotFound"
    for interface in (source, destination):
        ec2.delete_network_interface(NetworkInterfaceId=interface)
    ec2.delete_subnet(SubnetId=subnet)
