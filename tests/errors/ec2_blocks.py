"""EC2: the blocks of VPCs and subnets."""

from errors.ec2 import ABSENT, MALFORMED, NOT_FOUND, ec2, fails
from matrix import ec2_blocks as made

# What does not exist, and what is no id at all

for operation, member, more in [
    ("AssociateVpcCidrBlock", "VpcId", {"CidrBlock": "10.0.0.0/16"}),
    ("AssociateSubnetCidrBlock", "SubnetId", {"Ipv6CidrBlock": "2001:db8::/64"}),
]:
    ec2(operation, *NOT_FOUND[member], **{member: ABSENT[member]}, **more)
    ec2(operation, MALFORMED[member], "Invalid id", **{member: "x"}, **more)
for operation, kind, what in [
    ("DisassociateVpcCidrBlock", "vpc", "The vpc CIDR block association ID"),
    ("DisassociateSubnetCidrBlock", "subnet", "The subnet CIDR block with association ID"),
]:
    code = f"Invalid{kind.capitalize()}CidrBlockAssociation"
    absent = f"{kind}-cidr-assoc-0123456789abcdef0"
    text = f"{what} '{absent}' does not exist"
    ec2(operation, f"{code}ID.NotFound", text, AssociationId=absent)
    text = f'Invalid id: "x" (expecting "{kind}-cidr-assoc-...")'
    ec2(operation, f"{code}Id.Malformed", text, AssociationId="x")


# Blocks of VPCs

for block, code, text in [
    ("10.0", "InvalidParameterValue", "This is not a valid CIDR block."),
    ("10.0.0.0/15", "InvalidVpc.Range", "The CIDR '{CidrBlock}' is invalid."),
    ("172.16.0.0/16", "InvalidVpc.Range", "The CIDR '{CidrBlock}' is restricted."),
]:

    @fails("AssociateVpcCidrBlock", code, text)
    def block_of_vpc(world, block=block):
        return {"VpcId": world.vpc()[0], "CidrBlock": block}


@fails("AssociateVpcCidrBlock", "CidrConflict", "{CidrBlock}")
def block_twice(world):
    vpc, base = world.vpc()
    return {"VpcId": vpc, "CidrBlock": f"{base}.128.0/17"}


@fails(
    "AssociateVpcCidrBlock",
    "CidrLimitExceeded",
    "This network '{VpcId}' has met its maximum number of allowed CIDRs: 5",
)
def sixth_block(world):
    vpc, _ = world.vpc()
    for number in range(4):
        world.ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock=f"100.{64 + number}.0.0/16")
    return {"VpcId": vpc, "CidrBlock": "100.68.0.0/16"}


@fails(
    "AssociateVpcCidrBlock",
    "CidrLimitExceeded",
    "This network '{VpcId}' has met its maximum number of allowed CIDRs: 1",
)
def second_ipv6_block(world):
    return {"VpcId": made.dual(world)[0], "AmazonProvidedIpv6CidrBlock": True}


@fails("AssociateVpcCidrBlock", "MissingParameter", "exactly one of cidrBlock")
def no_block(world):
    return {"VpcId": world.vpc()[0]}


@fails("AssociateVpcCidrBlock", "UnsupportedOperation", "Ipv6Pool")
def own_pool(world):
    return {"VpcId": world.vpc()[0], "Ipv6Pool": "ipv6pool-ec2-0", "Ipv6CidrBlock": "2001:db8::/56"}


@fails("DisassociateVpcCidrBlock", "OperationNotPermitted", "{AssociationId}")
def first_block(world):
    vpc = world.ec2.describe_vpcs(VpcIds=[world.vpc()[0]])["Vpcs"][0]
    return {"AssociationId": vpc["CidrBlockAssociationSet"][0]["AssociationId"]}


@fails(
    "DisassociateVpcCidrBlock",
    "InvalidCidrBlock.InUse",
    "The vpc {_Vpc} currently has a subnet within CIDR block {_Block}",
)
def block_of_subnets(world):
    vpc = world.ec2.describe_vpcs(VpcIds=[made.dual_subnet(world)["VpcId"]])["Vpcs"][0]
    own = vpc["Ipv6CidrBlockAssociationSet"][0]
    return {
        "AssociationId": own["AssociationId"],
        "_Vpc": vpc["VpcId"],
        "_Block": own["Ipv6CidrBlock"],
    }


# Blocks of subnets

for operation in ("CreateSubnet", "AssociateSubnetCidrBlock"):
    for block, code, text in [
        ("2001:db8::/65", "InvalidParameterValue", "ipv6-cidr-block: {Ipv6CidrBlock}"),
        ("2001:db9::/64", "InvalidSubnet.Range", "The IPv6 CIDR '{Ipv6CidrBlock}' is invalid."),
        (None, "InvalidSubnet.Conflict", "The IPv6 CIDR '{Ipv6CidrBlock}' conflicts"),
    ]:

        @fails(operation, code, text)
        def block_of_subnet(world, operation=operation, block=block):
            vpc, base, blocks = made.dual(world)
            world.ec2.create_subnet(
                VpcId=vpc, CidrBlock=f"{base}.1.0/24", Ipv6CidrBlock=blocks[0]
            )
            given = {"VpcId": vpc, "CidrBlock": f"{base}.2.0/24"}
            block = {"Ipv6CidrBlock": block or blocks[0]}
            if operation == "CreateSubnet":
                return given | block
            subnet = world.ec2.create_subnet(**given)["Subnet"]["SubnetId"]
            return {"SubnetId": subnet} | block


@fails(
    "AssociateSubnetCidrBlock",
    "CidrLimitExceeded",
    "This network '{SubnetId}' has met its maximum number of allowed CIDRs: 1",
)
def second_block(world):
    subnet = made.dual_subnet(world)
    own = subnet["Ipv6CidrBlockAssociationSet"][0]
    return {"SubnetId": subnet["SubnetId"], "Ipv6CidrBlock": own["Ipv6CidrBlock"]}


@fails(
    "DisassociateSubnetCidrBlock",
    "InvalidCidrBlock.InUse",
    "The subnet IPv6 CIDR block with association ID {AssociationId} may not be disassociated, "
    "because its subnet has assign-ipv6-address-on-creation set to true.",
)
def assigned_block(world):
    subnet = made.dual_subnet(world)
    world.ec2.modify_subnet_attribute(
        SubnetId=subnet["SubnetId"], AssignIpv6AddressOnCreation={"Value": True}
    )
    return {"AssociationId": subnet["Ipv6CidrBlockAssociationSet"][0]["AssociationId"]}


@fails(
    "ModifySubnetAttribute",
    "InvalidParameterValue",
    "Invalid value 'true' for assign-ipv6-address-on-creation. Cannot set "
    "assign-ipv6-address-on-creation to true unless the subnet ({SubnetId}) has an IPv6 CIDR "
    "block associated with it.",
)
def assignment_without_block(world):
    return {
        "SubnetId": world.subnet()[1],
        "AssignIpv6AddressOnCreation": {"Value": True},
    }


# Addresses of interfaces

for operation, more in [
    ("AssignPrivateIpAddresses", {"SecondaryPrivateIpAddressCount": 1}),
    ("UnassignPrivateIpAddresses", {"PrivateIpAddresses": ["10.0.0.9"]}),
    ("AssignIpv6Addresses", {"Ipv6AddressCount": 1}),
    ("UnassignIpv6Addresses", {"Ipv6Addresses": ["2001:db8::9"]}),
]:
    member = "NetworkInterfaceId"
    ec2(operation, *NOT_FOUND[member], **{member: ABSENT[member]}, **more)
    ec2(operation, MALFORMED[member], "Invalid id", **{member: "x"}, **more)
    ec2(operation, "MissingParameter", "must contain the parameter", **{member: ABSENT[member]})

for operation, addresses, code, text in [
    ("AssignPrivateIpAddresses", ["x"], "InvalidParameterValue", "parameter address: x"),
    ("AssignPrivateIpAddresses", ["10.255.0.9"], "InvalidParameterValue", "address range"),
    ("AssignPrivateIpAddresses", None, "InvalidIPAddress.InUse", "is in use."),
    ("UnassignPrivateIpAddresses", ["10.255.0.9"], "InvalidParameterValue", "not assigned"),
    ("AssignIpv6Addresses", ["x"], "InvalidParameterValue", "parameter address: x"),
    ("AssignIpv6Addresses", ["2001:db9::9"], "InvalidParameterValue", "address range"),
    ("UnassignIpv6Addresses", ["2001:db9::9"], "InvalidParameterValue", "not assigned"),
]:

    @fails(operation, code, text)
    def wrong_addresses(world, operation=operation, addresses=addresses):
        own = made.interface(world)
        member = "Ipv6Addresses" if "Ipv6" in operation else "PrivateIpAddresses"
        wanted = addresses or [own["PrivateIpAddress"]]
        return {"NetworkInterfaceId": own["NetworkInterfaceId"], member: wanted}


@fails("AssignPrivateIpAddresses", "PrivateIpAddressLimitExceeded", "{NetworkInterfaceId}")
def too_many_addresses(world):
    own = made.interface(world)["NetworkInterfaceId"]
    return {"NetworkInterfaceId": own, "SecondaryPrivateIpAddressCount": 50}


@fails(
    "AssignPrivateIpAddresses",
    "InvalidParameterValue",
    "[{_Address}] assigned, but move is not allowed.",
)
def address_of_another(world):
    own = made.interface(world)
    address = own["PrivateIpAddresses"][1]["PrivateIpAddress"]
    other = world.ec2.create_network_interface(SubnetId=own["SubnetId"])["NetworkInterface"]
    return {
        "NetworkInterfaceId": other["NetworkInterfaceId"],
        "PrivateIpAddresses": [address],
        "_Address": address,
    }


@fails("CreateNetworkInterface", "InvalidParameterValue", "{SubnetId}")
def ipv6_without_block(world):
    return {"SubnetId": world.subnet()[1], "Ipv6AddressCount": 1}


@fails("CreateNetworkInterface", "InvalidParameterCombination", "ipv6AddressCount")
def addresses_and_their_number(world):
    return {
        "SubnetId": made.dual_subnet(world)["SubnetId"],
        "Ipv6AddressCount": 1,
        "Ipv6Addresses": [{"Ipv6Address": "2001:db8::9"}],
    }


for member in ("Ipv6PrefixCount", "Ipv4PrefixCount"):
    text = f"The parameter {member} is not supported"
    operation = "AssignIpv6Addresses" if "6" in member else "AssignPrivateIpAddresses"
    given = {"NetworkInterfaceId": ABSENT["NetworkInterfaceId"], member: 1}
    ec2(operation, "UnsupportedOperation", text, **given)
