"""EC2: prefix lists of the account's own."""

from errors.ec2 import ec2, fails
from matrix import ec2_lists as lists

LIST = "pl-0123456789abcdef0"
S3 = "pl-68a54001"
NEW = {"PrefixListName": "x", "AddressFamily": "IPv4", "MaxEntries": 1}

# What does not exist, what is no id at all, and what is AWS's

for operation, more in [
    ("ModifyManagedPrefixList", {"PrefixListName": "x"}),
    ("DeleteManagedPrefixList", {}),
    ("GetManagedPrefixListEntries", {}),
    ("GetManagedPrefixListAssociations", {}),
    ("RestoreManagedPrefixListVersion", {"PreviousVersion": 1, "CurrentVersion": 1}),
]:
    text = "The prefix list ID '{PrefixListId}' does not exist"
    ec2(operation, "InvalidPrefixListID.NotFound", text, PrefixListId=LIST, **more)
    text = 'Invalid id: "pl-Oops" (expecting "pl-...")'
    ec2(operation, "InvalidPrefixListId.Malformed", text, PrefixListId="pl-Oops", **more)
    if not operation.startswith("Get"):
        text = "The prefix list {PrefixListId} is managed by AWS"
        ec2(operation, "OperationNotPermitted", text, PrefixListId=S3, **more)
code = "InvalidPrefixListID.NotFound"
ec2("DescribeManagedPrefixLists", code, LIST, PrefixListIds=[LIST])
ec2(
    "DescribeManagedPrefixLists",
    "InvalidParameterValue",
    "The filter 'colour' is invalid",
    Filters=[{"Name": "colour", "Values": ["red"]}],
)
ec2(
    "DescribeManagedPrefixLists",
    "InvalidNextToken",
    "",
    MaxResults=10,
    NextToken="bm90IG9mIG91cnM=",
)
for change, text in [
    ({"MaxEntries": 1001}, "Must specify a max size between 1 and 1000"),
    ({"AddressFamily": "IPv5"}, "Value (IPv5) for parameter addressFamily"),
    ({"PrefixListName": "com.amazonaws.x"}, "cannot start with com.amazonaws"),
    ({"Entries": [{"Cidr": "10.0.0.0/33"}]}, "The CIDR (10.0.0.0/33) is not a valid IPv4"),
]:
    ec2("CreateManagedPrefixList", "InvalidParameterValue", text, **{**NEW, **change})


# Entries and versions


for operation, code, text, change in [
    (
        "ModifyManagedPrefixList",
        "PrefixListVersionMismatch",
        "The prefix list has the incorrect version number.",
        {"CurrentVersion": 7, "AddEntries": [{"Cidr": "198.51.100.0/24"}]},
    ),
    (
        "ModifyManagedPrefixList",
        "InvalidPrefixListModification",
        "does not exist.",
        {"RemoveEntries": [{"Cidr": "198.51.100.0/24"}]},
    ),
    (
        "ModifyManagedPrefixList",
        "InvalidPrefixListModification",
        "An entry with the CIDR (192.0.2.0/24) and description () already exists.",
        {"AddEntries": [{"Cidr": "192.0.2.0/24"}]},
    ),
    (
        "ModifyManagedPrefixList",
        "InvalidRequest",
        "The request received was invalid.",
        {"AddEntries": [{"Cidr": "192.0.2.0/24", "Description": "other"}]},
    ),
    (
        "ModifyManagedPrefixList",
        "InvalidParameterValue",
        "Request cannot contain Cidr 192.0.2.0/24 in both",
        {
            "AddEntries": [{"Cidr": "192.0.2.0/24", "Description": "other"}],
            "RemoveEntries": [{"Cidr": "192.0.2.0/24"}],
        },
    ),
    (
        "ModifyManagedPrefixList",
        "InvalidParameterCombination",
        "You cannot modify the entries and the maximum entries",
        {"MaxEntries": 9, "AddEntries": [{"Cidr": "198.51.100.0/24"}]},
    ),
    (
        "ModifyManagedPrefixList",
        "UnsupportedOperation",
        "IpamPrefixListResolverSyncEnabled",
        {"IpamPrefixListResolverSyncEnabled": True},
    ),
    (
        "RestoreManagedPrefixListVersion",
        "InvalidParameterValue",
        "The specified value for version is not valid",
        {"PreviousVersion": 9, "CurrentVersion": 1},
    ),
    (
        "GetManagedPrefixListEntries",
        "InvalidParameterValue",
        "The specified value for version is not valid",
        {"TargetVersion": 9},
    ),
]:

    @fails(operation, code, text)
    def changed(world, change=change):
        return {"PrefixListId": lists.made(world), **change}


@fails("ModifyManagedPrefixList", "PrefixListMaxEntriesExceeded", "number of entries is 1")
def no_room(world):
    added = [{"Cidr": "198.51.100.0/24"}]
    return {"PrefixListId": lists.made(world, size=1), "AddEntries": added}


# What refers to lists


@fails(
    "AuthorizeSecurityGroupIngress",
    "RulesPerSecurityGroupLimitExceeded",
    "maximum number of rules per security group",
)
def rule_of_a_large_list(world):
    group, large = world.security_group(), lists.made(world, size=61)
    permission = {"IpProtocol": "-1", "PrefixListIds": [{"PrefixListId": large}]}
    return {"GroupId": group, "IpPermissions": [permission]}


@fails("CreateRoute", "RouteLimitExceeded", "maximum number of routes")
def route_of_a_large_list(world):
    vpc, subnet = world.subnet()
    table = world.ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    interface = world.ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]
    return {
        "RouteTableId": table,
        "DestinationPrefixListId": lists.made(world, size=501),
        "NetworkInterfaceId": interface["NetworkInterfaceId"],
    }
