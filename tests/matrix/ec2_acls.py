"""EC2: network ACLs."""

from matrix import entry
from matrix.ec2 import tagged

EVERYTHING = {
    "RuleNumber": 100,
    "Protocol": "-1",
    "RuleAction": "allow",
    "Egress": False,
    "CidrBlock": "0.0.0.0/0",
}


def acl(world):
    """A VPC and an ACL of it that counts for no subnet."""
    vpc, _ = world.vpc()
    made = world.ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]
    return vpc, made["NetworkAclId"]


def association(world, subnet):
    """The ACL of a subnet, and the association's id."""
    by_subnet = [{"Name": "association.subnet-id", "Values": [subnet]}]
    found = world.ec2.describe_network_acls(Filters=by_subnet)["NetworkAcls"][0]
    for own in found["Associations"]:
        if own["SubnetId"] == subnet:
            return found["NetworkAclId"], own["NetworkAclAssociationId"]
    raise AssertionError(f"{subnet} has no network ACL")


def with_entry(world):
    """An entry of an ACL, as a request describes it."""
    given = {"NetworkAclId": acl(world)[1], **EVERYTHING}
    world.ec2.create_network_acl_entry(**given)
    return given


@entry("ec2", "CreateNetworkAcl", needs=["ec2:CreateNetworkAcl", "ec2:CreateTags"])
def create_network_acl(world):
    return {"VpcId": world.vpc()[0], "TagSpecifications": tagged("network-acl")}


@entry("ec2", "DescribeNetworkAcls")
def describe_network_acls(world):
    return {}


@entry("ec2", "DeleteNetworkAcl")
def delete_network_acl(world):
    return {"NetworkAclId": acl(world)[1]}


@entry("ec2", "CreateNetworkAclEntry")
def create_network_acl_entry(world):
    return {"NetworkAclId": acl(world)[1], **EVERYTHING}


@entry("ec2", "ReplaceNetworkAclEntry")
def replace_network_acl_entry(world):
    return {**with_entry(world), "RuleAction": "deny"}


@entry("ec2", "DeleteNetworkAclEntry")
def delete_network_acl_entry(world):
    given = with_entry(world)
    return {name: given[name] for name in ("NetworkAclId", "RuleNumber", "Egress")}


@entry("ec2", "ReplaceNetworkAclAssociation")
def replace_network_acl_association(world):
    vpc, subnet = world.subnet()
    made = world.ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]
    return {
        "AssociationId": association(world, subnet)[1],
        "NetworkAclId": made["NetworkAclId"],
    }
