"""IPv6 and more addresses in the kernel: `sagegate exec` in a subnet with both families."""

import ipaddress
import subprocess
import sys

import pytest

from conftest import Server

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="network namespaces are Linux's"
)

# Listens at its own IPv6 address, tells the address, then who came.
LISTEN = """
import socket
probe = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
probe.connect(("2001:db8:ffff::1", 9))
listener = socket.create_server((probe.getsockname()[0], 0), family=socket.AF_INET6)
print(*listener.getsockname()[:2], flush=True)
listener.settimeout(20)
try:
    print(listener.accept()[1][0], flush=True)
except TimeoutError:
    print("nobody", flush=True)
"""
CONNECT = """
import socket, sys
to = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=float(sys.argv[3]))
print(to.getsockname()[0])
"""


class Place:
    """A subnet with a block of IPv6, whose interfaces have an address of it."""

    def __init__(self, server):
        self.server, self.ec2 = server, server.principal().client("ec2")
        vpc = self.ec2.create_vpc(CidrBlock="10.94.0.0/16", AmazonProvidedIpv6CidrBlock=True)
        self.vpc = vpc["Vpc"]["VpcId"]
        block = vpc["Vpc"]["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"]
        self.blocks = ipaddress.IPv6Network(block).subnets(new_prefix=64)
        self.one, self.other = self.subnet("10.94.1.0/24"), self.subnet("10.94.2.0/24")

    def subnet(self, block):
        made = self.ec2.create_subnet(
            VpcId=self.vpc, CidrBlock=block, Ipv6CidrBlock=str(next(self.blocks))
        )["Subnet"]["SubnetId"]
        self.ec2.modify_subnet_attribute(
            SubnetId=made, AssignIpv6AddressOnCreation={"Value": True}
        )
        return made

    def command(self, subnet, program, *arguments):
        place = ["--subnet", subnet, "--data", str(self.server.data)]
        words = [self.server.binary, "exec", *place, "--", sys.executable, "-c", program]
        return [*words, *map(str, arguments)]

    def run(self, subnet, program, *arguments):
        words = self.command(subnet, program, *arguments)
        return subprocess.run(words, capture_output=True, text=True, timeout=60)

    def meet(self, patience):
        """Whom a listener in one subnet sees, and as whom somebody of the other one came."""
        listener = subprocess.Popen(
            self.command(self.one, LISTEN), stdout=subprocess.PIPE, text=True
        )
        with listener:
            try:
                address, port = listener.stdout.readline().split()
                came = self.run(self.other, CONNECT, address, port, patience)
                if came.returncode:
                    return None, came.stderr
                return listener.stdout.readline().strip(), came.stdout.strip()
            finally:
                listener.kill()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("dual") / "data").start()
    place = Place(server)
    first = place.run(place.one, "pass")
    if "this machine cannot carry the VPC" in first.stderr:
        server.stop()
        pytest.skip(first.stderr)
    assert first.returncode == 0, first.stderr
    yield place
    server.stop()


def test_ipv6_goes_from_subnet_to_subnet(place):
    seen, came_as = place.meet(5)
    assert seen == came_as, came_as
    block = place.ec2.describe_subnets(SubnetIds=[place.other])["Subnets"][0]
    block = block["Ipv6CidrBlockAssociationSet"][0]["Ipv6CidrBlock"]
    assert ipaddress.IPv6Address(seen) in ipaddress.IPv6Network(block)


def test_a_network_acl_stops_ipv6(place):
    of_vpc = [{"Name": "vpc-id", "Values": [place.vpc]}]
    acl = place.ec2.describe_network_acls(Filters=of_vpc)["NetworkAcls"][0]["NetworkAclId"]
    entry = {"NetworkAclId": acl, "RuleNumber": 50, "Egress": False}
    place.ec2.create_network_acl_entry(
        **entry, Protocol="-1", RuleAction="deny", Ipv6CidrBlock="::/0"
    )
    seen, error = place.meet(1)
    assert seen is None and "timed out" in error
    place.ec2.delete_network_acl_entry(**entry)
    assert place.meet(5)[0]


def test_the_hosts_are_told_what_the_dhcp_options_say(place):
    read = "print(open('/etc/resolv.conf').read(), end='')"
    usual = place.run(place.one, read).stdout
    assert usual == "nameserver 10.94.0.2\nsearch us-west-2.compute.internal\n"
    made = place.ec2.create_dhcp_options(
        DhcpConfigurations=[
            {"Key": "domain-name", "Values": ["example.com"]},
            {"Key": "domain-name-servers", "Values": ["10.94.1.9", "AmazonProvidedDNS"]},
        ]
    )["DhcpOptions"]["DhcpOptionsId"]
    place.ec2.associate_dhcp_options(DhcpOptionsId=made, VpcId=place.vpc)
    told = place.run(place.one, read).stdout
    assert told == "nameserver 10.94.1.9\nnameserver 10.94.0.2\nsearch example.com\n"
    place.ec2.modify_vpc_attribute(VpcId=place.vpc, EnableDnsSupport={"Value": False})
    told = place.run(place.one, read).stdout
    assert told == "nameserver 10.94.1.9\nsearch example.com\n"
    place.ec2.associate_dhcp_options(DhcpOptionsId="default", VpcId=place.vpc)
    assert "nameserver 1" not in place.run(place.one, read).stdout
