"""The commands of the binary, beside a server and without one, as an operator uses them."""

import concurrent.futures
import json
import os
import pathlib
import re
import socket
import subprocess
import sys

import botocore.exceptions
import pytest
import requests

import steps
from conftest import ACCOUNT, REGION, Principal, Server

BINARY = os.environ["SAGEGATE"]
ROOT = f"arn:aws:iam::{ACCOUNT}:root"


def sagegate(*arguments, **environment):
    """Runs the binary to its end; what became of it."""
    return subprocess.run(
        [BINARY, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def who(principal):
    return principal.client("sts").get_caller_identity()["Arn"]


def start(request, data, *flags):
    """A server that is stopped after the test."""
    server = Server(data, *flags).start()
    request.addfinalizer(server.stop)
    return server


# env


def test_env_of_root(module_server):
    lines = module_server.command("env").splitlines()
    exports = [line.removeprefix("export ") for line in lines if line.startswith("export ")]
    assert sorted(export.split("=")[0] for export in exports) == [
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_SECRET_ACCESS_KEY",
    ]
    assert f"AWS_DEFAULT_REGION={REGION}" in exports
    assert f"AWS_ENDPOINT_URL={module_server.url}" in exports
    assert who(module_server.principal()) == ROOT
    # What is left of another session would spoil the signature.
    assert any(line.startswith("unset ") and "AWS_SESSION_TOKEN" in line for line in lines)


def test_env_of_users_and_roles(module_server):
    iam = module_server.principal().client("iam")
    iam.create_user(UserName="ann", Path="/staff/")
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "sts:AssumeRole"}
        ],
    }
    document = json.dumps(trust)
    role = iam.create_role(RoleName="auditor", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    user = f"arn:aws:iam::{ACCOUNT}:user/staff/ann"
    assert who(module_server.principal("user/ann")) == user
    assert who(module_server.principal(user)) == user
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/auditor/"
    assert who(module_server.principal("role/auditor")).startswith(session)
    assert who(module_server.principal(role)).startswith(session)


def test_env_gives_the_same_each_time_and_outside_the_quota(module_server):
    iam = module_server.principal().client("iam")
    iam.create_user(UserName="bob")
    first = module_server.principal("user/bob").variables
    own = [iam.create_access_key(UserName="bob")["AccessKey"]["AccessKeyId"] for _ in range(2)]
    with pytest.raises(iam.exceptions.LimitExceededException):
        iam.create_access_key(UserName="bob")
    assert module_server.principal("user/bob").variables == first
    listed = iam.list_access_keys(UserName="bob")["AccessKeyMetadata"]
    assert sorted(key["AccessKeyId"] for key in listed) == sorted(own)
    # Nor does it keep the user from being deleted.
    for key in own:
        iam.delete_access_key(UserName="bob", AccessKeyId=key)
    iam.delete_user(UserName="bob")
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        Principal(module_server, first).client("iam").list_users()
    assert caught.value.response["Error"]["Code"] == "InvalidClientTokenId"


@pytest.mark.parametrize(
    "name", ["user/nobody", "role/nothing", f"arn:aws:iam::{ACCOUNT}:user/nobody", "thing", ""]
)
def test_env_of_nobody(module_server, name):
    done = sagegate("env", "--as", name, "--data", str(module_server.data))
    assert done.returncode == 1
    assert done.stdout == ""
    assert name.rsplit("/", 1)[-1] in done.stderr


def test_commands_find_the_directory_in_the_environment(module_server):
    done = sagegate("env", SAGEGATE_DATA=str(module_server.data))
    assert f"AWS_ENDPOINT_URL={module_server.url}" in done.stdout


@pytest.mark.parametrize("command", [["env"], ["endpoints"], ["explain", "--last"]])
def test_commands_without_a_data_directory(tmp_path, command):
    missing = tmp_path / "missing"
    done = sagegate(*command, "--data", str(missing))
    assert done.returncode == 1
    assert str(missing) in done.stderr
    assert not missing.exists()


# endpoints


def test_endpoints(module_server):
    saved = steps.apply(module_server.principal(), "studio-vpc")
    rows = module_server.endpoints()
    for row in rows:
        assert set(row) == {"id", "service", "vpc", "subnet", "vpcSourceIp", "url"}
        assert re.fullmatch(rf"http://127\.\d+\.\d+\.\d+:{module_server.port}", row["url"])
    assert len({row["url"] for row in rows}) == len(rows)
    [row] = [
        row
        for row in rows
        if (row["id"], row["subnet"]) == (saved["api_endpoint"], saved["subnet_a"])
    ]
    assert row["service"] == "com.amazonaws.us-west-2.sagemaker.api"
    assert row["vpc"] == saved["vpc"]
    text = module_server.command("endpoints")
    assert all(row["id"] in text and row["url"] in text for row in rows)


# explain


def test_explain(module_server):
    root = module_server.principal()
    root.client("iam").create_user(UserName="eve")
    sts = module_server.principal("user/eve").client("sts")
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        sts.get_federation_token(Name="somebody")
    answer = caught.value.response
    request = answer["ResponseMetadata"]["RequestId"]
    record = module_server.explain(request)
    assert record["requestID"] == request
    assert record["eventName"] == "GetFederationToken"
    assert record["errorCode"] == "AccessDenied"
    assert record["userIdentity"]["userName"] == "eve"
    assert record["sagegate"]["decision"] == "denied"
    assert json.loads(module_server.command("explain", "--last", "--json")) == record
    text = module_server.command("explain", request)
    assert "DENIED (AccessDenied)" in text
    assert f"arn:aws:iam::{ACCOUNT}:user/eve" in text
    assert answer["Error"]["Message"] in text


def test_a_call_for_a_service_that_is_not_served_leaves_a_record(module_server):
    client = module_server.principal().client("s3")
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        client.list_buckets()
    headers = caught.value.response["ResponseMetadata"]["HTTPHeaders"]
    record = module_server.explain(headers["x-amzn-requestid"])
    assert "s3 is not served" in record["errorMessage"]


def test_explain_of_an_unknown_request(module_server):
    done = sagegate("explain", "no-such-request", "--data", str(module_server.data))
    assert done.returncode == 1
    assert "no-such-request" in done.stderr


def test_no_secret_is_in_any_record(request, tmp_path):
    server = start(request, tmp_path / "data")
    root = server.principal()
    iam = root.client("iam")
    iam.create_user(UserName="key")
    made = iam.create_access_key(UserName="key")
    session = root.client("sts").get_session_token()["Credentials"]
    for answer in (made, iam.list_users()):
        told = json.dumps(server.explain(answer["ResponseMetadata"]["RequestId"]))
        assert made["AccessKey"]["SecretAccessKey"] not in told
        assert session["SecretAccessKey"] not in told
        assert session["SessionToken"] not in told
    server.stop()
    secrets = [made["AccessKey"]["SecretAccessKey"], session["SessionToken"]]
    for place in (tmp_path / "data" / "audit").rglob("*"):
        if place.is_file():
            kept = place.read_bytes()
            assert not any(secret.encode() in kept for secret in secrets), place


# serve


def test_two_servers_on_one_directory(module_server):
    done = sagegate("serve", "--listen", "127.0.0.1:0", "--data", str(module_server.data))
    assert done.returncode == 1
    assert str(module_server.data) in done.stderr and "use" in done.stderr
    assert who(module_server.principal()) == ROOT


def test_a_port_that_is_taken(module_server, tmp_path):
    place = f"127.0.0.1:{module_server.port}"
    done = sagegate("serve", "--listen", place, "--data", str(tmp_path / "data"))
    assert done.returncode == 1
    assert place in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--colour", "red"], "--colour"),
        (["--listen", "nowhere"], "nowhere"),
        (["--account", "12"], "12"),
        (["--region", "Nowhere 1"], "Nowhere 1"),
        (["--memory", "--data", "somewhere"], "--data"),
        (["and", "more"], "and"),
    ],
)
def test_what_is_not_understood_stops_the_start(tmp_path, flags, said):
    # Neither may it listen, so the address could not be used anyway.
    done = sagegate("serve", *flags, SAGEGATE_DATA=str(tmp_path / "data"))
    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "data").exists()


def test_account_and_region_are_fixed_when_the_directory_is_made(request, tmp_path):
    server = start(
        request, tmp_path / "data", "--account", "111122223333", "--region", "eu-west-1"
    )
    assert who(server.principal()) == "arn:aws:iam::111122223333:root"
    server.stop()
    for flags in (["--account", "123456789012"], ["--region", "us-west-2"]):
        done = sagegate("serve", *flags, "--listen", "127.0.0.1:0", "--data", str(server.data))
        assert done.returncode == 1
        assert flags[1] in done.stderr
    server.flags = ()
    assert who(server.start().principal()) == "arn:aws:iam::111122223333:root"


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_restart_changes_nothing(request, tmp_path, end):
    server = start(request, tmp_path / "data")
    root = server.principal()
    saved = steps.apply(root, "studio-vpc")
    user = server.principal("user/by-vpc")
    endpoints = server.endpoints()
    credentials = (tmp_path / "data" / "root-credentials.env").read_text()
    before = state(root)
    # The last call before the end is not lost either.
    root.client("iam").create_user(UserName="late")
    getattr(server, end)()
    server.start()
    assert server.principal().variables == root.variables
    assert server.principal("user/by-vpc").variables == user.variables
    assert (tmp_path / "data" / "root-credentials.env").read_text() == credentials
    assert server.endpoints() == endpoints
    root.client("iam").get_user(UserName="late")
    root.client("iam").delete_user(UserName="late")
    assert state(root) == before
    # The endpoints are served again, by the same rules.
    inside = next(row["url"] for row in endpoints if row["id"] == saved["api_endpoint"])
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        root.client("sagemaker", inside).list_domains()
    assert "because no VPC endpoint policy allows" in caught.value.response["Error"]["Message"]


def state(root):
    """What some lists of all services answer."""
    iam, ec2, sagemaker = root.client("iam"), root.client("ec2"), root.client("sagemaker")
    roles = iam.get_account_authorization_details()["RoleDetailList"]
    for role in roles:
        # Uses are put into the store now and then: a kill may lose the last of them.
        role.pop("RoleLastUsed")
    listed = [
        iam.get_account_authorization_details()["UserDetailList"],
        roles,
        ec2.describe_vpcs()["Vpcs"],
        ec2.describe_subnets()["Subnets"],
        ec2.describe_security_groups()["SecurityGroups"],
        ec2.describe_network_interfaces()["NetworkInterfaces"],
        ec2.describe_vpc_endpoints()["VpcEndpoints"],
        sagemaker.list_domains()["Domains"],
        sagemaker.list_user_profiles()["UserProfiles"],
    ]
    return json.loads(json.dumps(listed, default=str))


def test_memory_keeps_nothing(request):
    server = start(request, None)
    private = server.data
    server.principal().client("iam").create_user(UserName="gone")
    first = server.principal().variables
    assert server.stop() is not None
    assert not private.exists()
    server.start()
    users = server.principal().client("iam").list_users()["Users"]
    assert users == []
    assert (
        server.principal().variables["AWS_SECRET_ACCESS_KEY"] != first["AWS_SECRET_ACCESS_KEY"]
    )


# --test-reset


def reset(server, **headers):
    session = requests.Session()
    session.trust_env = False
    return session.post(f"{server.url}/_sagegate/reset", headers=headers, timeout=30)


def test_reset_is_off_by_default(module_server):
    module_server.principal().client("iam").create_group(GroupName="stays")
    assert reset(module_server).status_code in (403, 404)
    module_server.principal().client("iam").get_group(GroupName="stays")


def test_reset_empties_all_but_root(request, tmp_path):
    server = start(request, tmp_path / "data", "--test-reset")
    root = server.principal()
    fresh = state(root)
    steps.apply(root, "studio-vpc")
    gone = [row["url"] for row in server.endpoints()]
    user = server.principal("user/by-vpc")

    foreign = [
        {"Origin": "https://example.com"},
        {"Origin": "null"},
        {"Origin": server.url},
        {"Host": "example.com"},
        {"Host": "127.0.0.1.example.com"},
    ]
    for headers in foreign:
        assert reset(server, **headers).status_code in (403, 404), headers
    assert len(server.endpoints()) == len(gone)

    assert reset(server).status_code == 200
    assert server.endpoints() == []
    assert state(root) == fresh
    assert who(root) == ROOT
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        user.client("sts").get_caller_identity()
    assert caught.value.response["Error"]["Code"] == "InvalidClientTokenId"
    for url in gone:
        with pytest.raises(botocore.exceptions.EndpointConnectionError):
            root.client("sagemaker", url).list_domains()
    # What was there can be made again.
    steps.apply(root, "studio-vpc")
    assert "--test-reset" in server.stop()


# The banner


def test_the_banner_says_what_is_enforced_where_and_where_the_root_credentials_are(server):
    banner = "".join(server.banner)
    assert f"serves {server.url}\n" in banner
    assert f"account   {ACCOUNT}, region {REGION}\n" in banner
    assert re.search(r"state     .*" + re.escape(str(server.data)) + r"\n", banner)
    enforced = "signatures, identity policies, boundaries, session and trust policies and VPC"
    assert f"enforced  {enforced} endpoint policies, on all " in banner
    assert re.search(r"spaces    \S", banner), "what keeps spaces apart"
    assert "--test-reset" not in banner
    file = pathlib.Path(re.search(r"root      credentials in (.*)\n", banner).group(1))
    assert file.stat().st_mode & 0o077 == 0
    lines = file.read_text().splitlines()
    pairs = dict(line.removeprefix("export ").split("=", 1) for line in lines if "=" in line)
    root = server.principal().variables
    assert root["AWS_ACCESS_KEY_ID"] in pairs["AWS_ACCESS_KEY_ID"]
    assert root["AWS_SECRET_ACCESS_KEY"] in pairs["AWS_SECRET_ACCESS_KEY"]


# demo


def test_what_the_demo_prints_works_when_pasted(tmp_path):
    # `aws` on the path, as a user has it.
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "aws").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m awscli "$@"\n')
    (tools / "aws").chmod(0o755)
    data = tmp_path / "demo data"
    process = subprocess.Popen(
        [BINARY, "demo", "--listen", "127.0.0.1:0", "--data", str(data)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        printed = []
        for line in process.stdout:
            printed.append(line.rstrip("\n"))
            if line.startswith("Ctrl-C"):
                break
        else:
            raise AssertionError("\n".join(printed))
        table = [line.split() for line in printed if re.match(r"  by-\S+ ", line)]
        assert [row[0] for row in table] == [
            "by-vpc",
            "by-endpoint",
            "by-address",
            "by-private-address",
        ]
        commands = printed[printed.index("Try it in another terminal:") + 1 : -1]
        commands = [line.strip() for line in commands if line.strip()]
        done = [paste(commands[:2] + [command], tools, tmp_path) for command in commands[2:]]
    finally:
        process.terminate()
        process.wait(timeout=30)
    inside, outside, explained = done
    assert inside.returncode == 0, inside.stderr
    assert '"AuthorizedUrl": "http://127.' in inside.stdout
    assert outside.returncode in (254, 255)  # version 2 and version 1
    assert "because no identity-based policy allows" in outside.stderr
    assert explained.returncode == 0, explained.stderr
    assert "DENIED (AccessDeniedException)" in explained.stdout
    assert "aws:SourceVpc" in explained.stdout


def paste(lines, tools, home):
    """Runs lines in a shell of somebody whose environment is otherwise empty."""
    return subprocess.run(
        ["bash", "-c", "\n".join(lines)],
        env={"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(home), "AWS_PAGER": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_demo_begins_in_a_fresh_directory(tmp_path):
    done = sagegate("demo", "--listen", "127.0.0.1:0", "--data", str(tmp_path))
    assert done.returncode == 1
    assert str(tmp_path) in done.stderr


def ids_of(answer):
    return answer["ResponseMetadata"]["RequestId"]


def test_a_reset_leaves_its_own_record_alone(request, tmp_path):
    server = start(request, tmp_path / "data", "--test-reset")
    iam = server.principal().client("iam")
    made, read = ids_of(iam.create_user(UserName="jo")), ids_of(iam.get_user(UserName="jo"))
    assert server.explain(made)["eventName"] == "CreateUser"
    refused = reset(server, Origin="http://evil.example")
    assert server.explain(refused.headers["x-amzn-requestid"])["errorCode"] == "AccessDenied"
    # Two at once wait for each other.
    with concurrent.futures.ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda _: reset(server), range(2)))
    assert [answer.status_code for answer in answers] == [200, 200]
    last = json.loads(server.command("explain", "--last", "--json"))
    assert last["requestID"] in [answer.headers["x-amzn-requestid"] for answer in answers]
    assert (last["eventName"], last["readOnly"]) == ("ResetState", False)
    assert last["sourceIPAddress"] == "127.0.0.1"
    others = [answer.headers["x-amzn-requestid"] for answer in answers]
    others.remove(last["requestID"])
    for gone in (made, read, *others):
        done = sagegate("explain", gone, "--data", str(server.data))
        assert done.returncode != 0 and "there is no record" in done.stderr
    server.kill()
    server.start()
    assert server.explain(last["requestID"]) == last
    assert server.principal().client("iam").list_users()["Users"] == []


def test_a_reset_that_is_cut_short_leaves_all_or_nothing(request, tmp_path):
    server = start(request, tmp_path / "data", "--test-reset")
    root = server.principal()
    for turn in range(12):
        root.client("iam").create_user(UserName=f"jo-{turn}")
        made = root.client("ec2").create_vpc(CidrBlock="10.7.0.0/16")
        vpc = made["Vpc"]["VpcId"]
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(
                b"POST /_sagegate/reset HTTP/1.1\r\nhost: localhost\r\n\r\n"
            )
            # Killed sooner or later: any moment will do.
            for _ in range(turn * 200):
                (tmp_path / "data").exists()
            server.kill()
        server.start()
        assert server.principal().variables == root.variables
        users = [user["UserName"] for user in root.client("iam").list_users()["Users"]]
        vpcs = root.client("ec2").describe_vpcs()["Vpcs"]
        assert sum(one["IsDefault"] for one in vpcs) == 1
        there = f"jo-{turn}" in users
        assert (vpc in [one["VpcId"] for one in vpcs]) == there
        # What it did not do, it has left no record of.
        done = sagegate("explain", ids_of(made), "--data", str(server.data))
        assert (done.returncode == 0) == there
        if not there:
            assert users == []
        assert reset(server).status_code == 200


def test_what_the_server_itself_refuses_can_be_explained(server):
    for request, code in (
        (b"GET / HTTP/1.1\r\n\r\n", "MalformedHttpRequest"),
        (b"NONSENSE\r\n\r\n", "MalformedHttpRequest"),
        (b"GET /_sagegate/reset?token=c2VjcmV0 HTTP/1.1\r\nhost: x\r\n\r\n", "UnknownOperation"),
        (
            b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n"
            b"content-length: 99999999\r\n\r\n",
            "RequestEntityTooLarge",
        ),
    ):
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(request)
            answer = b"".join(iter(lambda: connection.recv(4096), b"")).decode()
        found = re.search(r"x-amzn-requestid: (\S+)", answer, re.IGNORECASE)
        record = server.explain(found.group(1))
        assert (record["errorCode"], record["sourceIPAddress"]) == (code, "127.0.0.1")
        assert f"<Code>{code}</Code>" in answer
        assert "c2VjcmV0" not in json.dumps(record)
        assert f"failed ({code})" in server.command("explain", found.group(1))


# --listen


@pytest.mark.parametrize(
    ("listen", "named"),
    [("0.0.0.0", "127.0.0.1"), ("[::1]", "[::1]"), ("[::]", "[::1]")],
)
def test_listening_elsewhere(request, tmp_path, listen, named):
    if "::" in listen:
        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            pytest.skip("this machine has no IPv6")
    server = Server(tmp_path / "data", host=listen).start()
    request.addfinalizer(server.stop)
    root = server.principal()
    # What a wildcard is reached by on this machine, where that is named.
    url = f"http://{named}:{server.port}"
    assert root.variables["AWS_ENDPOINT_URL"] == url
    assert f"AWS_ENDPOINT_URL={url}\n" in (server.data / "root-credentials.env").read_text()
    for one in {url, *([f"http://127.0.0.1:{server.port}"] if listen != "[::1]" else [])}:
        assert root.client("sts", one).get_caller_identity()["Arn"] == ROOT
    ec2 = root.client("ec2", url)
    vpc = ec2.create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.8.1.0/24")["Subnet"]["SubnetId"]
    made = ec2.create_vpc_endpoint(
        VpcEndpointType="Interface",
        VpcId=vpc,
        SubnetIds=[subnet],
        ServiceName=f"com.amazonaws.{REGION}.sts",
        PrivateDnsEnabled=False,
    )["VpcEndpoint"]["VpcEndpointId"]
    (row,) = server.endpoints()
    if sys.platform == "linux":
        assert row["url"] == f"http://127.65.0.1:{server.port}"
    assert "closed" not in row
    answer = root.client("sts", row["url"]).get_caller_identity()
    assert server.explain(ids_of(answer))["vpcEndpointId"] == made
    # The public way stays the public one.
    answer = root.client("sts", url).get_caller_identity()
    assert "vpcEndpointId" not in server.explain(ids_of(answer))
    told = server.stop()
    assert ("can be reached by other machines" in told) == (listen in ("0.0.0.0", "[::]"))
