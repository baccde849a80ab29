"""Managed prefix lists as Terraform and a platform's engineer use them, with boto3."""

import botocore.exceptions
import pytest


@pytest.fixture(scope="module")
def ec2(module_server):
    return module_server.principal().client("ec2")


@pytest.fixture
def vpc(ec2):
    vpc = ec2.create_vpc(CidrBlock="10.93.0.0/16")["Vpc"]["VpcId"]
    yield vpc
    ec2.delete_vpc(VpcId=vpc)


def read(ec2, made):
    return ec2.describe_managed_prefix_lists(PrefixListIds=[made])["PrefixLists"][0]


def entries(ec2, made, **more):
    pages = ec2.get_paginator("get_managed_prefix_list_entries").paginate(
        PrefixListId=made, **more
    )
    return {entry["Cidr"]: entry.get("Description") for page in pages for entry in page["Entries"]}


def create(ec2, **more):
    return ec2.create_managed_prefix_list(
        PrefixListName="tf", AddressFamily="IPv4", MaxEntries=3, **more
    )["PrefixList"]


def test_list_with_entries(ec2, vpc):
    # aws_ec2_managed_prefix_list: create, read until `create-complete`, read the entries.
    made = create(
        ec2,
        Entries=[{"Cidr": "10.0.0.0/8", "Description": "one"}],
        TagSpecifications=[
            {"ResourceType": "prefix-list", "Tags": [{"Key": "Name", "Value": "tf"}]}
        ],
    )
    assert made["State"] == "create-in-progress"
    made = made["PrefixListId"]
    seen = read(ec2, made)
    assert (seen["State"], seen["Version"], seen["MaxEntries"]) == ("create-complete", 1, 3)
    assert seen["Tags"] == [{"Key": "Name", "Value": "tf"}]
    assert entries(ec2, made) == {"10.0.0.0/8": "one"}

    # Another description: the entry goes in one call and comes back in the next.
    given = {"PrefixListId": made, "CurrentVersion": 1}
    ec2.modify_managed_prefix_list(RemoveEntries=[{"Cidr": "10.0.0.0/8"}], **given)
    added = [{"Cidr": "10.0.0.0/8", "Description": "two"}, {"Cidr": "192.0.2.0/24"}]
    with pytest.raises(botocore.exceptions.ClientError, match="incorrect version number"):
        ec2.modify_managed_prefix_list(AddEntries=added, **given)
    given["CurrentVersion"] = read(ec2, made)["Version"]
    ec2.modify_managed_prefix_list(AddEntries=added, **given)
    assert read(ec2, made)["State"] == "modify-complete"
    # aws_ec2_managed_prefix_list_entry reads its own among all.
    assert entries(ec2, made)["10.0.0.0/8"] == "two"
    assert entries(ec2, made, TargetVersion=1) == {"10.0.0.0/8": "one"}

    # It is named by a rule and a route, and counts for as many as it may have entries.
    group = ec2.create_security_group(VpcId=vpc, GroupName="g", Description="g")["GroupId"]
    lists = [{"PrefixListId": made, "Description": "offices"}]
    permission = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "PrefixListIds": lists}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[permission])
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    route = {"RouteTableId": table, "DestinationPrefixListId": made}
    ec2.create_route(GatewayId=gateway, **route)
    found = ec2.get_managed_prefix_list_associations(PrefixListId=made)
    found = [it["ResourceId"] for it in found["PrefixListAssociations"]]
    assert sorted(found) == sorted([group, table])
    ec2.modify_managed_prefix_list(PrefixListId=made, MaxEntries=61)
    seen = read(ec2, made)
    assert (seen["State"], seen["MaxEntries"]) == ("modify-failed", 3)
    assert group in seen["StateMessage"] and table not in seen["StateMessage"]

    # Destroy: a list that is named stays.
    ec2.delete_managed_prefix_list(PrefixListId=made)
    assert read(ec2, made)["State"] == "delete-failed"
    ec2.delete_route(**route)
    ec2.delete_security_group(GroupId=group)
    gone = ec2.delete_managed_prefix_list(PrefixListId=made)["PrefixList"]
    assert gone["State"] == "delete-in-progress"
    with pytest.raises(botocore.exceptions.ClientError, match="InvalidPrefixListID.NotFound"):
        read(ec2, made)
    ec2.delete_route_table(RouteTableId=table)
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)


def test_restored_version(ec2):
    made = create(ec2, Entries=[{"Cidr": "10.0.0.0/8"}])["PrefixListId"]
    given = {"PrefixListId": made}
    ec2.modify_managed_prefix_list(RemoveEntries=[{"Cidr": "10.0.0.0/8"}], **given)
    assert entries(ec2, made) == {}
    ec2.restore_managed_prefix_list_version(PreviousVersion=1, CurrentVersion=2, **given)
    assert read(ec2, made)["Version"] == 3
    assert entries(ec2, made) == {"10.0.0.0/8": None}
    ec2.delete_managed_prefix_list(**given)


def test_lists_of_aws(ec2):
    # Data sources: aws_ec2_managed_prefix_list by name, and its entries.
    by_name = [{"Name": "prefix-list-name", "Values": ["com.amazonaws.us-west-2.s3"]}]
    found = ec2.describe_managed_prefix_lists(Filters=by_name)["PrefixLists"]
    assert [it["OwnerId"] for it in found] == ["AWS"]
    same = ec2.describe_prefix_lists(Filters=by_name)["PrefixLists"][0]
    assert same["PrefixListId"] == found[0]["PrefixListId"]
    assert sorted(entries(ec2, same["PrefixListId"])) == sorted(same["Cidrs"])
