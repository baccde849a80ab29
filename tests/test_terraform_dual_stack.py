"""The calls that Terraform's AWS provider makes for more blocks and IPv6, in its order, with boto3."""

import ipaddress

import pytest

from test_terraform_network import code_of, tagged


@pytest.fixture(scope="module")
def ec2(module_server):
    return module_server.principal().client("ec2")


def block_of(ec2, name, association):
    """The VPC that has a block, as the provider looks for it."""
    by_association = [{"Name": f"{name}.association-id", "Values": [association]}]
    return ec2.describe_vpcs(Filters=by_association)["Vpcs"]


def test_secondary_block(ec2):
    """aws_vpc_ipv4_cidr_block_association, with a subnet in it."""
    vpc = ec2.create_vpc(CidrBlock="10.91.0.0/16")["Vpc"]["VpcId"]
    made = ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock="100.64.0.0/16")
    association = made["CidrBlockAssociation"]["AssociationId"]
    read = block_of(ec2, "cidr-block-association", association)[0]
    assert read["CidrBlock"] == "10.91.0.0/16"
    states = [it["CidrBlockState"]["State"] for it in read["CidrBlockAssociationSet"]]
    assert states == ["associated", "associated"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="100.64.1.0/24")["Subnet"]["SubnetId"]
    of_vpc = [{"Name": "vpc-id", "Values": [vpc]}]
    table = ec2.describe_route_tables(Filters=of_vpc)["RouteTables"][0]
    local = [it["DestinationCidrBlock"] for it in table["Routes"] if it["GatewayId"] == "local"]
    assert local == ["10.91.0.0/16", "100.64.0.0/16"]
    gone = code_of(ec2.disassociate_vpc_cidr_block, AssociationId=association)
    assert gone == "InvalidCidrBlock.InUse"
    ec2.delete_subnet(SubnetId=subnet)
    ec2.disassociate_vpc_cidr_block(AssociationId=association)
    assert block_of(ec2, "cidr-block-association", association) == []
    ec2.delete_vpc(VpcId=vpc)


def test_dual_stack_vpc(ec2):
    """aws_vpc, aws_subnet and aws_route with IPv6, and an egress-only internet gateway."""
    made = ec2.create_vpc(
        CidrBlock="10.92.0.0/16",
        AmazonProvidedIpv6CidrBlock=True,
        TagSpecifications=tagged("vpc", "tf"),
    )["Vpc"]
    vpc, own = made["VpcId"], made["Ipv6CidrBlockAssociationSet"][0]
    read = block_of(ec2, "ipv6-cidr-block-association", own["AssociationId"])[0]
    own = read["Ipv6CidrBlockAssociationSet"][0]
    assert own["Ipv6CidrBlockState"]["State"] == "associated"
    assert own["NetworkBorderGroup"] == "us-west-2"
    block = ipaddress.IPv6Network(own["Ipv6CidrBlock"])
    assert block.prefixlen == 56

    # aws_subnet: create, read the block's state, then one attribute after the other.
    wanted = str(next(block.subnets(new_prefix=64)))
    made = ec2.create_subnet(VpcId=vpc, CidrBlock="10.92.1.0/24", Ipv6CidrBlock=wanted)["Subnet"]
    subnet, own = made["SubnetId"], made["Ipv6CidrBlockAssociationSet"][0]
    assert own["Ipv6CidrBlockState"]["State"] == "associated"
    for attribute in ("AssignIpv6AddressOnCreation", "EnableResourceNameDnsAAAARecordOnLaunch"):
        ec2.modify_subnet_attribute(SubnetId=subnet, **{attribute: {"Value": True}})
    read = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]
    assert read["AssignIpv6AddressOnCreation"]
    options = read["PrivateDnsNameOptionsOnLaunch"]
    assert options["EnableResourceNameDnsAAAARecord"]

    # What a VPC with IPv6 has of itself.
    of_vpc = [{"Name": "vpc-id", "Values": [vpc]}]
    acl = ec2.describe_network_acls(Filters=of_vpc)["NetworkAcls"][0]
    v6 = {it["RuleNumber"] for it in acl["Entries"] if it.get("Ipv6CidrBlock") == "::/0"}
    assert v6 == {101, 32768}
    group = ec2.describe_security_groups(Filters=of_vpc)["SecurityGroups"][0]
    out = group["IpPermissionsEgress"][0]
    assert out["Ipv6Ranges"] == [{"CidrIpv6": "::/0"}]

    # aws_egress_only_internet_gateway and a route to it.
    gateway = ec2.create_egress_only_internet_gateway(VpcId=vpc)["EgressOnlyInternetGateway"]
    gateway = gateway["EgressOnlyInternetGatewayId"]
    table = ec2.describe_route_tables(Filters=of_vpc)["RouteTables"][0]["RouteTableId"]
    ec2.create_route(
        RouteTableId=table,
        DestinationIpv6CidrBlock="::/0",
        EgressOnlyInternetGatewayId=gateway,
    )
    routes = ec2.describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
    v6 = {
        it["DestinationIpv6CidrBlock"]: it.get("GatewayId") or it["EgressOnlyInternetGatewayId"]
        for it in routes
        if "DestinationIpv6CidrBlock" in it
    }
    assert v6 == {str(block): "local", "::/0": gateway}

    # A change of the subnet's block, as aws_subnet does it; then the end of all.
    ec2.modify_subnet_attribute(
        SubnetId=subnet, AssignIpv6AddressOnCreation={"Value": False}
    )
    ec2.disassociate_subnet_cidr_block(AssociationId=own["AssociationId"])
    other = str(list(block.subnets(new_prefix=64))[7])
    made = ec2.associate_subnet_cidr_block(SubnetId=subnet, Ipv6CidrBlock=other)
    read = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]
    assert read["Ipv6CidrBlockAssociationSet"] == [made["Ipv6CidrBlockAssociation"]]
    ec2.delete_route(RouteTableId=table, DestinationIpv6CidrBlock="::/0")
    ec2.delete_egress_only_internet_gateway(EgressOnlyInternetGatewayId=gateway)
    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=vpc)


def test_network_interface(ec2):
    """aws_network_interface with more addresses, changed as the provider changes it."""
    vpc = ec2.create_vpc(CidrBlock="10.93.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]
    block = ipaddress.IPv6Network(vpc["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"])
    block = next(block.subnets(new_prefix=64))
    subnet = ec2.create_subnet(
        VpcId=vpc["VpcId"], CidrBlock="10.93.1.0/24", Ipv6CidrBlock=str(block)
    )["Subnet"]["SubnetId"]
    own = ec2.create_network_interface(
        ClientToken="terraform-eni",
        SubnetId=subnet,
        Ipv6Addresses=[{"Ipv6Address": str(block[0x10])}],
        PrivateIpAddresses=[
            {"Primary": True, "PrivateIpAddress": "10.93.1.50"},
            {"Primary": False, "PrivateIpAddress": "10.93.1.51"},
        ],
        TagSpecifications=tagged("network-interface", "tf"),
    )["NetworkInterface"]["NetworkInterfaceId"]

    def read():
        shown = ec2.describe_network_interfaces(NetworkInterfaceIds=[own])
        shown = shown["NetworkInterfaces"][0]
        assert shown["PrivateIpAddress"] == "10.93.1.50"
        private = {it["PrivateIpAddress"] for it in shown["PrivateIpAddresses"]}
        return private - {"10.93.1.50"}, {it["Ipv6Address"] for it in shown["Ipv6Addresses"]}

    assert read() == ({"10.93.1.51"}, {str(block[0x10])})
    named = {"NetworkInterfaceId": own}
    ec2.unassign_private_ip_addresses(PrivateIpAddresses=["10.93.1.51"], **named)
    ec2.assign_private_ip_addresses(PrivateIpAddresses=["10.93.1.52"], **named)
    ec2.assign_private_ip_addresses(SecondaryPrivateIpAddressCount=1, **named)
    ec2.unassign_ipv6_addresses(Ipv6Addresses=[str(block[0x10])], **named)
    ec2.assign_ipv6_addresses(Ipv6AddressCount=2, **named)
    private, v6 = read()
    assert len(private) == 2 and "10.93.1.52" in private and "10.93.1.51" not in private
    assert len(v6) == 2 and all(ipaddress.IPv6Address(it) in block for it in v6)
    ec2.delete_network_interface(NetworkInterfaceId=own)
    ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=vpc["VpcId"])
