"""A server whose disk is full: writes fail with an error, reads go on, and nothing is lost."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess

import botocore.exceptions
import pytest

from conftest import Server

#: Large enough for a fresh data directory, and small enough to be filled at once.
SIZE = "48m"


class Confined(Server):
    """A server with its state on a small disk of its own, in a mount namespace that ends with it."""

    def start(self):
        place = self.data
        script = f'mount -t tmpfs -o size={SIZE} tmpfs "$1" && shift && exec "$@"'
        namespace = ["unshare", *ROOT, "--mount", "--", "sh", "-c", script, "sh", str(place)]
        server = pathlib.Path(self.binary)
        self.binary = place.parent / "confined"
        words = " ".join(f"'{it}'" for it in (*namespace, server))
        self.binary.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        self.binary.chmod(0o755)
        super().start()
        self.binary = server
        # As seen from here.
        self.data = pathlib.Path(f"/proc/{self.process.pid}/root{place}")
        return self


#: How this user comes to be root in a namespace.
ROOT = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]


@pytest.fixture
def server(tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    probe = ["unshare", *ROOT, "--mount", "--", "mount", "-t", "tmpfs", "tmpfs", str(place)]
    if not shutil.which("unshare") or subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    running = Confined(place).start()
    yield running
    running.stop()


@contextlib.contextmanager
def full(server):
    """Nothing more can be written in this block."""
    filler = server.data / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    try:
        yield
    finally:
        filler.unlink()


def test_a_full_disk_fails_writes_and_nothing_else(server):
    root = server.principal()
    iam, ec2 = root.client("iam"), root.client("ec2")
    written = ["before"]
    make(iam, "before")
    vpcs = ec2.describe_vpcs()["Vpcs"]
    with full(server):
        refused = None
        # What is free within the store's file may take some more.
        while not refused:
            name = f"policy-{len(written)}"
            try:
                make(iam, name)
                written.append(name)
            except botocore.exceptions.ClientError as error:
                refused = error.response
        assert refused["Error"]["Code"] == "InternalFailure", refused
        assert refused["ResponseMetadata"]["HTTPStatusCode"] == 500
        assert names(iam) == sorted(written)
        assert ec2.describe_vpcs()["Vpcs"] == vpcs
        assert root.client("sts").get_caller_identity()["Arn"].endswith(":root")
    # There is room again.
    make(iam, "after")
    assert names(iam) == sorted([*written, "after"])


def make(iam, name):
    """Writes a few kilobytes."""
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": f"arn:aws:s3:::{'x' * 5000}"}
    document = json.dumps({"Version": "2012-10-17", "Statement": statement})
    iam.create_policy(PolicyName=name, PolicyDocument=document)


def names(iam):
    pages = iam.get_paginator("list_policies").paginate(Scope="Local")
    return sorted(it["PolicyName"] for page in pages for it in page["Policies"])
