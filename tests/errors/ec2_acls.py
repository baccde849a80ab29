"""EC2: network ACLs."""

from errors.ec2 import ec2, fails
from matrix import ec2_acls as made

ACL = "acl-0123456789abcdef0"
VPC = "vpc-0123456789abcdef0"
ASSOCIATION = "aclassoc-0123456789abcdef0"

# What does not exist, and what is no id at all

for operation, more in [
    ("DeleteNetworkAcl", {}),
    ("CreateNetworkAclEntry", made.EVERYTHING),
    ("ReplaceNetworkAclEntry", made.EVERYTHING),
    ("DeleteNetworkAclEntry", {"RuleNumber": 100, "Egress": False}),
]:
    text = "The networkAcl ID '{NetworkAclId}' does not exist"
    ec2(operation, "InvalidNetworkAclID.NotFound", text, NetworkAclId=ACL, **more)
    text = 'Invalid id: "acl-Oops" (expecting "acl-...")'
    ec2(operation, "InvalidNetworkAclId.Malformed", text, NetworkAclId="acl-Oops", **more)
ec2("CreateNetworkAcl", "InvalidVpcID.NotFound", VPC, VpcId=VPC)
ec2("DescribeNetworkAcls", "InvalidNetworkAclID.NotFound", ACL, NetworkAclIds=[ACL])
ec2(
    "DescribeNetworkAcls",
    "InvalidParameterValue",
    "The filter 'colour' is invalid",
    Filters=[{"Name": "colour", "Values": ["red"]}],
)
ec2("DescribeNetworkAcls", "InvalidNextToken", "", MaxResults=10, NextToken="bm90IG9mIG91cnM=")
text = "The association ID '{AssociationId}' does not exist"
code = "InvalidAssociationID.NotFound"
given = {"AssociationId": ASSOCIATION, "NetworkAclId": ACL}
ec2("ReplaceNetworkAclAssociation", code, text, **given)


# ACLs


def default(world):
    _, subnet = world.subnet()
    return subnet, *made.association(world, subnet)


@fails(
    "DeleteNetworkAcl",
    "InvalidParameterValue",
    "cannot delete default network ACL {NetworkAclId}",
)
def default_acl(world):
    return {"NetworkAclId": default(world)[1]}


@fails(
    "DeleteNetworkAcl",
    "DependencyViolation",
    "The networkAcl '{NetworkAclId}' has dependencies and cannot be deleted.",
)
def acl_of_subnet(world):
    given = made.replace_network_acl_association(world)
    world.ec2.replace_network_acl_association(**given)
    return {"NetworkAclId": given["NetworkAclId"]}


@fails(
    "DeleteVpc", "DependencyViolation", "The vpc '{VpcId}' has dependencies and cannot be deleted."
)
def vpc_with_acl(world):
    return {"VpcId": made.acl(world)[0]}


@fails(
    "ReplaceNetworkAclAssociation",
    "InvalidParameterValue",
    "Network ACL {NetworkAclId} and subnet {_subnet} belong to different networks",
)
def acl_of_another_vpc(world):
    subnet, _, association = default(world)
    vpc = world.ec2.create_vpc(CidrBlock="10.240.0.0/16")["Vpc"]["VpcId"]
    other = world.ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    return {"AssociationId": association, "NetworkAclId": other, "_subnet": subnet}


# Entries


@fails(
    "CreateNetworkAclEntry",
    "NetworkAclEntryAlreadyExists",
    "The network acl entry identified by {RuleNumber} already exists.",
)
def same_number(world):
    return made.with_entry(world)


@fails(
    "CreateNetworkAclEntry",
    "NetworkAclEntryLimitExceeded",
    "The maximum number of network acl entries has been reached.",
)
def too_many_entries(world):
    given = made.create_network_acl_entry(world)
    for number in range(1, 20):
        world.ec2.create_network_acl_entry(**{**given, "RuleNumber": number})
    return given


for operation in ("CreateNetworkAclEntry", "ReplaceNetworkAclEntry"):
    for code, text, change in [
        ("InvalidParameterValue", "(32767) for parameter ruleNumber", {"RuleNumber": 32767}),
        ("InvalidParameterValue", "'tcp' for IP protocol. Unknown", {"Protocol": "tcp"}),
        ("InvalidParameterValue", "(10.0.0.0/33) for parameter", {"CidrBlock": "10.0.0.0/33"}),
        ("InvalidParameterCombination", "ipv6CidrBlock", {"Ipv6CidrBlock": "::/0"}),
        ("InvalidParameterValue", "Must specify both from and to ports", {"Protocol": "6"}),
        ("MissingParameter", "the parameter icmpTypeCode.type", {"Protocol": "1"}),
    ]:

        def prepare(world, change=change):
            return {**made.with_entry(world), **change}

        fails(operation, code, text)(prepare)


text = "no ingress entry with number {RuleNumber} in network ACL {NetworkAclId}"


@fails("ReplaceNetworkAclEntry", "InvalidNetworkAclEntry.NotFound", text)
def replace_no_entry(world):
    return made.create_network_acl_entry(world)


@fails("DeleteNetworkAclEntry", "InvalidNetworkAclEntry.NotFound", text)
def delete_no_entry(world):
    return {"NetworkAclId": made.acl(world)[1], "RuleNumber": 100, "Egress": False}
