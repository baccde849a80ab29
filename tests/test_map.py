"""`sagegate map`: a picture of the state as it is, with what `sagegate reach` finds on it."""

import os
import subprocess
import xml.etree.ElementTree

import pytest

import steps
from conftest import Server

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("map") / "data").start()
    yield server, steps.apply(server.principal(), "studio-vpc")
    server.stop()


@pytest.fixture
def saved(site):
    return site[1]


@pytest.fixture
def draw(site):
    """The exit status, and the texts of the picture or what was said instead."""

    def drawn(*arguments):
        command = [os.environ["SAGEGATE"], "map", *arguments, "--data", str(site[0].data)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if done.returncode:
            return done.returncode, done.stderr
        root = xml.etree.ElementTree.fromstring(done.stdout)
        assert root.tag == f"{SVG}svg"
        texts = ["".join(it.itertext()) for it in root.iter(f"{SVG}text")]
        return 0, "\n".join([root.findtext(f"{SVG}desc"), *texts])

    return drawn


def test_the_vpc_of_the_example_is_drawn(saved, draw):
    status, text = draw("--vpc", saved["vpc"])
    assert status == 0, text
    for part in (
        "studio",
        saved["subnet_a"],
        saved["subnet_b"],
        saved["api_endpoint"],
        saved["studio_endpoint"],
        "sagemaker.api",
        "studio-endpoints",
        "nothing is open to the internet",
    ):
        assert part in text, part
    assert saved["other_subnet"] not in text


def test_several_vpcs_are_told(saved, draw):
    status, text = draw()
    assert status == 2
    assert f"{saved['vpc']} (studio)" in text and f"{saved['other_vpc']} (elsewhere)" in text
    status, text = draw("--vpc", "vpc-0123456789abcdef0")
    assert (status, "there is no VPC" in text) == (2, True)


def test_a_walk_is_drawn_with_its_end(site, saved, draw):
    # The VPC is that of the walk's beginning.
    status, text = draw("--from", saved["subnet_a"], "--to", "sagemaker.api")
    assert status == 0, text
    assert "Reached" in text and "Not reached" not in text
    assert f"the client of {saved['subnet_a']}" in text
    status, text = draw("--from", saved["subnet_a"], "--to", "sagemaker.api:80")
    assert status == 0, text
    assert "Not reached: ENI_SG_RULES_MISMATCH" in text and "✕" in text
    assert "add one to one of them" in text, "the reason is text"
    status, text = draw("--from", "nowhere", "--to", "sagemaker.api")
    assert (status, 'FROM "nowhere"' in text) == (2, True)


def test_what_is_opened_stands_out(site, saved, draw):
    ec2 = site[0].principal().client("ec2")
    vpc = saved["other_vpc"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    tables = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])
    table = tables["RouteTables"][0]["RouteTableId"]
    ec2.create_route(
        RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway
    )
    group = ec2.create_security_group(GroupName="web", Description="-", VpcId=vpc)["GroupId"]
    ssh = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22}
    everybody = [{**ssh, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=everybody)
    made = ec2.create_network_interface(
        SubnetId=saved["other_subnet"], Groups=[group], Description="<jump> & \"host\""
    )
    interface = made["NetworkInterface"]["NetworkInterfaceId"]
    assert "nothing is open to the internet" in draw("--vpc", vpc)[1]
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    ec2.associate_address(AllocationId=address, NetworkInterfaceId=interface)
    status, text = draw("--vpc", vpc)
    assert status == 0, text
    assert "1 interface is open to the internet" in text
    assert "open to the internet: tcp 22" in text
    assert '<jump> & "host"' in text


def test_the_picture_goes_into_a_file(site, saved, draw, tmp_path):
    file = tmp_path / "studio.svg"
    assert draw_to(site, saved, file) == 0
    assert xml.etree.ElementTree.parse(file).getroot().tag == f"{SVG}svg"
    assert draw_to(site, saved, tmp_path / "missing" / "studio.svg") == 2


def draw_to(site, saved, file):
    command = [os.environ["SAGEGATE"], "map", "--vpc", saved["vpc"], "-o", str(file)]
    command += ["--data", str(site[0].data)]
    return subprocess.run(command, capture_output=True, timeout=60).returncode
