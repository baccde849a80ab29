"""Spaces of domains that are VpcOnly: in the subnet, with its names, endpoints, groups and addresses.

Where the machine has no namespaces for whoever runs the tests, they are skipped and say so.
"""

import base64
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest

from closed import CALL, LOOK, STS, WHO, Closed, address_of, call, clients, skip_without_networks
from conftest import REGION
from remote import Client, until
from studio import close, profile
from test_remote_inside import WHOAMI

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="network namespaces are Linux's"
)

#: A call that the role's policies decide about; what came of it.
ROLES = """
import sys
sys.path.insert(0, "clients")
import boto3, botocore.exceptions
try:
    boto3.client("sts").assume_role(RoleArn="arn:aws:iam::123456789012:role/x", RoleSessionName="session")
except botocore.exceptions.ClientError as refusal:
    print(refusal)
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Closed(tmp_path_factory.mktemp("closed"))
    site.make("hers")
    site.make("his", owner="ben")
    site.run("hers", "his")
    yield site
    close(site.server)


@pytest.fixture(scope="module")
def client(site):
    client = Client(site, "both", site.root, ["hers", "his"])
    skip_without_networks(site, client, "hers")
    for space in ("hers", "his"):
        client.said(space, "tar -xz", input=clients())
    return client


def test_each_app_has_an_interface_in_the_subnet(site, client):
    interfaces = {it["PrivateIpAddress"]: it for it in site.interfaces()}
    assert len(interfaces) == 2
    for space in ("hers", "his"):
        interface = interfaces[address_of(site, client, space)]
        assert interface["SubnetId"] == site.subnet and interface["RequesterManaged"]
        assert interface["Status"] == "in-use"
        assert f"Studio Domain({site.domain}) - " in interface["Description"]
        assert site.apps in [it["GroupId"] for it in interface["Groups"]]


def test_names_are_the_vpcs(site, client):
    found = site.ec2.describe_vpc_endpoints(VpcEndpointIds=[site.endpoint])["VpcEndpoints"][0]
    endpoint = site.ec2.describe_network_interfaces(
        NetworkInterfaceIds=found["NetworkInterfaceIds"]
    )["NetworkInterfaces"][0]["PrivateIpAddress"]
    seen = client.python("hers", LOOK, STS, "example.com", "localhost").splitlines()[1:]
    assert seen == [endpoint, "gaierror", "127.0.0.1"]
    text = client.said("hers", "cat /etc/resolv.conf")
    assert text == f"nameserver 10.40.0.2\nsearch {REGION}.compute.internal\n"


def test_boto3_calls_through_the_endpoint_as_the_execution_role(site, client):
    seen = call(client, "hers")
    assert seen["arn"] == WHO, seen
    record = site.server.explain(seen["id"])
    assert record["sourceIPAddress"] == address_of(site, client, "hers")
    assert record["vpcEndpointId"] == site.endpoint
    variables = client.said("hers", "env")
    assert "AWS_ENDPOINT_URL" not in variables
    assert f"AWS_REGION={REGION}\n" in variables and f"AWS_DEFAULT_REGION={REGION}\n" in variables


def test_the_aws_cli_does_too(site, client):
    words = "PYTHONPATH=clients python3 -m awscli sts get-caller-identity"
    assert json.loads(client.said("hers", words))["Arn"] == WHO


def test_the_endpoint_policy_refuses_and_the_address_decides(site, client):
    hers = address_of(site, client, "hers")
    everything = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
    deny = {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}
    deny["Condition"] = {"IpAddress": {"aws:VpcSourceIp": f"{hers}/32"}}
    site.policy({"Version": "2012-10-17", "Statement": [everything, deny]})
    try:
        refused = call(client, "hers")
        assert "AccessDenied" in refused.get("refused", ""), refused
        assert "VPC endpoint policy" in refused["refused"]
        assert call(client, "his")["arn"] == WHO
    finally:
        site.policy(None)
    assert call(client, "hers")["arn"] == WHO
    # The role's own policies see the endpoint as well.
    document = {**deny, "Condition": {"StringEquals": {"aws:SourceVpce": site.endpoint}}}
    del document["Principal"]
    site.iam.put_role_policy(
        RoleName="studio",
        PolicyName="not-by-the-endpoint",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": document}),
    )
    try:
        # GetCallerIdentity asks nobody's permission but the endpoint's; another call does.
        seen = client.python("hers", ROLES)
        assert "explicit deny" in seen, seen
    finally:
        site.iam.delete_role_policy(RoleName="studio", PolicyName="not-by-the-endpoint")
    assert "explicit deny" not in client.python("hers", ROLES)


def test_changes_of_rules_hold_at_once_for_what_runs(site, client):
    site.shut_out()
    assert call(client, "hers")["failed"] == "ConnectTimeoutError"
    site.let_in()
    assert call(client, "hers")["arn"] == WHO
    # A network ACL of the endpoint's subnet, for which connections are nothing.
    acl = site.ec2.create_network_acl(VpcId=site.vpc)["NetworkAcl"]["NetworkAclId"]
    found = site.ec2.describe_network_acls(
        Filters=[{"Name": "association.subnet-id", "Values": [site.outer]}]
    )["NetworkAcls"][0]
    own = next(it for it in found["Associations"] if it["SubnetId"] == site.outer)
    moved = site.ec2.replace_network_acl_association(
        AssociationId=own["NetworkAclAssociationId"], NetworkAclId=acl
    )["NewAssociationId"]
    assert call(client, "hers")["failed"] == "ConnectTimeoutError"
    for egress in (False, True):
        site.ec2.create_network_acl_entry(
            NetworkAclId=acl, RuleNumber=1, Protocol="-1", RuleAction="allow", Egress=egress,
            CidrBlock="10.40.1.0/24",
        )
    assert call(client, "hers")["arn"] == WHO
    site.ec2.replace_network_acl_association(
        AssociationId=moved, NetworkAclId=found["NetworkAclId"]
    )


#: Tries to connect; what came of it.
TRY = """
import socket, sys
for target in sys.argv[1:]:
    host, port = target.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
        print("reached")
    except OSError as error:
        print("not")
"""


def test_a_space_reaches_nothing_of_the_machine_and_no_other_vpc(site, client):
    other = site.ec2.create_vpc(CidrBlock="10.41.0.0/16")["Vpc"]["VpcId"]
    subnet = site.ec2.create_subnet(VpcId=other, CidrBlock="10.41.1.0/24")["Subnet"]["SubnetId"]
    made = site.ec2.create_vpc_endpoint(
        VpcId=other, ServiceName=f"com.amazonaws.{REGION}.sts", VpcEndpointType="Interface",
        SubnetIds=[subnet], PrivateDnsEnabled=False,
    )["VpcEndpoint"]
    interface = site.ec2.describe_network_interfaces(
        NetworkInterfaceIds=made["NetworkInterfaceIds"]
    )["NetworkInterfaces"][0]["PrivateIpAddress"]
    port = site.server.port
    targets = [f"{interface}:443", f"127.0.0.1:{port}", f"10.40.1.1:{port}", "169.254.169.254:80",
               "240.0.0.1:443", f"169.254.169.253:{port}", "127.0.0.1:9170", "203.0.113.1:443"]
    assert client.python("hers", TRY, *targets).split() == ["not"] * len(targets)
    refused = client.ssh("-W", f"127.0.0.1:{port}", "hers")
    assert refused.returncode != 0


def test_a_space_comes_to_another_only_by_its_groups(site, client):
    listen = "import socket, sys; held = socket.create_server(('', 7118)); " \
        "print('begun', flush=True); sys.stdin.read()"
    his = address_of(site, client, "his")
    ports = {"IpProtocol": "tcp", "FromPort": 7118, "ToPort": 7118,
             "UserIdGroupPairs": [{"GroupId": site.apps}]}
    with client.background("his", "python3 -c " + shlex.quote(listen)) as process:
        assert process.stdout.readline() == b"begun\n"
        # Its app and its agent are at loopback, and its network lets nobody in.
        targets = [f"{his}:{port}" for port in (7118, 8888, 9169)]
        assert client.python("hers", TRY, *targets).split() == ["not"] * 3
        site.ec2.authorize_security_group_ingress(GroupId=site.apps, IpPermissions=[ports])
        assert client.python("hers", TRY, *targets).split() == ["reached", "not", "not"]
        site.ec2.revoke_security_group_ingress(GroupId=site.apps, IpPermissions=[ports])
        assert client.python("hers", TRY, *targets).split() == ["not"] * 3


#: Tries to take another address, and what else takes rights over the network.
CHANGE = """
import socket, struct, sys
def attempt(what, act):
    try:
        act()
        print(what, "done")
    except OSError as error:
        print(what, error.errno)
attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW))
attempt("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
def another():
    one = socket.socket()
    one.bind((sys.argv[1], 0))
attempt("bind", another)
def transparent():
    one = socket.socket()
    one.setsockopt(socket.SOL_IP, 19, 1)
attempt("transparent", transparent)
def address():
    # RTM_NEWADDR of the address for the second link.
    one = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)
    value = socket.inet_aton(sys.argv[1])
    body = struct.pack("BBBBI", socket.AF_INET, 24, 0, 0, 2)
    for kind in (1, 2):
        body += struct.pack("HH", 8, kind) + value
    one.send(struct.pack("IHHII", 16 + len(body), 20, 1 | 4 | 0x400, 1, 0) + body)
    code = struct.unpack("i", one.recv(4096)[16:20])[0]
    if code:
        raise OSError(-code, "")
attempt("address", address)
"""


def test_a_space_cannot_be_somebody_else(site, client):
    his = address_of(site, client, "his")
    seen = dict(line.split() for line in client.python("hers", CHANGE, his).splitlines())
    assert seen == {"raw": "1", "packet": "1", "bind": "99", "transparent": "1", "address": "1"}
    assert client.ssh("hers", "unshare -Urn true").returncode != 0


#: Asks for names as fast as it can, until its input ends.
FLOOD = """
import os, socket, sys, threading
question = b"\\x12\\x34\\x01\\x00\\x00\\x01" + bytes(6) + b"\\x03sts\\x09us-west-2\\x09amazonaws\\x03com\\x00\\x00\\x01\\x00\\x01"
def ask():
    one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    one.connect(("10.40.0.2", 53))
    while True:
        try:
            one.send(question)
        except OSError:
            pass
for _ in range(2):
    threading.Thread(target=ask, daemon=True).start()
print("begun", flush=True)
sys.stdin.read()
os._exit(0)
"""


def test_who_floods_the_resolver_takes_nothing_from_others(site, client):
    with client.background("his", "python3 -c " + shlex.quote(FLOOD)) as process:
        assert process.stdout.readline() == b"begun\n"
        for _ in range(3):
            seen = call(client, "hers", patience=20)
            assert seen.get("arn") == WHO, seen


def test_without_an_endpoint_there_is_no_answer(site, client):
    """A domain of another VPC, without any endpoint or way out."""
    vpc = site.ec2.create_vpc(CidrBlock="10.42.0.0/16")["Vpc"]["VpcId"]
    subnet = site.ec2.create_subnet(VpcId=vpc, CidrBlock="10.42.1.0/24")["Subnet"]["SubnetId"]
    group = site.ec2.create_security_group(GroupName="x", Description="-", VpcId=vpc)["GroupId"]
    first = site.domain
    site.domain = site.sagemaker.create_domain(
        DomainName="lonely", AuthMode="IAM", VpcId=vpc, SubnetIds=[subnet],
        AppNetworkAccessType="VpcOnly",
        DefaultUserSettings={"ExecutionRole": site.role, "SecurityGroups": [group]},
    )["DomainArn"].rsplit("/", 1)[1]
    try:
        profile(site.root, site.domain, "ann")
        site.make("lone")
        site.run("lone")
        lone = Client(site, "lone", site.root, ["lone"])
        lone.said("lone", "tar -xz", input=clients())
        seen = call(lone, "lone")
        assert seen["failed"] in ("ConnectTimeoutError", "EndpointConnectionError"), seen
        # Its interface goes with its app, and a subnet without interfaces can be removed.
        site.stop("lone")
        assert [it for it in site.interfaces() if it["SubnetId"] == subnet] == []
    finally:
        site.domain = first


def test_with_the_internet_the_services_are_reached_from_a_public_address(site, client):
    closed, site.domain = site.domain, site.open
    try:
        site.make("free")
        site.make("also", owner="ben")
        site.run("free", "also")
        free = Client(site, "free", site.root, ["free", "also"])
        free.said("free", "tar -xz", input=clients())
        seen = call(free, "free", patience=20)
        assert seen.get("arn") == WHO, seen
        record = site.server.explain(seen["id"])
        assert record["sourceIPAddress"] == "192.0.2.1" and "vpcEndpointId" not in record
        # No interface of the account's, and nothing but AWS's services.
        assert not [it for it in site.interfaces() if site.open in it["Description"]]
        names = free.python("free", LOOK, STS, "example.com").split()
        assert names[1].startswith("203.0.113.") and names[2] == "gaierror"
        port = site.server.port
        also = address_of(site, free, "also")
        targets = [f"127.0.0.1:{port}", f"10.0.0.1:{port}", f"{also}:8888",
                   f"192.0.2.1:{port}", "203.0.113.200:443", f"203.0.113.12:{port}",
                   "127.0.0.1:9170", "240.0.0.1:53"]
        assert free.python("free", TRY, *targets).split() == ["not"] * len(targets)
        site.stop("also")
        site.stop("free")
    finally:
        site.domain = closed


def test_a_keeper_of_networks_that_is_killed_is_replaced(site, client):
    before = address_of(site, client, "hers")
    children = pathlib.Path(f"/proc/{site.server.process.pid}/task").glob("*/children")
    pids = [int(pid) for file in children for pid in file.read_text().split()]
    called = {pid: pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids}
    [keeper] = [pid for pid, words in called.items() if b"fabric-keeper" in words]
    os.kill(keeper, signal.SIGKILL)
    assert until(lambda: call(client, "hers").get("arn")) == WHO
    assert address_of(site, client, "hers") == before
    assert until(lambda: call(client, "his").get("arn")) == WHO


def test_a_space_outlives_its_server_and_gets_its_network_back(site, client):
    closed, site.domain = site.domain, site.open
    site.make("rover")
    site.run("rover")
    rover = Client(site, "rover", site.root, ["rover"])
    rover.said("rover", "tar -xz", input=clients())
    site.domain = closed
    before = address_of(site, client, "hers")
    started = client.said("hers", "stat -c %Y /proc/1; cat /proc/1/stat | cut -d' ' -f22").split()[1]
    site.server.kill()
    site.server.start()
    until(lambda: site.app_status("hers") == "InService")
    seen = until(lambda: (it := call(client, "hers")).get("arn") and it)
    assert seen["arn"] == WHO
    record = site.server.explain(seen["id"])
    assert record["sourceIPAddress"] == before and record["vpcEndpointId"] == site.endpoint
    assert address_of(site, client, "hers") == before
    # It is the same space.
    now = client.said("hers", "cat /proc/1/stat | cut -d' ' -f22").strip()
    if os.geteuid() == 0:
        assert now == started
    site.shut_out()
    assert call(client, "hers")["failed"] == "ConnectTimeoutError"
    site.let_in()
    assert call(client, "his")["arn"] == WHO
    seen = until(lambda: (it := call(rover, "rover", patience=20)).get("arn") and it)
    assert site.server.explain(seen["id"])["sourceIPAddress"] == "192.0.2.1"


#: Runs before a notebook instance's JupyterLab: STS has to answer through the endpoint.
SCRIPT = """#!/bin/bash
set -eux
grep -q 'nameserver 10.40.0.2' /etc/resolv.conf
python3 - <<'PYTHON'
import socket
socket.create_connection(("{sts}", 443), timeout=5).close()
{source}
PYTHON
"""


def test_a_notebook_instance_in_a_subnet_is_behind_its_interface(site, client):
    script = SCRIPT.format(sts=STS, source=WHOAMI)
    site.sagemaker.create_notebook_instance_lifecycle_config(
        NotebookInstanceLifecycleConfigName="calls",
        OnStart=[{"Content": base64.b64encode(script.encode()).decode()}],
    )
    name = {"NotebookInstanceName": "placed"}
    site.sagemaker.create_notebook_instance(
        **name,
        InstanceType="ml.t3.medium",
        RoleArn=site.role,
        SubnetId=site.subnet,
        SecurityGroupIds=[site.apps],
        DirectInternetAccess="Disabled",
        LifecycleConfigName="calls",
    )

    def settled():
        seen = site.sagemaker.describe_notebook_instance(**name)
        return seen["NotebookInstanceStatus"] not in ("Pending", "Stopping") and seen

    seen = until(settled)
    assert seen["NotebookInstanceStatus"] == "InService", seen
    interface = site.ec2.describe_network_interfaces(
        NetworkInterfaceIds=[seen["NetworkInterfaceId"]]
    )["NetworkInterfaces"][0]
    assert interface["Description"].startswith(
        "[Do not delete] Network Interface created to access resources in your VPC for "
        "SageMaker Notebook Instance placed"
    )
    site.sagemaker.stop_notebook_instance(**name)
    assert until(settled)["NotebookInstanceStatus"] == "Stopped"
    # Without a way to the endpoint the script gets no answer.
    site.shut_out()
    site.sagemaker.start_notebook_instance(**name)
    seen = until(settled)
    site.let_in()
    assert seen["NotebookInstanceStatus"] == "Failed" and "exit code" in seen["FailureReason"], seen
    site.sagemaker.delete_notebook_instance(**name)


def test_an_interface_goes_with_its_app(site, client):
    count = len(site.interfaces())
    site.stop("his")
    assert len(site.interfaces()) == count - 1
    site.run("his")
    assert call(client, "his")["arn"] == WHO


#: Serves what an app is asked for.
SERVE = """
import http.server, sys
port = next(int(it.partition("=")[2]) for it in sys.argv if it.startswith("--ServerApp.port="))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""


def stand_in(apps):
    """A directory of apps with a program in the place of JupyterLab: that may be root's alone."""
    place = apps / "jupyterlab"
    subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", place], check=True)
    package = next((place / "lib").iterdir()) / "site-packages" / "jupyterlab"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(SERVE)
    return apps


@pytest.fixture(scope="module")
def nobody():
    """The same for a server of a user without any rights."""
    if os.geteuid() != 0:
        pytest.skip("the other tests run without root already")
    # pytest's own directories are root's alone.
    home = pathlib.Path(tempfile.mkdtemp(prefix="sagegate-nobody-"))
    binary = shutil.copy(os.environ["SAGEGATE"], home / "sagegate")
    wrapper = home / "as-nobody"
    wrapper.write_text(
        "#!/bin/sh\nexec setpriv --reuid=65534 --regid=65534 --clear-groups "
        f'"{binary}" "$@"\n'
    )
    for name in [home, binary, wrapper]:
        os.chmod(name, 0o755)
    shutil.chown(home, 65534, 65534)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SAGEGATE", str(wrapper))
            patch.setenv("SAGEGATE_TEST_APPS", str(stand_in(home / "apps")))
            site = Closed(home)
        try:
            site.make("hers")
            site.run("hers")
            yield site
        finally:
            close(site.server)
    finally:
        shutil.rmtree(home)


def test_without_root_it_is_the_same_but_that_apps_start_anew(nobody):
    client = Client(nobody, "theirs", nobody.root, ["hers"])
    skip_without_networks(nobody, client, "hers")
    client.said("hers", "tar -xz", input=clients())
    seen = call(client, "hers")
    assert seen["arn"] == WHO, seen
    record = nobody.server.explain(seen["id"])
    before = address_of(nobody, client, "hers")
    assert record["sourceIPAddress"] == before and record["vpcEndpointId"] == nobody.endpoint
    nobody.shut_out()
    assert call(client, "hers")["failed"] == "ConnectTimeoutError"
    nobody.let_in()
    changed = dict(line.split() for line in client.python("hers", CHANGE, "10.40.1.9").splitlines())
    assert changed == {"raw": "1", "packet": "1", "bind": "99", "transparent": "1", "address": "1"}
    nobody.server.kill()
    nobody.server.start()

    def answers():
        done = client.ssh("hers", "python3", "-", "2", input=CALL.encode())
        return done.returncode == 0 and json.loads(done.stdout).get("arn")

    assert until(answers) == WHO
    assert address_of(nobody, client, "hers") == before
