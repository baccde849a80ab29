"""Commands inside of subnets: `sagegate exec` with the aws CLI, curl, dig and ping.

Where the machine has no namespaces for whoever runs the tests, they are skipped and say so.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

import pytest

import steps
from conftest import Server

API = "api.sagemaker.us-west-2.amazonaws.com"
STS = "sts.us-west-2.amazonaws.com"
IDENTITY = "because no identity-based policy allows the sagemaker:CreatePresignedDomainUrl action"
HTTPS = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
DESCRIPTION = [{"Name": "description", "Values": ["sagegate exec"]}]
# What is silent stays silent: no test waits for it longer than this.
SHORT = ["--cli-connect-timeout", "2", "--cli-read-timeout", "20"]

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="network namespaces are Linux's"
)


class Site:
    """The example studio-vpc, with commands inside of it."""

    def __init__(self, server, user=None):
        self.server = server
        self.saved = steps.apply(server.principal(), "studio-vpc")
        self.ec2 = server.principal().client("ec2")
        self.iam = server.principal().client("iam")
        self.user = user

    def command(self, *command, subnet="subnet_a", group="clients", principal=None):
        place = ["--subnet", self.saved[subnet]]
        if group:
            place += ["--security-group", self.saved.get(group, group)]
        if principal:
            place += ["--as", principal]
        words = [self.server.binary, "exec", *place, "--data", str(self.server.data), "--", *command]
        return [*(self.user or []), *words]

    def exec(self, *command, environment=None, **place):
        return subprocess.run(
            self.command(*command, **place),
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.server.data),
                "AWS_MAX_ATTEMPTS": "1",
                "AWS_PAGER": "",
                # What would lead elsewhere is taken out.
                "AWS_ENDPOINT_URL": self.server.url,
                "https_proxy": "http://127.0.0.1:9",
                **(environment or {}),
            },
            capture_output=True,
            text=True,
            timeout=120,
        )

    def aws(self, *arguments, **place):
        return self.exec(sys.executable, "-m", "awscli", *SHORT, *arguments, **place)

    def presigned(self, user, **place):
        arguments = ["--domain-id", self.saved["domain"], "--user-profile-name", "alice"]
        return self.aws(
            "sagemaker", "create-presigned-domain-url", *arguments, principal=f"user/{user}", **place
        )

    def address(self, subnet="subnet_a", endpoint="api_endpoint"):
        """The private address of an endpoint's interface in a subnet."""
        found = self.ec2.describe_vpc_endpoints(VpcEndpointIds=[self.saved[endpoint]])
        ids = found["VpcEndpoints"][0]["NetworkInterfaceIds"]
        interfaces = self.ec2.describe_network_interfaces(NetworkInterfaceIds=ids)
        return next(
            interface["PrivateIpAddress"]
            for interface in interfaces["NetworkInterfaces"]
            if interface["SubnetId"] == self.saved[subnet]
        )

    def interfaces(self):
        return self.ec2.describe_network_interfaces(Filters=DESCRIPTION)["NetworkInterfaces"]

    def curl(self, url, *arguments, **place):
        """Status and time to connect, or what went wrong."""
        return self.exec(
            "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--connect-timeout", "2",
            *arguments, url, **place,
        )

    def dig(self, name, *arguments, **place):
        """The addresses in order; an answer's status where there are none."""
        done = self.exec("dig", "+tries=1", "+timeout=5", name, *arguments, **place)
        assert done.returncode == 0, done.stderr + done.stdout
        addresses = re.findall(r"\sIN\s+A\s+([\d.]+)", done.stdout)
        return sorted(addresses) or re.search(r"status: (\w+)", done.stdout).group(1)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("exec") / "data").start()
    site = Site(server)
    first = site.exec("true")
    if "this machine cannot carry the VPC" in first.stderr:
        server.stop()
        pytest.skip(first.stderr)
    assert first.returncode == 0, first.stderr
    yield site
    server.stop()


def test_the_endpoint_policy_and_the_private_address_decide(site):
    made = site.presigned("by-private-address")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["AuthorizedUrl"]
    elsewhere = site.presigned("by-private-address", subnet="subnet_b")
    assert IDENTITY in elsewhere.stderr
    for user in ["by-vpc", "by-endpoint"]:
        made = site.presigned(user)
        assert made.returncode == 0, made.stderr
    # It names public addresses, and through an endpoint there is none.
    assert IDENTITY in site.presigned("by-address").stderr


def test_what_the_endpoint_policy_does_not_allow_is_told(site):
    refused = site.aws("sagemaker", "list-domains")
    assert "because no VPC endpoint policy allows the sagemaker:ListDomains action" in refused.stderr


def test_the_record_has_the_endpoint_and_the_address(site):
    done = site.exec(
        "sh", "-c", "ip -4 -o addr show eth0; exec curl -sS -D - -o /dev/null https://" + API
    )
    assert done.returncode == 0, done.stderr
    address = re.search(r"inet ([\d.]+)/24", done.stdout).group(1)
    assert address.startswith("10.20.1.")
    record = site.server.explain(re.search(r"x-amzn-requestid: (\S+)", done.stdout).group(1))
    assert record["sourceIPAddress"] == address
    assert record["vpcEndpointId"] == site.saved["api_endpoint"]


def test_headers_are_no_address(site):
    forged = ["X-Forwarded-For: 10.20.2.9", "Forwarded: for=10.20.2.9", "X-Real-IP: 10.20.2.9",
              "X-Amz-Vpce-Id: vpce-0123456789abcdef0"]
    headers = [word for header in forged for word in ("-H", header)]
    done = site.exec("curl", "-sS", "-D", "-", "-o", "/dev/null", *headers, "https://" + API)
    record = site.server.explain(re.search(r"x-amzn-requestid: (\S+)", done.stdout).group(1))
    assert record["sourceIPAddress"].startswith("10.20.1."), record
    assert record["vpcEndpointId"] == site.saved["api_endpoint"]


def test_security_groups_let_nobody_else_out_or_in(site):
    vpc = site.saved["vpc"]
    closed = site.ec2.create_security_group(GroupName="closed", Description="-", VpcId=vpc)["GroupId"]
    everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    # The endpoint lets in the clients' group alone.
    url = f"https://{API}"
    done = site.curl(url, group=closed)
    assert (done.returncode, done.stdout) == (28, "000"), done.stderr
    site.ec2.authorize_security_group_ingress(
        GroupId=site.saved["endpoints"],
        IpPermissions=[{**HTTPS, "UserIdGroupPairs": [{"GroupId": closed}]}],
    )
    assert site.curl(url, group=closed).stdout == "400"
    # A change of rules is in force when its answer is there.
    site.ec2.revoke_security_group_egress(GroupId=closed, IpPermissions=everything)
    assert site.curl(url, group=closed).returncode == 28
    # The resolver is no matter of groups.
    assert site.dig(API, group=closed) == sorted([site.address(), site.address("subnet_b")])


def test_a_rule_that_goes_cuts_a_running_command_off(site):
    group = site.ec2.create_security_group(
        GroupName="running", Description="-", VpcId=site.saved["vpc"]
    )["GroupId"]
    pair = [{**HTTPS, "UserIdGroupPairs": [{"GroupId": group}]}]
    site.ec2.authorize_security_group_ingress(GroupId=site.saved["endpoints"], IpPermissions=pair)
    ask = f"curl -sS -o /dev/null -w '%{{http_code}}\\n' --connect-timeout 2 https://{API} 2>&1"
    script = f"{ask}; read line; {ask}; true"
    running = subprocess.Popen(
        site.command("sh", "-c", script, group=group),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    assert running.stdout.readline() == "400\n"
    site.ec2.revoke_security_group_ingress(GroupId=site.saved["endpoints"], IpPermissions=pair)
    rest, _ = running.communicate("on\n", timeout=60)
    assert "timed out" in rest or "Timeout" in rest, rest


def test_names_are_those_of_the_vpc(site):
    both = sorted([site.address(), site.address("subnet_b")])
    assert site.dig(API) == both
    assert site.dig(API, "+tcp") == both
    assert site.dig(API, "@169.254.169.253") == both
    # No private DNS in the other VPC: the public address, which is another.
    public = site.dig(API, subnet="other_subnet", group=None)
    assert len(public) == 1 and public[0] not in both
    # The endpoint's own name leads to it from everywhere.
    names = site.ec2.describe_vpc_endpoints(VpcEndpointIds=[site.saved["other_endpoint"]])
    own = names["VpcEndpoints"][0]["DnsEntries"][0]["DnsName"]
    assert site.dig(own) == [site.address("other_subnet", "other_endpoint")]
    assert site.dig("example.com") == "NXDOMAIN"


def test_only_names_of_the_endpoint_have_certificates(site):
    address = site.address()
    resolve = ["--resolve", f"{STS}:443:{address}"]
    refused = site.curl(f"https://{STS}", *resolve)
    assert refused.returncode == 35, refused.stderr
    assert site.curl(f"https://{address}").returncode == 35
    # The name was right, and the request is for another.
    other = site.curl(f"https://{API}", "-H", f"Host: {STS}")
    assert other.stdout == "421", other.stdout + other.stderr


def test_the_machine_is_not_reached(site):
    port = site.server.port
    for host in ["127.0.0.1", "10.20.1.1", "169.254.169.253"]:
        done = site.curl(f"http://{host}:{port}/_sagegate/health")
        assert done.returncode in (7, 28), (host, done.stdout, done.stderr)


def test_by_the_internet_gateway_a_request_is_public(site):
    vpc, subnet = site.saved["other_vpc"], site.saved["other_subnet"]
    url = f"https://{API}"
    # There is no way out yet.
    place = {"subnet": "other_subnet", "group": None}
    assert site.curl(url, **place).returncode in (7, 28)
    gateway = site.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    site.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    table = site.ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    site.ec2.create_route(
        RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway
    )
    # A NAT gateway in a subnet that leads out, and a subnet that leads to it.
    outer = site.ec2.create_subnet(VpcId=vpc, CidrBlock="10.30.9.0/24")["Subnet"]["SubnetId"]
    site.ec2.associate_route_table(RouteTableId=table, SubnetId=outer)
    own = site.ec2.allocate_address(Domain="vpc")
    nat = site.ec2.create_nat_gateway(SubnetId=outer, AllocationId=own["AllocationId"])
    nat = nat["NatGateway"]["NatGatewayId"]
    site.ec2.get_waiter("nat_gateway_available").wait(NatGatewayIds=[nat])
    inner = site.ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    site.ec2.create_route(RouteTableId=inner, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)
    site.ec2.associate_route_table(RouteTableId=inner, SubnetId=subnet)
    done = site.exec("curl", "-sS", "-D", "-", "-o", "/dev/null", "--connect-timeout", "5", url,
                     **place)
    assert done.returncode == 0, done.stderr
    record = site.server.explain(re.search(r"x-amzn-requestid: (\S+)", done.stdout).group(1))
    assert record["sourceIPAddress"] == own["PublicIp"]
    assert "vpcEndpointId" not in record
    # STS has another address, and is reached as well.
    who = site.aws("sts", "get-caller-identity", **place)
    assert who.returncode == 0, who.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="without root nobody has the right to try")
def test_another_address_is_nobodys(site):
    """With all rights in the namespace: a second address is taken, and its packets are dropped."""
    peer = site.address()
    script = (
        "ip addr add 10.20.1.200/24 dev eth0; "
        f"curl -sS -o /dev/null -w '%{{http_code}} ' https://{API}; "
        f"curl -sS -o /dev/null --interface 10.20.1.200 --connect-timeout 2 https://{API}; echo $?; "
        f"ip addr del $(ip -4 -o addr show eth0 | awk '{{print $4; exit}}') dev eth0; "
        "ip addr add 10.20.1.200/24 dev eth0 2>/dev/null; ip route replace default via 10.20.1.1; "
        f"curl -sS -k -o /dev/null --connect-timeout 2 https://{peer}; echo $?"
    )
    done = site.exec("sh", "-c", script)
    assert done.stdout.split() == ["400", "28", "28"], done.stdout + done.stderr


def test_ping_reaches_who_is_let_in(site):
    group = site.ec2.create_security_group(
        GroupName="pinged", Description="-", VpcId=site.saved["vpc"]
    )["GroupId"]
    target = subprocess.Popen(
        site.command("sh", "-c", "ip -4 -o addr show eth0; read line", group=group),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    try:
        address = re.search(r"inet ([\d.]+)/", target.stdout.readline()).group(1)
        ping = ["ping", "-c", "1", "-W", "2", address]
        assert site.exec(*ping).returncode == 1
        site.ec2.authorize_security_group_ingress(
            GroupId=group,
            IpPermissions=[
                {
                    "IpProtocol": "icmp", "FromPort": 8, "ToPort": 0,
                    "IpRanges": [{"CidrIp": "10.20.1.0/24"}],
                }
            ],
        )
        done = site.exec(*ping)
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        target.communicate("\n", timeout=30)


def until(holds):
    """Waits until it holds; a test that hangs is ended by this."""
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, "it did not come to hold"


def test_the_command_is_what_runs(site):
    done = site.exec("sh", "-c", "exit 7")
    assert done.returncode == 7
    assert site.exec("no-such-program").returncode == 127
    here = site.exec("pwd").stdout.strip()
    assert here == os.getcwd()
    variables = site.exec("env").stdout
    assert "AWS_ENDPOINT_URL=" not in variables and "https_proxy" not in variables
    # A signal reaches the program itself: there is nothing between.
    running = subprocess.Popen(
        site.command("sh", "-c", "trap 'exit 9' TERM; echo ready; read line"),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    assert running.stdout.readline() == "ready\n"
    assert len(site.interfaces()) == 1
    assert site.interfaces()[0]["RequesterManaged"]
    running.terminate()
    running.stdin.close()
    assert running.wait(timeout=30) == 9
    until(lambda: not site.interfaces())


def test_the_interface_goes_with_whoever_is_killed(site):
    running = subprocess.Popen(
        site.command("sh", "-c", "echo ready; read line"),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    assert running.stdout.readline() == "ready\n"
    running.kill()
    running.wait(timeout=30)
    until(lambda: not site.interfaces())


def test_what_is_not_there_is_named(site):
    command = [site.server.binary, "exec", "--data", str(site.server.data)]
    for arguments, text in [
        (["--subnet", "subnet-00000000000000000"], "subnet-00000000000000000"),
        (["--subnet", site.saved["subnet_a"], "--security-group", "sg-00000000000000000"],
         "sg-00000000000000000"),
        (["--subnet", site.saved["subnet_a"], "--as", "user/nobody"], "nobody"),
    ]:
        done = subprocess.run([*command, *arguments, "--", "true"], capture_output=True, text=True)
        assert done.returncode == 1 and text in done.stderr, done.stderr
    # A group of another VPC.
    group = site.ec2.create_security_group(
        GroupName="away", Description="-", VpcId=site.saved["other_vpc"]
    )["GroupId"]
    assert site.exec("true", group=group).returncode == 1
    assert not site.interfaces()


#: Ends when there is no link but the loopback device.
ALONE = """echo ready
read line
until [ "$(ip -o link | wc -l)" = 1 ]; do sleep 0.05; done
echo alone"""


def test_a_server_that_was_killed_leaves_nothing(tmp_path):
    server = Server(tmp_path / "data").start()
    try:
        site = Site(server)
        running = subprocess.Popen(
            site.command("sh", "-c", ALONE),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        if running.stdout.readline() != "ready\n":
            pytest.skip(running.stderr.read())
        server.kill()
        server.start()
        assert not site.interfaces()
        # Its network goes with the keeper's, in the kernel's own time.
        rest, _ = running.communicate("\n", timeout=30)
        assert rest == "alone\n"
        assert site.exec("true").returncode == 0
    finally:
        server.stop()


def test_without_a_server_it_says_so(tmp_path):
    command = [os.environ["SAGEGATE"], "exec", "--subnet", "subnet-1", "--data", str(tmp_path)]
    done = subprocess.run([*command, "--", "true"], capture_output=True, text=True)
    assert done.returncode == 1 and "no running sagegate serves" in done.stderr, done.stderr


def test_the_certificate_is_told(site):
    pem = site.server.command("ca")
    assert pem.startswith("-----BEGIN CERTIFICATE-----") and "PRIVATE" not in pem
    path = site.server.command("ca", "--path").strip()
    with open(path, encoding="ascii") as file:
        assert file.read() == pem
    assert os.stat(os.path.join(os.path.dirname(path), "ca.key")).st_mode & 0o777 == 0o600


@pytest.fixture(scope="module")
def nobody():
    """The same as a user without any rights, server and commands both."""
    if os.geteuid() != 0:
        pytest.skip("the other tests run without root already")
    # pytest's own directories are root's alone.
    home = pathlib.Path(tempfile.mkdtemp(prefix="sagegate-nobody-"))
    shutil.copy(os.environ["SAGEGATE"], home / "sagegate")
    (home / "as-nobody").write_text(
        "#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --clear-groups "
        f'"{home}/sagegate" "$@"\n'
    )
    for name in [home, home / "sagegate", home / "as-nobody"]:
        name.chmod(0o755)
    shutil.chown(home, 65534, 65534)
    server = Server(home / "data")
    server.binary = str(home / "as-nobody")
    try:
        site = Site(server.start())
        first = site.exec("true")
        if "this machine cannot carry the VPC" in first.stderr:
            pytest.skip(first.stderr)
        assert first.returncode == 0, first.stderr
        yield site
    finally:
        server.stop()
        shutil.rmtree(home)


def test_without_root_it_is_the_same(nobody):
    done = nobody.exec(
        "sh", "-c",
        f"id -u; ip -4 -o addr show eth0; exec curl -sS -D - -o /dev/null https://{API}",
    )
    assert done.returncode == 0, done.stderr
    # Itself, and not the root of a namespace.
    assert done.stdout.splitlines()[0] == "65534"
    address = re.search(r"inet ([\d.]+)/24", done.stdout).group(1)
    record = nobody.server.explain(re.search(r"x-amzn-requestid: (\S+)", done.stdout).group(1))
    assert record["sourceIPAddress"] == address
    assert record["vpcEndpointId"] == nobody.saved["api_endpoint"]
    both = sorted([nobody.address(), nobody.address("subnet_b")])
    assert nobody.dig(API) == both
    vpc = nobody.saved["vpc"]
    closed = nobody.ec2.create_security_group(GroupName="closed", Description="-", VpcId=vpc)
    assert nobody.curl(f"https://{API}", group=closed["GroupId"]).returncode == 28
    until(lambda: not nobody.interfaces())


def test_without_root_nobody_changes_the_network_and_everybody_pings(nobody):
    done = nobody.exec("ip", "addr", "add", "10.20.1.200/24", "dev", "eth0")
    assert done.returncode != 0 and "not permitted" in done.stderr, done.stderr
    target = subprocess.Popen(
        nobody.command("sh", "-c", "ip -4 -o addr show eth0; read line"),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )
    try:
        address = re.search(r"inet ([\d.]+)/", target.stdout.readline()).group(1)
        # The default group lets in its own.
        done = nobody.exec("ping", "-c", "1", "-W", "2", address)
        assert done.returncode == 0, done.stdout + done.stderr
    finally:
        target.communicate("\n", timeout=30)
