"""Addresses that another process holds are never named to a client."""

import socket
import sys

import botocore.exceptions
import pytest

import steps
import studio
from conftest import Server

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="needs the whole loopback network"
)


def hold(address, port):
    """Another process's listener."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind((address, port))
    held.listen()
    return held


def address_of(url):
    return url.removeprefix("http://").rsplit(":", 1)[0]


def write(root):
    """A write after which addresses are tried again."""
    root.client("ec2").create_vpc(CidrBlock="10.99.0.0/16")


def test_a_domain_whose_address_is_taken_fails_until_it_is_free(server, root):
    held = hold("127.66.0.1", server.port)
    sagemaker = root.client("sagemaker")
    domain = studio.domain(root, "one")
    shown = sagemaker.describe_domain(DomainId=domain)
    assert shown["Status"] == "Failed"
    assert f"cannot listen on 127.66.0.1:{server.port}" in shown["FailureReason"]
    assert "Url" not in shown
    assert "Url" not in sagemaker.list_domains()["Domains"][0]

    held.close()
    write(root)
    shown = sagemaker.describe_domain(DomainId=domain)
    assert (shown["Status"], shown.get("FailureReason")) == ("InService", None)
    assert shown["Url"] == f"http://127.66.0.1:{server.port}"


def test_what_a_start_cannot_bind_is_not_named(tmp_path):
    server = Server(tmp_path / "data").start()
    saved = steps.apply(server.principal(), "studio-vpc")
    root = server.principal()
    inside = {row["url"] for row in server.endpoints() if row["id"] == saved["studio_endpoint"]}
    door = root.client("sagemaker").describe_domain(DomainId=saved["domain"])["Url"]
    server.stop()
    held = [hold(address_of(url), server.port) for url in (*inside, door)]
    server.start()
    try:
        root = server.principal()
        for row in server.endpoints():
            if row["url"] in inside:
                assert f"cannot listen on {address_of(row['url'])}" in row["closed"]
            else:
                assert "closed" not in row
        assert "closed: cannot listen on" in server.command("endpoints")
        (shown,) = root.client("ec2").describe_vpc_endpoints(
            VpcEndpointIds=[saved["studio_endpoint"]]
        )["VpcEndpoints"]
        assert shown["State"] == "failed"
        assert "cannot listen on" in shown["LastError"]["Message"]

        ways = [None] + [
            row["url"] for row in server.endpoints() if row["id"] == saved["api_endpoint"]
        ]
        call = {"DomainId": saved["domain"], "UserProfileName": "alice"}
        for way in ways:
            with pytest.raises(botocore.exceptions.ClientError) as caught:
                root.client("sagemaker", way).create_presigned_domain_url(**call)
            error = caught.value.response["Error"]
            assert error["Code"] == "ServiceUnavailable"
            assert f"cannot listen on {address_of(door)}" in error["Message"]

        # The VPC's own door is back, the public one is not.
        for one in held[:-1]:
            one.close()
        write(root)
        made = root.client("sagemaker", ways[1]).create_presigned_domain_url(**call)
        assert made["AuthorizedUrl"].split("/auth")[0] in inside
        with pytest.raises(botocore.exceptions.ClientError):
            root.client("sagemaker").create_presigned_domain_url(**call)
        held[-1].close()
        write(root)
        made = root.client("sagemaker").create_presigned_domain_url(**call)
        assert made["AuthorizedUrl"].startswith(f"{door}/auth?token=")
        assert not any("closed" in row for row in server.endpoints())
    finally:
        server.stop()


def test_a_listener_of_any_loopback_address_serves(tmp_path):
    server = Server(tmp_path / "data", host="127.0.0.2").start()
    try:
        assert server.url.startswith("http://127.0.0.2:")
        assert server.principal().client("sts").get_caller_identity()["Account"]
    finally:
        server.stop()
