"""`sagegate doctor`: what it finds is wrong, and its commands mend it when they are pasted into a shell."""

import json
import os
import subprocess
import sys

import pytest

import steps
from conftest import REGION, Server

HTTPS = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
NFS = {"IpProtocol": "tcp", "FromPort": 2049, "ToPort": 2049}


class Doctor:
    """The command beside a server, and a shell with the aws CLI to paste its answers into."""

    def __init__(self, server, place):
        self.server = server
        program = place / "aws"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m awscli "$@"\n')
        program.chmod(0o755)
        self.environment = {
            **server.principal().variables,
            "PATH": f"{place}:{os.environ['PATH']}",
            "HOME": str(place),
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_PAGER": "",
        }

    def run(self, *arguments):
        command = [os.environ["SAGEGATE"], "doctor", *arguments, "--data", str(self.server.data)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    def report(self, *arguments):
        """The exit status, and the report."""
        done = self.run("--json", *arguments)
        assert done.returncode in (0, 1), done.stderr
        return done.returncode, json.loads(done.stdout)

    def findings(self, check, *arguments):
        _, report = self.report(*arguments)
        return [it for it in report["Findings"] if it["Check"] == check]

    def paste(self, finding):
        """Does what a finding says."""
        done = subprocess.run(
            ["bash", "-c", finding["Mend"]],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, f"{finding}\n{done.stdout}{done.stderr}"

    def mend(self, check, *arguments):
        """The one finding of a check: pasting its command makes it go."""
        found = self.findings(check, *arguments)
        assert found, f"{check} finds nothing"
        self.paste(found[0])
        left = self.findings(check, *arguments)
        assert found[0] not in left, left
        return found


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    place = tmp_path_factory.mktemp("doctor")
    server = Server(place / "data").start()
    saved = steps.apply(server.principal(), "studio-vpc")
    yield Doctor(server, place), saved
    server.stop()


@pytest.fixture
def doctor(site):
    return site[0]


@pytest.fixture
def saved(site):
    return site[1]


@pytest.fixture
def client(site):
    return site[0].server.principal().client


def levels(report):
    return sorted((it["Level"], it["Check"], it["Requirement"]) for it in report["Findings"])


def test_the_example_is_told_as_it_is(doctor, saved):
    status, report = doctor.report()
    # It works; what it leaves out on purpose, or does without, is said.
    assert status == 0
    assert levels(report) == [
        ("info", "vpc-permissions", "R2.8"),
        ("warning", "endpoint-policy", "R1.9"),
        ("warning", "pass-role", "R4.3"),
    ], report["Findings"]
    assert report["Domains"] == [saved["domain"]]
    assert saved["vpc"] in report["Vpcs"] and len(report["Checks"]) > 10
    text = doctor.run().stdout
    assert "warning  R1.9  [endpoint-policy]" in text and "mend it with:\naws ec2" in text
    assert "0 errors, 2 warnings, 1 note;" in text


def test_it_is_asked_about_one_vpc_or_domain(doctor, saved):
    _, report = doctor.report("--vpc", saved["other_vpc"])
    assert report["Findings"] == []
    assert (report["Vpcs"], report["Domains"]) == ([saved["other_vpc"]], [])
    _, report = doctor.report("--domain", saved["domain"])
    assert report["Vpcs"] == [saved["vpc"]]
    assert {it["Check"] for it in report["Findings"]} == {
        "endpoint-policy",
        "pass-role",
        "vpc-permissions",
    }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--vpc", "vpc-0123456789abcdef0"), "there is no VPC vpc-0123456789abcdef0"),
        (("--domain", "d-nobody"), "there is no domain d-nobody"),
    ],
)
def test_what_cannot_be_asked_is_no_finding(doctor, arguments, says):
    done = doctor.run(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr


def test_no_installation_is_no_clean_bill_of_health(tmp_path):
    command = [os.environ["SAGEGATE"], "doctor", "--data", str(tmp_path / "nothing")]
    assert subprocess.run(command, capture_output=True, timeout=60).returncode == 2


def test_https_from_studio_is_let_in_again(doctor, saved, client):
    given = {
        "GroupId": saved["endpoints"],
        "IpPermissions": [{**HTTPS, "UserIdGroupPairs": [{"GroupId": saved["clients"]}]}],
    }
    client("ec2").revoke_security_group_ingress(**given)
    status, _ = doctor.report()
    assert status == 1
    found = doctor.mend("https-from-studio")
    assert {it["Objects"][0] for it in found} == {
        saved["api_endpoint"],
        saved["studio_endpoint"],
    }
    assert found[0]["Requirement"] == "R1.3" and saved["clients"] in found[0]["Mend"]
    # It was one group that both endpoints have.
    assert doctor.report()[0] == 0


def test_a_network_acl_is_opened(doctor, saved, client):
    ec2 = client("ec2")
    acls = ec2.describe_network_acls(Filters=[{"Name": "vpc-id", "Values": [saved["vpc"]]}])
    acl = acls["NetworkAcls"][0]["NetworkAclId"]
    entry = {"NetworkAclId": acl, "RuleNumber": 50, "Egress": True}
    ports = {"From": 443, "To": 443}
    ec2.create_network_acl_entry(
        **entry, Protocol="6", PortRange=ports, CidrBlock="10.20.0.0/16", RuleAction="deny"
    )
    found = doctor.mend("https-from-studio")
    assert "create-network-acl-entry" in found[0]["Mend"]
    ec2.delete_network_acl_entry(**entry)


def test_private_dns_is_turned_on(doctor, saved, client):
    ec2 = client("ec2")
    ec2.modify_vpc_endpoint(VpcEndpointId=saved["api_endpoint"], PrivateDnsEnabled=False)
    found = doctor.mend("private-dns", "--vpc", saved["vpc"])
    assert (found[0]["Level"], found[0]["Requirement"]) == ("error", "R1.5")
    ec2.modify_vpc_attribute(VpcId=saved["vpc"], EnableDnsHostnames={"Value": False})
    found = doctor.mend("dns-attributes")
    assert "enableDnsHostnames" in found[0]["Text"]
    assert doctor.report()[0] == 0


def test_a_private_hosted_zone_does_as_well_as_private_dns(doctor, saved, client):
    ec2, route53 = client("ec2"), client("route53")
    api = saved["api_endpoint"]
    name = f"api.sagemaker.{REGION}.amazonaws.com"
    ec2.modify_vpc_endpoint(VpcEndpointId=api, PrivateDnsEnabled=False)
    assert doctor.report()[0] == 1
    zone = route53.create_hosted_zone(
        Name=name,
        CallerReference="doctor",
        VPC={"VPCRegion": REGION, "VPCId": saved["vpc"]},
    )["HostedZone"]["Id"]
    entry = ec2.describe_vpc_endpoints(VpcEndpointIds=[api])["VpcEndpoints"][0]["DnsEntries"][0]
    alias = {
        "HostedZoneId": entry["HostedZoneId"],
        "DNSName": entry["DnsName"],
        "EvaluateTargetHealth": False,
    }
    record = {"Name": name, "Type": "A", "AliasTarget": alias}

    def change(action):
        changes = [{"Action": action, "ResourceRecordSet": record}]
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": changes})

    change("CREATE")
    assert doctor.findings("private-dns") == []
    assert doctor.report()[0] == 0
    change("DELETE")
    route53.delete_hosted_zone(Id=zone)
    doctor.mend("private-dns", "--vpc", saved["vpc"])


def test_endpoints_are_in_all_subnets(doctor, saved, client):
    client("ec2").modify_vpc_endpoint(
        VpcEndpointId=saved["studio_endpoint"], RemoveSubnetIds=[saved["subnet_b"]]
    )
    found = doctor.mend("endpoint-subnets")
    assert (found[0]["Level"], found[0]["Requirement"]) == ("warning", "R1.2")


def test_the_missing_endpoint_is_made(doctor, saved, client):
    ec2 = client("ec2")
    ec2.delete_vpc_endpoints(VpcEndpointIds=[saved["studio_endpoint"]])
    found = doctor.mend("two-endpoints")
    assert (found[0]["Level"], found[0]["Requirement"]) == ("error", "R1.4")
    assert f"aws.sagemaker.{REGION}.studio" in found[0]["Mend"]
    assert doctor.report()[0] == 0


def test_the_home_file_system_is_reached(doctor, saved, client):
    ec2 = client("ec2")
    names = [f"security-group-for-{way}-nfs-{saved['domain']}" for way in ("inbound", "outbound")]
    inbound, outbound = (
        ec2.describe_security_groups(Filters=[{"Name": "group-name", "Values": [name]}])[
            "SecurityGroups"
        ][0]["GroupId"]
        for name in names
    )
    allowed = [{**NFS, "UserIdGroupPairs": [{"GroupId": outbound}]}]
    ec2.revoke_security_group_ingress(GroupId=inbound, IpPermissions=allowed)
    found = doctor.mend("nfs")
    assert found[0]["Level"] == "error" and inbound in found[0]["Mend"]


def test_roles_trust_and_may(doctor, saved, client):
    iam = client("iam")
    trust = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        },
    }
    iam.update_assume_role_policy(
        RoleName="StudioExecutionRole", PolicyDocument=json.dumps(trust)
    )
    found = doctor.mend("execution-role")
    assert (found[0]["Level"], found[0]["Requirement"]) == ("error", "R3.6")
    now = iam.get_role(RoleName="StudioExecutionRole")["Role"]["AssumeRolePolicyDocument"]
    assert [it["Principal"]["Service"] for it in now["Statement"]] == [
        "ec2.amazonaws.com",
        "sagemaker.amazonaws.com",
    ], "what was trusted still is"
    doctor.mend("pass-role")
    doctor.mend("vpc-permissions")
    # A policy that lets one role through is one for that role (SPEC R1.8), and no fault.
    ec2, api = client("ec2"), saved["api_endpoint"]
    before = ec2.describe_vpc_endpoints(VpcEndpointIds=[api])["VpcEndpoints"][0]
    role = iam.get_role(RoleName="StudioExecutionRole")["Role"]["Arn"]
    one = {"Effect": "Allow", "Action": "sagemaker:*", "Resource": "*", "Principal": {"AWS": role}}
    ec2.modify_vpc_endpoint(VpcEndpointId=api, PolicyDocument=json.dumps({"Statement": [one]}))
    assert doctor.findings("endpoint-policy") == []
    ec2.modify_vpc_endpoint(VpcEndpointId=api, PolicyDocument=before["PolicyDocument"])
    doctor.mend("endpoint-policy")
    policy = client("ec2").describe_vpc_endpoints(VpcEndpointIds=[saved["api_endpoint"]])
    statements = json.loads(policy["VpcEndpoints"][0]["PolicyDocument"])["Statement"]
    assert len(statements) == 2, "the endpoint's own statement stays"
    assert doctor.report("--vpc", saved["vpc"])[1]["Findings"] == []


def test_an_explicit_deny_has_no_command(doctor, client):
    iam = client("iam")
    deny = {"Effect": "Deny", "Action": "iam:PassRole", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": deny})
    name = {"RoleName": "StudioExecutionRole", "PolicyName": "no"}
    iam.put_role_policy(**name, PolicyDocument=policy)
    found = doctor.findings("pass-role")
    assert found and "Mend" not in found[0] and "explicit deny" in found[0]["Text"]
    iam.delete_role_policy(**name)


def until_in_service(sagemaker, domain):
    for _ in range(100):
        status = sagemaker.describe_domain(DomainId=domain)["Status"]
        if status == "InService":
            return
        assert status in ("Pending", "Updating"), status
    raise AssertionError(f"{domain} stays {status}")


def test_a_domain_in_a_bare_vpc_is_mended_by_pasting_alone(doctor, saved, client):
    ec2, sagemaker = client("ec2"), client("sagemaker")
    vpc = ec2.create_vpc(CidrBlock="10.40.0.0/16")["Vpc"]["VpcId"]
    zone = f"{REGION}a"
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.40.0.0/28", AvailabilityZone=zone)
    subnet = subnet["Subnet"]["SubnetId"]
    group = ec2.create_security_group(VpcId=vpc, GroupName="apps", Description="-")["GroupId"]
    role = client("iam").get_role(RoleName="StudioExecutionRole")["Role"]["Arn"]
    domain = sagemaker.create_domain(
        DomainName="bare",
        AuthMode="IAM",
        VpcId=vpc,
        SubnetIds=[subnet],
        AppNetworkAccessType="VpcOnly",
        DefaultUserSettings={"ExecutionRole": role, "SecurityGroups": [group]},
    )["DomainArn"].rsplit("/", 1)[1]
    until_in_service(sagemaker, domain)
    interfaces = []
    while (left := free(ec2, subnet)) > 1:
        made = ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"]
        interfaces.append(made["NetworkInterfaceId"])
        assert free(ec2, subnet) == left - 1
    status, report = doctor.report("--domain", domain)
    assert status == 1
    seen = {it["Check"] for it in report["Findings"]}
    assert {"dns-attributes", "two-endpoints", "two-zones", "free-addresses"} <= seen, seen
    assert {"s3-endpoint", "vpc-only-services"} <= seen, seen
    pasted = set()
    for _ in range(40):
        _, report = doctor.report("--domain", domain)
        seen |= {it["Check"] for it in report["Findings"]}
        todo = [it for it in report["Findings"] if "Mend" in it]
        if not todo:
            break
        assert todo[0]["Mend"] not in pasted, f"it did not help: {todo[0]}"
        pasted.add(todo[0]["Mend"])
        doctor.paste(todo[0])
        until_in_service(sagemaker, domain)
    status, report = doctor.report("--domain", domain)
    assert status == 0, report["Findings"]
    # What stays is what Sagegate does not serve.
    assert [it["Level"] for it in report["Findings"]] == ["info"], report["Findings"]
    assert {"https-from-studio", "apps-among-themselves"} <= seen, seen


def free(ec2, subnet):
    found = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]
    return found["AvailableIpAddressCount"]


def test_notebooks_and_their_accelerators_are_looked_at(doctor, saved, client):
    ec2 = client("ec2")
    group = ec2.create_security_group(VpcId=saved["vpc"], GroupName="note", Description="-")
    role = client("iam").get_role(RoleName="StudioExecutionRole")["Role"]["Arn"]
    client("sagemaker").create_notebook_instance(
        NotebookInstanceName="note",
        InstanceType="ml.t3.medium",
        RoleArn=role,
        SubnetId=saved["subnet_a"],
        SecurityGroupIds=[group["GroupId"]],
        DirectInternetAccess="Disabled",
        AcceleratorTypes=["ml.eia2.medium"],
    )
    found = doctor.mend("notebook-network")
    assert found[0]["Requirement"] == "R2.10" and group["GroupId"] in found[0]["Mend"]
    found = doctor.findings("elastic-inference")
    assert {it["Requirement"] for it in found} == {"R4.2", "R4.7"}, found
    # The permission can be given; the endpoint is of a service that is not served.
    permission = next(it for it in found if it["Requirement"] == "R4.2")
    doctor.paste(permission)
    found = doctor.findings("elastic-inference")
    assert [(it["Requirement"], "Mend" in it) for it in found] == [("R4.7", False)]
