"""Route 53."""

from errors import case, prepared, without
from matrix.route53 import batch, change, second_vpc, vpc, zone

ABSENT = "Z00000000000000000000"
NO_ZONE = f"No hosted zone found with ID: {ABSENT}"
NOWHERE = {"VPCRegion": "us-west-2", "VPCId": "vpc-00000000000000000"}


def fails(operation, code, text, status=400):
    return prepared("route53", operation, code, status, text)


for name in ["GetHostedZone", "DeleteHostedZone", "UpdateHostedZoneComment"]:
    case("route53", name, "NoSuchHostedZone", 404, NO_ZONE, Id=ABSENT)
for name in ["ListResourceRecordSets", "ListVPCAssociationAuthorizations"]:
    case("route53", name, "NoSuchHostedZone", 404, NO_ZONE, HostedZoneId=ABSENT)
for name in [
    "AssociateVPCWithHostedZone",
    "DisassociateVPCFromHostedZone",
    "CreateVPCAssociationAuthorization",
    "DeleteVPCAssociationAuthorization",
]:
    case("route53", name, "NoSuchHostedZone", 404, NO_ZONE, HostedZoneId=ABSENT, VPC=NOWHERE)
for name in ["ChangeTagsForResource", "ListTagsForResource"]:
    given = {"ResourceType": "hostedzone", "ResourceId": ABSENT}
    more = {"RemoveTagKeys": ["a"]} if name.startswith("Change") else {}
    case("route53", name, "NoSuchHostedZone", 404, NO_ZONE, **given, **more)
    given = {"ResourceType": "healthcheck", "ResourceId": "h"}
    case("route53", name, "NoSuchHealthCheck", 404, "with ID: h", **given, **more)
case(
    "route53",
    "ListTagsForResources",
    "NoSuchHostedZone",
    404,
    NO_ZONE,
    ResourceType="hostedzone",
    ResourceIds=[ABSENT],
)
case("route53", "GetChange", "NoSuchChange", 404, "ID: C1", Id="C1")
case("route53", "ListHostedZones", "InvalidInput", 400, "MaxItems", MaxItems="many")
case("route53", "ListHostedZones", "NoSuchDelegationSet", 400, "with ID: N1", DelegationSetId="N1")
case("route53", "ListHostedZonesByName", "InvalidDomainName", 400, "not valid", DNSName="a..b")
case("route53", "ListHostedZonesByVPC", "InvalidInput", 400, NOWHERE["VPCId"], **NOWHERE)
without("route53", "it has no members and only counts", "GetHostedZoneCount")


@fails("ListHostedZonesByVPC", "InvalidPaginationToken", "NextToken")
def bad_token(world):
    return {**vpc(world), "NextToken": "x"}


@fails("ListResourceRecordSets", "InvalidInput", "StartRecordType")
def a_type_without_a_name(world):
    return {"HostedZoneId": zone(world)[0], "StartRecordType": "A"}


# Zones

case("route53", "CreateHostedZone", "InvalidDomainName", 400, "a..b", Name="a..b", CallerReference="r")
case(
    "route53",
    "CreateHostedZone",
    "InvalidInput",
    400,
    "you must also specify values for VPCId and VPCRegion",
    Name="a.test",
    CallerReference="r",
    HostedZoneConfig={"PrivateZone": True},
)
case(
    "route53",
    "CreateHostedZone",
    "InvalidVPCId",
    400,
    "The VPC ID is invalid.",
    Name="a.test",
    CallerReference="r",
    VPC=NOWHERE,
)


@fails(
    "CreateHostedZone",
    "HostedZoneAlreadyExists",
    "A hosted zone has already been created with the specified caller reference.",
    409,
)
def reference_used(world):
    given = {"Name": "b.test", "CallerReference": world.name("reference")}
    world.route53.create_hosted_zone(**given)
    return given


CONFLICT = (
    "The VPC {_vpc} in region us-west-2 has already been associated with the hosted zone {_zone} "
    "with the same domain name."
)


@fails("CreateHostedZone", "ConflictingDomainExists", CONFLICT)
def same_name(world):
    own = vpc(world)
    made, name = zone(world, own)
    return {
        "Name": name,
        "CallerReference": world.name("reference"),
        "VPC": own,
        "_vpc": own["VPCId"],
        "_zone": made,
    }


@fails("CreateHostedZone", "ConflictingDomainExists", CONFLICT)
def name_of_an_endpoint(world):
    found = world.ec2.describe_vpc_endpoints(VpcEndpointIds=[world.endpoint()])["VpcEndpoints"][0]
    entry = found["DnsEntries"][-1]
    return {
        "Name": entry["DnsName"],
        "CallerReference": world.name("reference"),
        "VPC": {"VPCRegion": "us-west-2", "VPCId": found["VpcId"]},
        "_vpc": found["VpcId"],
        "_zone": entry["HostedZoneId"],
    }


@fails("AssociateVPCWithHostedZone", "ConflictingDomainExists", CONFLICT)
def associated_already(world):
    own = vpc(world)
    made = zone(world, own)[0]
    return {"HostedZoneId": made, "VPC": own, "_vpc": own["VPCId"], "_zone": made}


@fails("AssociateVPCWithHostedZone", "PublicZoneVPCAssociation", "public hosted zone")
def public_zone(world):
    return {"HostedZoneId": zone(world)[0], "VPC": vpc(world)}


@fails("AssociateVPCWithHostedZone", "InvalidVPCId", "The VPC ID is invalid.")
def no_vpc(world):
    return {"HostedZoneId": zone(world, vpc(world))[0], "VPC": NOWHERE}


@fails("DisassociateVPCFromHostedZone", "VPCAssociationNotFound", "not currently associated", 404)
def not_associated(world):
    made, other = second_vpc(world)
    return {"HostedZoneId": made, "VPC": other}


@fails("DisassociateVPCFromHostedZone", "LastVPCAssociation", "the last VPC that is associated")
def last_vpc(world):
    own = vpc(world)
    return {"HostedZoneId": zone(world, own)[0], "VPC": own}


@fails(
    "DeleteHostedZone",
    "HostedZoneNotEmpty",
    "The specified hosted zone contains non-required resource record sets  and so cannot be deleted.",
)
def not_empty(world):
    made, name = zone(world)
    world.route53.change_resource_record_sets(**batch(made, change("CREATE", f"a.{name}")))
    return {"Id": made}


@fails("CreateVPCAssociationAuthorization", "InvalidVPCId", "The VPC ID is invalid.")
def no_id_of_a_vpc(world):
    return {
        "HostedZoneId": zone(world, vpc(world))[0],
        "VPC": {"VPCRegion": "us-west-2", "VPCId": "x"},
    }


@fails(
    "DeleteVPCAssociationAuthorization", "VPCAssociationAuthorizationNotFound", "not authorized", 404
)
def no_authorization(world):
    return {"HostedZoneId": zone(world, vpc(world))[0], "VPC": NOWHERE}


# Records


def changing(code, text, *given):
    """A batch that fails: `@` in a name stands for the zone's own."""

    def prepare(world):
        made, name = zone(world)
        changes = []
        for action, own, *more in given:
            keywords = more.pop() if more and isinstance(more[-1], dict) else {}
            changes.append(change(action, own.replace("@", name), *more, **keywords))
            for absent in [key for key, value in keywords.items() if value is None]:
                del changes[-1]["ResourceRecordSet"][absent]
        return {**batch(made, *changes), "_name": name, "_zone": made}

    fails("ChangeResourceRecordSets", code, text)(prepare)


BATCH = "InvalidChangeBatch"
VALUE = "[Invalid Resource Record: FATAL problem: "
case(
    "route53",
    "ChangeResourceRecordSets",
    "NoSuchHostedZone",
    404,
    NO_ZONE,
    **batch(ABSENT, change("CREATE", "a.test")),
)
changing(BATCH, "[RRSet with DNS name a.other. is not permitted in zone {_name}.]", ("CREATE", "a.other"))
changing(
    BATCH,
    "[Tried to create resource record set [name='a.{_name}.', type='A'] but it already exists, "
    "Tried to delete resource record set [name='b.{_name}.', type='A'] but it was not found]",
    ("UPSERT", "a.@"),
    ("CREATE", "A.@."),
    ("DELETE", "b.@"),
)
changing(
    BATCH,
    "[Tried to delete resource record set [name='a.{_name}.', type='A'] but the values provided do "
    "not match the current values]",
    ("CREATE", "a.@"),
    ("DELETE", "a.@", "A", ["10.0.0.2"]),
)
changing(
    BATCH,
    "The request contains an invalid set of changes for a resource record set 'A a.{_name}.'",
    ("UPSERT", "a.@"),
    ("UPSERT", "a.@"),
)
changing(
    BATCH,
    "[RRSet of type A with DNS name a.{_name}. is not permitted because a conflicting RRSet of type "
    " CNAME with the same DNS name already exists in zone {_name}., RRSet of type CNAME",
    ("CREATE", "a.@", "CNAME", ["b.test"]),
    ("CREATE", "a.@"),
)
changing(
    BATCH,
    "[RRSet of type CNAME with DNS name {_name}. is not permitted at apex in zone {_name}.",
    ("CREATE", "@", "CNAME", ["b.test"]),
)
changing(
    BATCH,
    VALUE + "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address) encountered with 'x']",
    ("CREATE", "a.@", "A", ["x"]),
)
changing(
    BATCH,
    VALUE + "InvalidCharacterString (Value should be enclosed in quotation marks) encountered with 'x']",
    ("CREATE", "a.@", "TXT", ["x"]),
)
changing(
    BATCH, "[Duplicate Resource Record: '10.0.0.1']", ("CREATE", "a.@", "A", ["10.0.0.1"] * 2)
)
changing(
    BATCH,
    "cannot be created because a non weighted rrset exists with the same name and type.",
    ("CREATE", "a.@"),
    ("CREATE", "a.@", {"SetIdentifier": "1", "Weight": 1}),
)
changing(
    "InvalidInput",
    "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or "
    "TrafficPolicyInstanceId], but found none in Change with [Action=CREATE, Name=a.{_name}, "
    "Type=A, SetIdentifier=null]",
    ("CREATE", "a.@", {"TTL": None}),
)
changing(
    "InvalidInput",
    "Invalid request: Missing field 'SetIdentifier' in Change with [Action=CREATE",
    ("CREATE", "a.@", {"Weight": 1}),
)
changing(
    "InvalidInput",
    "Sagegate does not support latency routing",
    ("CREATE", "a.@", {"Region": "us-west-2", "SetIdentifier": "1"}),
)
changing(
    "InvalidInput",
    "Sagegate does not answer for records of type DS",
    ("CREATE", "a.@", "DS", ["1 2 3 4"]),
)
changing(
    "InvalidInput",
    "1 validation error detected: Value 'TEA' at 'changeBatch.changes.1.member.resourceRecordSet.type'",
    ("CREATE", "a.@", "TEA"),
)


@fails("ChangeResourceRecordSets", "NoSuchHealthCheck", "with ID: h", 404)
def no_health_check(world):
    made, name = zone(world)
    given = change("CREATE", name, HealthCheckId="h")
    return batch(made, given)


def aliasing(text, of_zone, name):
    @fails("ChangeResourceRecordSets", BATCH, text)
    def prepare(world):
        made, own = zone(world)
        target = {
            "HostedZoneId": made if of_zone else "Z35SXDOTRQ7X7K",
            "DNSName": name.replace("@", own),
            "EvaluateTargetHealth": False,
        }
        given = {"Name": f"a.{own}", "Type": "A", "AliasTarget": target}
        changed = {"Action": "CREATE", "ResourceRecordSet": given}
        return {**batch(made, changed), "_zone": made, "_name": own}


aliasing(
    "[Tried to create an alias that targets b.{_name}., type A in zone {_zone}, but that target was "
    "not found]",
    True,
    "b.@",
)
aliasing(
    "[Tried to create an alias that targets b.test., type A in zone {_zone}, but the alias target "
    "name does not lie within the target zone]",
    True,
    "b.test",
)
aliasing("but that target was not found]", False, "vpce-1.elb.amazonaws.com")


@fails("ChangeResourceRecordSets", BATCH, "[A HostedZone must contain exactly one SOA record.]")
def without_soa(world):
    made, name = zone(world)
    listed = world.route53.list_resource_record_sets(HostedZoneId=made)["ResourceRecordSets"]
    own = next(it for it in listed if it["Type"] == "SOA")
    return batch(made, {"Action": "DELETE", "ResourceRecordSet": own})
