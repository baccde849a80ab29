"""EC2: prefix lists of the account's own."""

from matrix import entry
from matrix.ec2 import tagged


def made(world, size=3):
    """A list with one entry, and nothing else of the account's own."""
    clear(world)
    return world.ec2.create_managed_prefix_list(
        PrefixListName="matrix",
        AddressFamily="IPv4",
        MaxEntries=size,
        Entries=[{"Cidr": "192.0.2.0/24"}],
    )["PrefixList"]["PrefixListId"]


def clear(world):
    """Removes the lists that nothing refers to: an account has few."""
    own = [{"Name": "owner-id", "Values": ["123456789012"]}]
    for known in world.ec2.describe_managed_prefix_lists(Filters=own)["PrefixLists"]:
        world.ec2.delete_managed_prefix_list(PrefixListId=known["PrefixListId"])


@entry(
    "ec2", "CreateManagedPrefixList", needs=["ec2:CreateManagedPrefixList", "ec2:CreateTags"]
)
def create_managed_prefix_list(world):
    clear(world)
    return {
        "PrefixListName": "matrix",
        "AddressFamily": "IPv4",
        "MaxEntries": 1,
        "TagSpecifications": tagged("prefix-list"),
    }


@entry("ec2", "DescribeManagedPrefixLists")
def describe_managed_prefix_lists(world):
    return {}


@entry("ec2", "GetManagedPrefixListEntries")
def get_managed_prefix_list_entries(world):
    return {"PrefixListId": made(world)}


@entry("ec2", "GetManagedPrefixListAssociations")
def get_managed_prefix_list_associations(world):
    return {"PrefixListId": made(world)}


@entry("ec2", "ModifyManagedPrefixList")
def modify_managed_prefix_list(world):
    return {
        "PrefixListId": made(world),
        "CurrentVersion": 1,
        "AddEntries": [{"Cidr": "198.51.100.0/24"}],
    }


@entry("ec2", "RestoreManagedPrefixListVersion")
def restore_managed_prefix_list_version(world):
    return {"PrefixListId": made(world), "PreviousVersion": 1, "CurrentVersion": 1}


@entry("ec2", "DeleteManagedPrefixList")
def delete_managed_prefix_list(world):
    return {"PrefixListId": made(world)}
