"""Route 53's private hosted zones: boto3 and the aws CLI for the API, and what the resolver of a VPC
answers to commands inside of it."""

import json
import subprocess

import pytest

from conftest import Server
from test_exec import API, Site

REGION = "us-west-2"


class Zones(Site):
    """The example studio-vpc, with names of one's own."""

    def __init__(self, server):
        super().__init__(server)
        self.route53 = server.principal().client("route53")
        subnet = self.ec2.describe_subnets(SubnetIds=[self.saved["subnet_a"]])["Subnets"][0]
        self.vpc = {"VPCRegion": REGION, "VPCId": subnet["VpcId"]}

    def zone(self, name):
        made = self.route53.create_hosted_zone(Name=name, CallerReference=name, VPC=self.vpc)
        return made["HostedZone"]["Id"]

    def change(self, zone, action, *sets):
        changes = [{"Action": action, "ResourceRecordSet": given} for given in sets]
        return self.route53.change_resource_record_sets(
            HostedZoneId=zone, ChangeBatch={"Changes": changes}
        )["ChangeInfo"]

    def answer(self, name, kind, **place):
        """The answer section as dig prints it, line by line."""
        done = self.exec("dig", "+noall", "+answer", "+tries=1", "+timeout=5", name, kind, **place)
        assert done.returncode == 0, done.stderr + done.stdout
        return [" ".join(line.split()) for line in done.stdout.splitlines()]


def records(name, kind, *values, **more):
    given = [{"Value": value} for value in values]
    return {"Name": name, "Type": kind, "TTL": 300, "ResourceRecords": given, **more}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("zones") / "data").start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def site(server):
    site = Zones(server)
    first = site.exec("true")
    if "this machine cannot carry the VPC" in first.stderr:
        pytest.skip(first.stderr)
    assert first.returncode == 0, first.stderr
    return site


def test_a_zone_is_answered_from_as_soon_as_it_is_changed(site):
    zone = site.zone("inner.test")
    assert site.dig("a.inner.test") == "NXDOMAIN"
    info = site.change(
        zone,
        "CREATE",
        records("a.inner.test", "A", "10.20.1.9", "10.20.1.8"),
        records("b.inner.test", "CNAME", "a.inner.test"),
        records("*.wild.inner.test", "A", "10.20.1.7"),
        records("inner.test", "MX", "10 mail.inner.test."),
        records("text.inner.test", "TXT", '"one" "two"', '"three"'),
        records("_sip._tcp.inner.test", "SRV", "1 2 80 a.inner.test."),
        records("inner.test", "CAA", '0 issue "ca.test"'),
        records("a.inner.test", "AAAA", "fd00::1"),
    )
    assert site.route53.get_change(Id=info["Id"])["ChangeInfo"]["Status"] == "INSYNC"
    waiter = site.route53.get_waiter("resource_record_sets_changed")
    waiter.wait(Id=info["Id"])

    assert site.dig("a.inner.test") == ["10.20.1.8", "10.20.1.9"]
    assert sorted(site.answer("b.inner.test", "A")) == [
        "a.inner.test. 300 IN A 10.20.1.8",
        "a.inner.test. 300 IN A 10.20.1.9",
        "b.inner.test. 300 IN CNAME a.inner.test.",
    ]
    assert site.answer("a.inner.test", "AAAA") == ["a.inner.test. 300 IN AAAA fd00::1"]
    assert site.dig("x.wild.inner.test") == ["10.20.1.7"]
    assert site.answer("inner.test", "MX") == ["inner.test. 300 IN MX 10 mail.inner.test."]
    assert sorted(site.answer("text.inner.test", "TXT")) == [
        'text.inner.test. 300 IN TXT "one" "two"',
        'text.inner.test. 300 IN TXT "three"',
    ]
    assert site.answer("_sip._tcp.inner.test", "SRV") == [
        "_sip._tcp.inner.test. 300 IN SRV 1 2 80 a.inner.test."
    ]
    assert site.answer("inner.test", "CAA") == ['inner.test. 300 IN CAA 0 issue "ca.test"']
    assert site.answer("inner.test", "SOA") == [
        "inner.test. 900 IN SOA ns-1536.awsdns-00.co.uk. awsdns-hostmaster.amazon.com. "
        "1 7200 900 1209600 86400"
    ]
    assert site.dig("inner.test") == "NOERROR"

    site.change(zone, "UPSERT", records("a.inner.test", "A", "10.20.1.5"))
    assert site.dig("a.inner.test") == ["10.20.1.5"]
    site.change(zone, "DELETE", records("a.inner.test", "A", "10.20.1.5"))
    assert site.dig("a.inner.test") == "NOERROR"


def test_the_most_specific_zone_answers_alone(site):
    outer, inner = site.zone("shop.test"), site.zone("dev.shop.test")
    site.change(outer, "CREATE", records("x.dev.shop.test", "A", "10.20.1.1"))
    site.change(inner, "CREATE", records("y.dev.shop.test", "A", "10.20.1.2"))
    assert site.dig("y.dev.shop.test") == ["10.20.1.2"]
    assert site.dig("x.dev.shop.test") == "NXDOMAIN"


def test_a_private_zone_hides_a_public_name(site):
    """SPEC R1.6: a name of AWS's leads where the zone says, and nowhere else."""
    sts = f"sts.{REGION}.amazonaws.com"
    assert site.dig(sts) != "NXDOMAIN"
    zone = site.zone(f"{REGION}.amazonaws.com")
    assert site.dig(sts) == "NXDOMAIN"
    site.change(zone, "CREATE", records(sts, "A", "10.20.1.77"))
    assert site.dig(sts) == ["10.20.1.77"]
    site.change(zone, "DELETE", records(sts, "A", "10.20.1.77"))
    site.route53.delete_hosted_zone(Id=zone)
    assert site.dig(sts) != "NXDOMAIN"


def test_an_alias_in_a_zone_makes_the_api_usable_by_its_name(site):
    """SPEC R1.6: an endpoint without private DNS is reached by the service's own name through a
    hosted zone; both cannot have the name at once."""
    endpoint = site.saved["api_endpoint"]
    given = {"VpcEndpointId": endpoint}
    with pytest.raises(site.route53.exceptions.ConflictingDomainExists) as caught:
        site.zone(API)
    text = f"The VPC {site.vpc['VPCId']} in region {REGION} has already been associated with"
    assert text in str(caught.value)

    listed = site.route53.list_hosted_zones_by_vpc(**site.vpc)["HostedZoneSummaries"]
    hidden = [it for it in listed if it["Name"] == API + "."]
    assert [it["Owner"] for it in hidden] == [{"OwningService": "vpce.amazonaws.com"}]
    assert hidden[0]["HostedZoneId"] in str(caught.value)

    site.ec2.modify_vpc_endpoint(**given, PrivateDnsEnabled=False)
    found = site.ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"][0]
    entry = found["DnsEntries"][0]
    zone = site.zone(API)
    target = {
        "HostedZoneId": entry["HostedZoneId"],
        "DNSName": entry["DnsName"],
        "EvaluateTargetHealth": False,
    }
    site.change(zone, "CREATE", {"Name": API, "Type": "A", "AliasTarget": target})
    by_endpoint = site.dig(entry["DnsName"])
    assert site.dig(API) == by_endpoint and len(by_endpoint) == len(found["SubnetIds"])
    with pytest.raises(site.ec2.exceptions.ClientError) as caught:
        site.ec2.modify_vpc_endpoint(**given, PrivateDnsEnabled=True)
    assert "there is already a conflicting DNS domain for " + API in str(caught.value)
    listed = site.route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
    assert listed[0]["AliasTarget"]["DNSName"] == entry["DnsName"] + "."

    site.change(zone, "DELETE", {"Name": API, "Type": "A", "AliasTarget": target})
    site.route53.delete_hosted_zone(Id=zone)
    site.ec2.modify_vpc_endpoint(**given, PrivateDnsEnabled=True)
    assert site.dig(API) == by_endpoint


def test_route_53_itself_is_on_the_internet_alone(site):
    """It has one name for all regions; the example's subnets have no way there."""
    name = "route53.amazonaws.com"
    assert len(site.dig(name)) == 1
    failed = site.exec(
        "sh", "-c", "unset AWS_ENDPOINT_URL; curl -sS --connect-timeout 2 https://" + name
    )
    # Without a route, the kernel says so at once.
    assert failed.returncode == 7, failed.stderr


def test_a_zone_in_the_way_of_a_call_is_told(site):
    zone = site.zone("reach.test")
    site.change(zone, "CREATE", records("a.reach.test", "A", "10.20.2.77"))
    place = [site.saved["subnet_a"], "a.reach.test"]
    command = [site.server.binary, "reach", *place, "--data", str(site.server.data)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert f"the private hosted zone {zone.removeprefix('/hostedzone/')}" in told.stdout


def test_zones_need_both_attributes_of_the_vpc(site):
    zone = site.zone("attributes.test")
    site.change(zone, "CREATE", records("a.attributes.test", "A", "10.20.1.3"))
    assert site.dig("a.attributes.test") == ["10.20.1.3"]
    vpc = site.vpc["VPCId"]
    endpoints = [site.saved[name] for name in site.saved if name.endswith("_endpoint")]
    described = site.ec2.describe_vpc_endpoints(VpcEndpointIds=endpoints)["VpcEndpoints"]
    private = [it["VpcEndpointId"] for it in described if it.get("PrivateDnsEnabled")]
    site.ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": False})
    try:
        assert site.dig("a.attributes.test") == "NXDOMAIN"
    finally:
        site.ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    assert private and site.dig("a.attributes.test") == ["10.20.1.3"]


def test_weighted_records_share_the_questions(site):
    zone = site.zone("weights.test")
    for number, weight in enumerate([1, 1, 0]):
        more = {"SetIdentifier": str(number), "Weight": weight}
        site.change(zone, "CREATE", records("w.weights.test", "A", f"10.20.1.{number}", **more))
    command = "for i in $(seq 40); do dig +short w.weights.test; done"
    done = site.exec("sh", "-c", command)
    assert done.returncode == 0, done.stderr
    # By chance one of two is missing once in 10^12 runs.
    assert set(done.stdout.split()) == {"10.20.1.0", "10.20.1.1"}


def test_signatures_for_every_region_are_good(server):
    for region in ["us-east-1", "eu-west-1"]:
        server.principal().client("route53", region_name=region).list_hosted_zones()


def test_the_aws_cli(server):
    def aws(*arguments):
        done = server.principal().aws("route53", *arguments, "--output", "json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout else None

    made = aws("create-hosted-zone", "--name", "cli.test", "--caller-reference", "cli")
    assert made["Location"].endswith(made["HostedZone"]["Id"])
    zone = made["HostedZone"]["Id"]
    batch = {
        "Comment": "é & <é>",
        "Changes": [{"Action": "UPSERT", "ResourceRecordSet": records("*.cli.test", "A", "192.0.2.1")}],
    }
    changed = aws(
        "change-resource-record-sets", "--hosted-zone-id", zone, "--change-batch", json.dumps(batch)
    )
    assert changed["ChangeInfo"]["Comment"] == batch["Comment"]
    aws("wait", "resource-record-sets-changed", "--id", changed["ChangeInfo"]["Id"])
    listed = aws("list-resource-record-sets", "--hosted-zone-id", zone, "--page-size", "1")
    names = [(it["Name"], it["Type"]) for it in listed["ResourceRecordSets"]]
    assert names == [("cli.test.", "NS"), ("cli.test.", "SOA"), ("\\052.cli.test.", "A")]
    found = aws("list-hosted-zones-by-name", "--dns-name", "cli.test")["HostedZones"]
    assert found[0]["Id"] == zone
