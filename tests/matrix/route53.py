"""Route 53."""

from matrix import entry

DESCRIBE = "ec2:DescribeVpcs"


def vpc(world):
    return {"VPCRegion": "us-west-2", "VPCId": world.vpc()[0]}


def zone(world, vpc=None, name=None):
    """A hosted zone: private with a VPC, public without."""
    more = {"VPC": vpc} if vpc else {}
    name = name or f"{world.name('zone')}.test"
    made = world.route53.create_hosted_zone(Name=name, CallerReference=world.name("r"), **more)
    return made["HostedZone"]["Id"].removeprefix("/hostedzone/"), name


def second_vpc(world):
    """A private zone, and a VPC that it could be associated with."""
    own = vpc(world)
    other = world.ec2.create_vpc(CidrBlock="10.240.0.0/16")["Vpc"]["VpcId"]
    return zone(world, own)[0], {"VPCRegion": "us-west-2", "VPCId": other}


def change(action, name, kind="A", values=("10.0.0.1",), **more):
    records = [{"Value": value} for value in values]
    given = {"Name": name, "Type": kind, "TTL": 60, "ResourceRecords": records, **more}
    return {"Action": action, "ResourceRecordSet": given}


def batch(zone, *changes):
    return {"HostedZoneId": zone, "ChangeBatch": {"Changes": list(changes)}}


@entry("route53", "CreateHostedZone", needs=["route53:CreateHostedZone", DESCRIBE])
def create_hosted_zone(world):
    name = f"{world.name('zone')}.test"
    return {"Name": name, "CallerReference": name, "VPC": vpc(world)}


@entry("route53", "GetHostedZone")
@entry("route53", "UpdateHostedZoneComment")
@entry("route53", "DeleteHostedZone")
def one_zone(world):
    return {"Id": zone(world)[0]}


@entry("route53", "GetHostedZoneCount")
@entry("route53", "ListHostedZones")
@entry("route53", "ListHostedZonesByName")
def nothing(world):
    return {}


@entry("route53", "ListHostedZonesByVPC", needs=["route53:ListHostedZonesByVPC", DESCRIBE])
def list_hosted_zones_by_vpc(world):
    return vpc(world)


@entry(
    "route53", "AssociateVPCWithHostedZone", needs=["route53:AssociateVPCWithHostedZone", DESCRIBE]
)
def associate_vpc(world):
    made, other = second_vpc(world)
    return {"HostedZoneId": made, "VPC": other}


@entry(
    "route53",
    "DisassociateVPCFromHostedZone",
    needs=["route53:DisassociateVPCFromHostedZone", DESCRIBE],
)
def disassociate_vpc(world):
    made, other = second_vpc(world)
    world.route53.associate_vpc_with_hosted_zone(HostedZoneId=made, VPC=other)
    return {"HostedZoneId": made, "VPC": other}


@entry("route53", "CreateVPCAssociationAuthorization")
def create_authorization(world):
    return {
        "HostedZoneId": zone(world, vpc(world))[0],
        "VPC": {"VPCRegion": "us-west-2", "VPCId": "vpc-0123456789abcdef0"},
    }


@entry("route53", "DeleteVPCAssociationAuthorization")
def delete_authorization(world):
    given = create_authorization(world)
    world.route53.create_vpc_association_authorization(**given)
    return given


@entry("route53", "ListVPCAssociationAuthorizations")
@entry("route53", "ListResourceRecordSets")
def of_zone(world):
    return {"HostedZoneId": zone(world)[0]}


@entry("route53", "ChangeResourceRecordSets")
def change_resource_record_sets(world):
    made, name = zone(world)
    return batch(made, change("UPSERT", name))


@entry("route53", "GetChange")
def get_change(world):
    made = world.route53.create_hosted_zone(
        Name="change.test", CallerReference=world.name("reference")
    )
    return {"Id": made["ChangeInfo"]["Id"]}


@entry("route53", "ChangeTagsForResource")
def change_tags(world):
    return {**tagged(world), "AddTags": [{"Key": "team", "Value": "research"}]}


@entry("route53", "ListTagsForResource")
def tagged(world):
    return {"ResourceType": "hostedzone", "ResourceId": zone(world)[0]}


@entry("route53", "ListTagsForResources")
def list_tags(world):
    return {"ResourceType": "hostedzone", "ResourceIds": [zone(world)[0]]}
