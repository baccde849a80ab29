"""The calls that Terraform's AWS provider makes for aws_route53_zone, aws_route53_record and
aws_route53_zone_association, in its order, with boto3."""

import pytest

from conftest import REGION


@pytest.fixture(scope="module")
def root(module_server):
    return module_server.principal()


@pytest.fixture
def route53(root):
    return root.client("route53")


@pytest.fixture
def vpcs(root):
    ec2 = root.client("ec2")
    made = [ec2.create_vpc(CidrBlock=f"10.{number}.0.0/16")["Vpc"]["VpcId"] for number in (91, 92)]
    yield made
    for vpc in made:
        ec2.delete_vpc(VpcId=vpc)


def named(vpc):
    return {"VPCId": vpc, "VPCRegion": REGION}


def in_sync(route53, answer):
    change = answer["ChangeInfo"]["Id"].removeprefix("/change/")
    assert route53.get_change(Id=change)["ChangeInfo"]["Status"] == "INSYNC"


def test_a_zone_with_records_and_an_association(route53, vpcs):
    # aws_route53_zone
    made = route53.create_hosted_zone(
        Name="terraform.test",
        CallerReference="terraform-1",
        HostedZoneConfig={"Comment": "Managed by Terraform"},
        VPC=named(vpcs[0]),
    )
    zone = made["HostedZone"]["Id"].removeprefix("/hostedzone/")
    in_sync(route53, made)
    tags = [{"Key": "Name", "Value": "tf"}]
    tagged = {"ResourceType": "hostedzone", "ResourceId": zone}
    route53.change_tags_for_resource(**tagged, AddTags=tags)
    read = route53.get_hosted_zone(Id=zone)
    assert read["HostedZone"]["Config"] == {"Comment": "Managed by Terraform", "PrivateZone": True}
    assert read["VPCs"] == [named(vpcs[0])]
    assert route53.list_tags_for_resource(**tagged)["ResourceTagSet"]["Tags"] == tags
    # A private zone's name servers are those of its NS record.
    listed = route53.list_resource_record_sets(
        HostedZoneId=zone, StartRecordName="terraform.test", StartRecordType="NS"
    )["ResourceRecordSets"][0]
    assert listed["Type"] == "NS" and len(listed["ResourceRecords"]) == 4

    # aws_route53_zone_association
    given = {"HostedZoneId": zone, "VPC": named(vpcs[1]), "Comment": "Managed by Terraform"}
    in_sync(route53, route53.associate_vpc_with_hosted_zone(**given))
    listed = route53.list_hosted_zones_by_vpc(**named(vpcs[1]))["HostedZoneSummaries"]
    assert [it["HostedZoneId"] for it in listed] == [zone]

    # aws_route53_record: created, read back by name, type and identifier, changed, read again.
    sets = [
        {"Name": "www.terraform.test", "Type": "A", "TTL": 300, "ResourceRecords": [{"Value": "10.91.0.9"}]},
        {
            "Name": "*.terraform.test",
            "Type": "A",
            "SetIdentifier": "one",
            "Weight": 10,
            "AliasTarget": {
                "HostedZoneId": zone,
                "DNSName": "www.terraform.test",
                "EvaluateTargetHealth": True,
            },
        },
    ]
    for own in sets:
        change(route53, zone, "CREATE", own)
        found = read_record(route53, zone, own)
        assert found["Type"] == own["Type"] and found.get("TTL") == own.get("TTL")
    sets[0]["TTL"] = 60
    change(route53, zone, "UPSERT", sets[0])
    assert read_record(route53, zone, sets[0])["TTL"] == 60

    # Destroyed in the other order.
    for own in reversed(sets):
        found = read_record(route53, zone, own)
        change(route53, zone, "DELETE", found)
        assert read_record(route53, zone, own) is None
    in_sync(route53, route53.disassociate_vpc_from_hosted_zone(**given))
    assert route53.list_hosted_zones_by_vpc(**named(vpcs[1]))["HostedZoneSummaries"] == []
    in_sync(route53, route53.delete_hosted_zone(Id=zone))
    with pytest.raises(route53.exceptions.NoSuchHostedZone):
        route53.get_hosted_zone(Id=zone)


def change(route53, zone, action, own):
    batch = {"Comment": "Managed by Terraform", "Changes": [{"Action": action, "ResourceRecordSet": own}]}
    in_sync(route53, route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch))


def read_record(route53, zone, own):
    start = {"StartRecordName": own["Name"], "StartRecordType": own["Type"]}
    if "SetIdentifier" in own:
        start["StartRecordIdentifier"] = own["SetIdentifier"]
    listed = route53.list_resource_record_sets(HostedZoneId=zone, MaxItems="1", **start)
    for found in listed["ResourceRecordSets"]:
        name = found["Name"].replace("\\052", "*").rstrip(".")
        same = found.get("SetIdentifier") == own.get("SetIdentifier")
        if (name, found["Type"]) == (own["Name"], own["Type"]) and same:
            return found
    return None
