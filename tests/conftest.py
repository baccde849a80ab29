"""End-to-end tests: real clients against the built binary.

The binary comes in by the variable SAGEGATE (`cargo xtask test` sets it). Every server listens on a
port that the system chose, keeps its state in a directory of its own, and is stopped at the end.
"""

import json
import os
import pathlib
import re
import subprocess
import sys

import boto3
import botocore.config
import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
REGION = "us-west-2"
ACCOUNT = "123456789012"

CONFIG = botocore.config.Config(
    retries={"total_max_attempts": 1},
    connect_timeout=5,
    read_timeout=30,
    # A proxy of the machine must not come between a test and loopback.
    proxies={},
)


def shared():
    """The material beside the checkout: seed policies and decided cases."""
    place = os.environ.get("SAGEGATE_SHARED")
    return pathlib.Path(place) if place else REPOSITORY.parent / "shared"


class Principal:
    """Credentials of a principal, and clients with them."""

    def __init__(self, server, variables):
        self.server = server
        self.variables = variables

    def client(self, service, endpoint_url=None, **options):
        """A boto3 client; `options` are members of botocore's Config."""
        config = CONFIG.merge(botocore.config.Config(**options))
        return boto3.session.Session(
            aws_access_key_id=self.variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.variables["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=self.variables.get("AWS_SESSION_TOKEN"),
            region_name=REGION,
        ).client(service, endpoint_url=endpoint_url or self.server.url, config=config)

    def aws(self, *arguments, endpoint_url=None):
        """Runs the aws CLI; the finished process."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.server.data),
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_PAGER": "",
            **self.variables,
        }
        if endpoint_url:
            environment["AWS_ENDPOINT_URL"] = endpoint_url
        command = [sys.executable, "-m", "awscli", *arguments]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120
        )


class Server:
    """A running `sagegate serve`; with state in memory only, if `data` is None."""

    def __init__(self, data, *flags, host="127.0.0.1"):
        self.binary = os.environ["SAGEGATE"]
        self.data = data and pathlib.Path(data)
        self.flags = flags if data else ("--memory", *flags)
        self.host = host
        self.process = None
        self.port = 0

    def start(self):
        command = [self.binary, "serve"]
        if "--memory" not in self.flags:
            command += ["--data", str(self.data)]
        # A server that is started again keeps its port, as its endpoints' URLs name it.
        command += ["--listen", f"{self.host}:{self.port}", *self.flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        first = self.process.stdout.readline()
        found = re.search(rf"serves (http://{re.escape(self.host)}:(\d+))", first)
        assert found, f"the server did not start: {first!r}"
        self.url, self.port = found.group(1), int(found.group(2))
        self.banner = [first]
        for line in self.process.stdout:
            self.banner.append(line)
            if line.startswith("  commands  "):
                # Beside the socket of a server without a data directory is all that it has.
                self.data = pathlib.Path(line.split(maxsplit=1)[1].strip()).parent
                return self
        raise AssertionError("the banner does not say where commands go")

    def stop(self):
        """Stops the server; the rest of what it printed."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=30)
            return self.process.stdout.read()

    def kill(self):
        self.process.kill()
        self.process.wait(timeout=30)

    def command(self, *arguments):
        """Runs a command beside the server; its output."""
        command = [self.binary, *arguments, "--data", str(self.data)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"
        return done.stdout

    def principal(self, name=None):
        """The credentials that `sagegate env` prints; of root without a name."""
        arguments = ["--as", name] if name else []
        lines = self.command("env", *arguments).splitlines()
        pairs = (line.removeprefix("export ").split("=", 1) for line in lines)
        return Principal(self, {pair[0]: pair[1].strip("'") for pair in pairs if len(pair) == 2})

    def endpoints(self):
        return json.loads(self.command("endpoints", "--json"))

    def explain(self, request_id):
        return json.loads(self.command("explain", request_id, "--json"))


@pytest.fixture
def server(tmp_path):
    running = Server(tmp_path / "data").start()
    yield running
    running.stop()


@pytest.fixture
def root(server):
    return server.principal()


@pytest.fixture(scope="module")
def module_server(tmp_path_factory):
    """One server for the tests of a module that do not disturb each other."""
    running = Server(tmp_path_factory.mktemp("server") / "data").start()
    yield running
    running.stop()
