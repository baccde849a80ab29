"""`sagegate reach`: what it finds is what clients then meet."""

import ipaddress
import json
import os
import subprocess

import pytest

import steps
from conftest import REGION, Server

API = f"api.sagemaker.{REGION}.amazonaws.com"
HTTPS = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
CALL = ("--action", "sagemaker:CreatePresignedDomainUrl", "--resource")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("reach") / "data").start()
    yield server, steps.apply(server.principal(), "studio-vpc")
    server.stop()


@pytest.fixture
def saved(site):
    return site[1]


@pytest.fixture
def ec2(site):
    return site[0].principal().client("ec2")


@pytest.fixture
def reach(site):
    """Asks; the exit status with what was printed."""

    def asked(*arguments):
        command = [os.environ["SAGEGATE"], "reach", *arguments, "--data", str(site[0].data)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    return asked


def profile(site):
    _, saved = site
    account, domain = saved["account"], saved["domain"]
    return f"arn:aws:sagemaker:{REGION}:{account}:user-profile/{domain}/alice"


def test_a_service_is_reached_through_the_endpoint_that_its_name_leads_to(site, saved, reach):
    status, text = reach(saved["subnet_a"], "sagemaker.api")
    assert status == 0, text
    assert text.rstrip().endswith("REACHED")
    assert f"the private DNS of {saved['api_endpoint']}" in text
    row = next(
        row
        for row in site[0].endpoints()
        if (row["id"], row["subnet"]) == (saved["api_endpoint"], saved["subnet_a"])
    )
    assert f"aws:VpcSourceIp = {row['vpcSourceIp']}" in text, "as the modelled arrival has it"
    # One hop a line, the question and its answer.
    hops = [line[2:4] for line in text.splitlines() if line[:2] == "  " and line[2] != " "]
    assert set(hops) == {"->", "<-"}
    by_endpoint = reach(saved["subnet_a"], saved["api_endpoint"])
    by_name = reach(saved["subnet_a"], f"{API}:443")
    assert (by_endpoint[0], by_name[0]) == (0, 0)


def test_the_first_step_that_fails_is_named_with_what_to_change(saved, ec2, reach):
    status, text = reach(saved["subnet_a"], f"{API}:80")
    assert status == 1
    assert "NOT REACHED: ENI_SG_RULES_MISMATCH" in text
    assert f"({saved['endpoints']}) allows tcp port 80" in text and "add one" in text
    # Another group than the one that the endpoint lets in.
    group = ec2.create_security_group(VpcId=saved["vpc"], GroupName="other", Description="-")
    chosen = ("--security-group", group["GroupId"])
    status, text = reach(saved["subnet_a"], API, *chosen)
    assert (status, "ENI_SG_RULES_MISMATCH" in text) == (1, True), text
    # No route to the internet, and none from it.
    status, text = reach(saved["subnet_a"], "internet")
    assert (status, "NO_ROUTE_TO_DESTINATION" in text) == (1, True), text
    status, text = reach("internet", saved["subnet_a"])
    assert status == 1, text
    # A VPC without private DNS on its endpoint goes for the public address, in vain.
    status, text = reach(saved["other_subnet"], API)
    assert status == 1
    assert f"{saved['other_endpoint']} does not answer for this name" in text
    # In it, the endpoint's own name works.
    assert reach(saved["other_subnet"], saved["other_endpoint"])[0] == 0


def test_what_is_mended_is_reached(saved, ec2, reach):
    given = {
        "GroupId": saved["endpoints"],
        "IpPermissions": [{**HTTPS, "UserIdGroupPairs": [{"GroupId": saved["clients"]}]}],
    }
    ec2.revoke_security_group_ingress(**given)
    try:
        status, text = reach(saved["subnet_a"], API)
        assert (status, "NOT REACHED: SG_HAS_NO_RULES" in text) == (1, True), text
    finally:
        ec2.authorize_security_group_ingress(**given)
    assert reach(saved["subnet_a"], API)[0] == 0


def test_policies_are_asked_as_for_a_call(site, saved, reach):
    call = (*CALL, profile(site))
    status, text = reach(saved["subnet_a"], "sagemaker.api", "--as", "user/by-vpc", *call)
    assert status == 0, text
    assert "ok   endpoint policy" in text and "ok   permission" in text
    # The same user from outside: as the condition of the policy has it.
    status, text = reach("internet", API, "--as", "user/by-vpc", *call)
    assert status == 1
    assert "IMPLICIT_DENY" in text and "no identity-based policy allows" in text
    # The endpoint's policy is another's business than the caller's: root is stopped by it, too.
    other = ("--action", "sagemaker:DeleteDomain", "--resource")
    domain = profile(site).replace("user-profile", "domain").removesuffix("/alice")
    status, text = reach(saved["subnet_a"], API, "--as", "root", *other, domain)
    assert status == 1
    assert "FAIL endpoint policy IMPLICIT_DENY" in text
    assert "no VPC endpoint policy allows the sagemaker:DeleteDomain action" in text
    # What the endpoint leads to has no such call.
    status, text = reach(saved["subnet_a"], API, "--as", "root", "--action", "ec2:DescribeVpcs")
    assert (status, "WRONG_SERVICE" in text) == (1, True), text


def test_a_public_name_serves_its_own_service_alone(reach):
    call = ("--as", "root", "--action", "ec2:DescribeVpcs")
    assert reach("internet", f"ec2.{REGION}.amazonaws.com", *call)[0] == 0
    status, text = reach("internet", API, *call)
    assert (status, "NOT REACHED: WRONG_SERVICE" in text) == (1, True), text


def test_another_name_server_is_not_known(saved, ec2, reach):
    subnet = saved["other_subnet"]
    vpc = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["VpcId"]
    block = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["CidrBlock"]
    resolver = block.replace(".0/16", ".2").replace(".0/24", ".2")
    usual = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["DhcpOptionsId"]

    def told(*servers):
        own = ec2.create_dhcp_options(
            DhcpConfigurations=[{"Key": "domain-name-servers", "Values": list(servers)}]
        )["DhcpOptions"]["DhcpOptionsId"]
        ec2.associate_dhcp_options(DhcpOptionsId=own, VpcId=vpc)
        return reach(subnet, saved["other_endpoint"])

    try:
        status, text = told("10.99.0.53", "AmazonProvidedDNS")
        assert (status, "NOT REACHED: DNS_OTHER_SERVER" in text) == (1, True), text
        assert f"hosts of {vpc} ask 10.99.0.53" in text
        # An address has no need of a name, and from outside nobody is told of these servers.
        address = ec2.describe_network_interfaces(
            Filters=[
                {"Name": "vpc-id", "Values": [vpc]},
                {"Name": "interface-type", "Values": ["vpc_endpoint"]},
            ]
        )["NetworkInterfaces"][0]["PrivateIpAddress"]
        assert reach(subnet, address)[0] == 0
        assert reach("internet", API)[0] == 0
        # The VPC's own resolver is the same by its address.
        assert told(resolver, "10.99.0.53")[0] == 0
        assert told("AmazonProvidedDNS", "10.99.0.53")[0] == 0
        ec2.associate_dhcp_options(DhcpOptionsId="default", VpcId=vpc)
        status, text = reach(subnet, saved["other_endpoint"])
        assert (status, "NOT REACHED: DNS_NO_SERVER" in text) == (1, True), text
    finally:
        ec2.associate_dhcp_options(DhcpOptionsId=usual, VpcId=vpc)
    assert reach(subnet, saved["other_endpoint"])[0] == 0


def test_protocols_are_read_in_any_case(saved, reach):
    assert reach(saved["subnet_a"], "sagemaker.api", "--protocol", "TCP")[0] == 0


def test_answers_come_back_to_every_port_that_a_client_may_take(saved, ec2, reach):
    vpc = saved["vpc"]
    block = ec2.describe_vpcs(VpcIds=[vpc])["Vpcs"][0]["CidrBlock"]
    last = list(ipaddress.ip_network(block).subnets(new_prefix=28))[-1]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock=str(last))["Subnet"]["SubnetId"]
    acl = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    every = {"Filters": [{"Name": "vpc-id", "Values": [vpc]}]}
    associations = [
        association
        for it in ec2.describe_network_acls(**every)["NetworkAcls"]
        for association in it["Associations"]
        if association["SubnetId"] == subnet
    ]
    ec2.replace_network_acl_association(
        AssociationId=associations[0]["NetworkAclAssociationId"], NetworkAclId=acl
    )
    entry = {"NetworkAclId": acl, "RuleNumber": 100, "Protocol": "6", "RuleAction": "allow"}
    entry["CidrBlock"] = "0.0.0.0/0"
    ec2.create_network_acl_entry(**entry, Egress=True, PortRange={"From": 443, "To": 443})
    back = {**entry, "Egress": False}
    asked = (subnet, API, "--security-group", saved["clients"])
    try:
        ec2.create_network_acl_entry(**back, PortRange={"From": 40000, "To": 40000})
        status, text = reach(*asked)
        assert status == 1, text
        assert "REACHED FROM SOME CLIENT PORTS ONLY: SUBNET_ACL_RESTRICTION" in text
        assert "reached only from client port 40000: " in text and acl in text
        finding = json.loads(reach(*asked, "--json")[1])
        assert finding["Outcome"] == "FromSomePorts"
        assert finding["Tries"][0]["ClientPorts"] == [{"First": 40000, "Last": 40000}]
        ec2.replace_network_acl_entry(**back, PortRange={"From": 1024, "To": 65535})
        status, text = reach(*asked)
        assert status == 0, text
    finally:
        ec2.delete_subnet(SubnetId=subnet)
        ec2.delete_network_acl(NetworkAclId=acl)


def test_the_sender_takes_the_version_of_ip_that_the_target_has(site, ec2, reach):
    vpc = ec2.create_vpc(CidrBlock="10.95.0.0/16", AmazonProvidedIpv6CidrBlock=True)["Vpc"]
    six = ipaddress.ip_network(vpc["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"])
    vpc, blocks = vpc["VpcId"], six.subnets(new_prefix=64)
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    both = ec2.create_subnet(
        VpcId=vpc, CidrBlock="10.95.1.0/24", Ipv6CidrBlock=str(next(blocks))
    )["Subnet"]["SubnetId"]
    one = ec2.create_subnet(VpcId=vpc, CidrBlock="10.95.2.0/24")["Subnet"]["SubnetId"]

    def interface(subnet, **more):
        made = ec2.create_network_interface(SubnetId=subnet, **more)["NetworkInterface"]
        addresses = [it["Ipv6Address"] for it in made.get("Ipv6Addresses", [])]
        return made["NetworkInterfaceId"], made["PrivateIpAddress"], addresses

    sender, _, _ = interface(both, Ipv6AddressCount=1)
    target, four, [address] = interface(both, Ipv6AddressCount=1)
    old, _, _ = interface(one)
    zone = site[0].principal().client("route53").create_hosted_zone(
        Name="six.test",
        CallerReference="six",
        VPC={"VPCRegion": REGION, "VPCId": vpc},
        HostedZoneConfig={"PrivateZone": True},
    )["HostedZone"]["Id"]
    record = {"Name": "host.six.test", "Type": "AAAA", "TTL": 60}
    record["ResourceRecords"] = [{"Value": address}]
    site[0].principal().client("route53").change_resource_record_sets(
        HostedZoneId=zone,
        ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]},
    )
    for source in (sender, both):
        for to in (address, f"[{address}]:8443", four, target, "host.six.test"):
            status, text = reach(source, to)
            assert status == 0, f"{source} to {to}: {text}"
        assert reach(source, address, "--protocol", "icmp")[0] == 0
    for source in (old, one):
        status, text = reach(source, address)
        assert (status, f"FROM {source} has no IPv6 address" in text) == (2, True), text
        assert reach(source, target)[0] == 0
        # A client there asks for the name, and gets no address that it could use.
        status, text = reach(source, "host.six.test")
        assert (status, "NOT REACHED: DNS_NO_DATA" in text) == (1, True), text


def test_json_has_hops_and_reasons(saved, reach):
    status, text = reach(saved["subnet_a"], f"{API}:80", "--json")
    finding = json.loads(text)
    assert (status, finding["Outcome"]) == (1, "NotReached")
    walk = finding["Tries"][0]["Walk"]
    assert walk["Explanation"]["ExplanationCode"] == "ENI_SG_RULES_MISMATCH"
    assert walk["Forward"][0]["Component"]["Kind"] == "NetworkInterface"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("subnet-0123456789abcdef0", API), "there is no subnet subnet-0123456789abcdef0"),
        (("eni-0123456789abcdef0", API), "there is no network interface"),
        (("nowhere", API), 'FROM "nowhere" is none of'),
        (("internet", "nowhere"), 'TO "nowhere" is none of'),
        (("internet", "10.0.0.4:0"), "is no port"),
        (("internet", "10.0.0.4", "--protocol", "udp"), "UDP needs a port"),
        (("internet", "10.0.0.4:7", "--protocol", "icmp"), "ICMP has no ports"),
        (("internet", "10.0.0.4", "--protocol", "sctp"), "invalid value 'sctp'"),
        (("internet", API, "--security-group", "sg-1"), "--security-group is for a FROM"),
        (("internet", API, "--as", "root"), "--action"),
        (("internet", API, "--as", "user/nobody", "--action", "ec2:CreateVpc"), "nobody"),
        (("internet", API, "--as", "root", "--action", "s3:GetObject"), "no action that is served"),
        (("internet", API, "--as", "root", "--action", "sts:AssumeRole"), "trust policy"),
        (
            ("internet", API, "--as", "root", "--action", "ec2:CreateVpc", "--context", "aws:SourceIp=1"),
            "are found by themselves",
        ),
    ],
)
def test_a_wrong_question_is_no_answer(reach, arguments, says):
    status, text = reach(*arguments)
    assert (status, says in text) == (2, True), text
