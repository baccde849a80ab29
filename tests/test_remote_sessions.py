"""Connections to spaces: with Sagegate's own client, counted, cut, across restarts, and written down."""

import json
import os
import re
import signal

import pytest

from remote import Client, Line, Site, until
from studio import allow, close

#: Connections that a space can have at one time.
LIMIT = 10


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    # As under nohup: an ignored signal is inherited.
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    site = Site(tmp_path_factory.mktemp("sessions"))
    signal.signal(signal.SIGHUP, before)
    site.make("my-space")
    site.run("my-space")
    yield site
    close(site.server)


@pytest.fixture
def client(site, request):
    """A machine whose ssh goes by `sagegate connect`."""
    client = Client(site, request.node.name, site.root)
    client.add(client.entry("my-space", f"'{site.server.binary}' connect '%h'"))
    yield client
    until(lambda: site.sessions() == [])


def test_connect_is_a_proxy_command(client):
    assert client.said("my-space", "echo hello") == "hello\n"
    assert client.ssh("my-space", "exit 7").returncode == 7
    data = os.urandom(4 * 1024 * 1024)
    assert client.ssh("my-space", "cat", input=data).stdout == data
    with client.inside("my-space"):
        told = client.run(client.site.server.binary, "connect", "--status")
        assert told.returncode == 0, told.stderr
        line = told.stdout.decode()
        assert line.startswith(client.site.arn("my-space")) and "round trip" in line


def test_programs_in_a_space_ignore_no_signals(client):
    status = client.said("my-space", "cat /proc/self/status")
    ignored = int(re.search(r"^SigIgn:\t(\w+)$", status, re.M).group(1), 16)
    # Those above are real-time signals, of which C libraries keep some to themselves.
    assert ignored & 0x7FFF_FFFF == 0, status


def test_connect_goes_on_where_its_connection_was_cut(site, client):
    connect = f"'{site.server.binary}' connect"
    # More than all buffers on the way hold, so that each cut is in the middle of it.
    data = os.urandom(16 * 1024 * 1024)
    # Too long for a socket: the connections are asked elsewhere then.
    for name in ("XDG_RUNTIME_DIR", "TMPDIR"):
        client.environment[name] = str(client.home / (20 * "long"))
    with Line(site.server) as line:
        client.add(client.entry("my-space", f"{connect} --endpoint-url {line.url} '%h'", host="cut"))
        line.cuts = [1_000_000, 9_000_000, 17_000_000, 30_000_000]
        done = client.ssh("cut", "cat", input=data)
        assert done.returncode == 0, done.stderr
        assert done.stdout == data and line.cuts == []
        # Also when nothing is on its way.
        with client.inside("cut") as process:
            for number, word in enumerate((b"one\n", b"two\n"), 1):
                line.cut()
                process.stdin.write(word)
                process.stdin.flush()
                assert process.stdout.readline() == word
                told = client.run(site.server.binary, "connect", "--status")
                assert f"resumed {number} times" in told.stdout.decode(), told


def test_connect_takes_a_profile_and_tells_what_is_refused(site, client):
    client.variables = {}
    client.profile("scientist", site.user("connects", allow("sagemaker:StartSession")))
    client.profile("stranger", site.user("looks", allow("sagemaker:ListSpaces")))
    for profile in ("scientist", "stranger"):
        command = f"'{site.server.binary}' connect --profile {profile} '%h'"
        client.add(client.entry("my-space", command, host=f"by-{profile}"))
    assert client.said("by-scientist", "echo in") == "in\n"
    refused = client.ssh("by-stranger", "echo in")
    assert refused.returncode == 255
    assert b"is not authorized to perform: sagemaker:StartSession" in refused.stderr


def test_ssh_config_writes_entries_that_ssh_uses(site, client):
    site.make("closed", remote="DISABLED")
    written = client.run(site.server.binary, "ssh-config")
    assert written.returncode == 0, written.stderr
    text = written.stdout.decode()
    assert "Host my-space\n" in text and "closed" not in text
    client.config.write_text(f"{text}  UserKnownHostsFile {client.known_hosts}\n")
    assert client.said("my-space", "echo hello") == "hello\n"
    # In place of what was written before.
    for _ in range(2):
        done = client.run(site.server.binary, "ssh-config", "--write", client.home / "file")
        assert done.returncode == 0, done.stderr
    assert (client.home / "file").read_text().count("Host my-space\n") == 1


def test_a_session_is_listed_and_cut_by_the_operator(site, client):
    with client.inside("my-space") as process:
        [session] = site.sessions()
        assert session["space"] == site.arn("my-space") and session["state"] == "open"
        assert session["principal"].endswith(":root") and session["source"] == "127.0.0.1"
        assert session["id"] in site.server.command("sessions")
        until(lambda: site.sessions()[0]["bytesToClient"] > 0)
        site.server.command("sessions", "end", session["id"])
        assert process.wait(timeout=60) == 255
        assert b"operator has ended the session" in process.stderr.read()
    assert site.sessions() == []


@pytest.mark.parametrize("how", ["DISABLED", "DeleteApp"])
def test_a_session_ends_with_what_let_it_in(site, client, how):
    space = {"DomainId": site.domain, "SpaceName": "my-space"}
    with client.inside("my-space") as process:
        if how == "DISABLED":
            site.sagemaker.update_space(**space, SpaceSettings={"RemoteAccess": how})
        else:
            site.stop("my-space")
        assert process.wait(timeout=60) == 255
    if how == "DISABLED":
        refused = client.ssh("my-space", "true")
        assert b"Remote access is not enabled" in refused.stderr
        site.sagemaker.update_space(**space, SpaceSettings={"RemoteAccess": "ENABLED"})
        site.stop("my-space")
    site.run("my-space")
    assert client.said("my-space", "echo again") == "again\n"


def test_the_eleventh_connection_is_refused(site, client):
    documented = Client(site, "eleventh", site.root, ["my-space"])
    held = []
    try:
        for _ in range(LIMIT):
            connection = client.inside("my-space")
            connection.__enter__()
            held.append(connection)
        assert [it["state"] for it in site.sessions()] == ["open"] * LIMIT
        for machine in (client, documented):
            refused = machine.ssh("my-space", "true")
            assert refused.returncode == 255
            assert b"ResourceLimitExceeded" in refused.stderr, refused.stderr
            text = (
                "Space [my-space] has 10 remote connections, which is as many as a space can have. "
                "Close one of them and try again."
            )
            assert text in " ".join(refused.stderr.decode().split()), refused.stderr
        held.pop().__exit__(None, None, None)
        until(lambda: len(site.sessions()) < LIMIT)
        assert documented.said("my-space", "echo tenth") == "tenth\n"
    finally:
        for connection in held:
            connection.__exit__(None, None, None)


def test_a_space_outlives_a_server_that_is_killed(site, client):
    # What is told apart from a start by its number: the first process of the app's start.
    mark = "cat /proc/sys/kernel/random/boot_id /proc/1/stat | cut -d ' ' -f 22"
    before = client.said("my-space", f"echo here > /tmp/mark; {mark}")
    with client.inside("my-space") as process:
        site.server.kill()
        site.server.start()
        assert process.wait(timeout=120) == 255
    assert site.app_status("my-space") == "InService"
    assert client.said("my-space", f"cat /tmp/mark; {mark}") == "here\n" + before
    documented = Client(site, "after", site.root, ["my-space"])
    assert documented.said("my-space", "cat /tmp/mark") == "here\n"


def test_a_server_that_is_stopped_ends_its_sessions_and_leaves_the_space(site, client):
    client.said("my-space", "echo here > /tmp/stopped")
    with client.inside("my-space") as process:
        site.server.process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 255
        site.server.stop()
    site.server.start()
    assert client.said("my-space", "cat /tmp/stopped") == "here\n"


def test_who_was_connected_is_written_down(site, client):
    visitor = site.user("visitor", allow("sagemaker:StartSession"))
    started = visitor.client("sagemaker").start_session(ResourceIdentifier=site.arn("my-space"))
    client.add(client.entry("my-space", client.by_session(started), host="visited"))
    data = b"x" * 100_000
    with client.inside("visited") as process:
        opened = newest(site, "OpenDataChannel")
        process.stdin.write(data)
        process.stdin.flush()
        assert process.stdout.read(len(data)) == data
    closed = newest(site, "CloseDataChannel")

    record = site.server.explain(started["ResponseMetadata"]["RequestId"])
    arn = visitor.client("sts").get_caller_identity()["Arn"]
    for written in (record, opened, closed):
        assert written["userIdentity"]["arn"] == arn
        assert written["sourceIPAddress"] == "127.0.0.1"
        assert written["requestParameters"]["resourceIdentifier"] == site.arn("my-space")
        # Not even a token that is used up.
        assert started["TokenValue"] not in json.dumps(written)
    for written in (opened, closed):
        assert written["requestParameters"]["sessionId"] == started["SessionId"]
    carried = closed["responseElements"]
    assert carried["reason"] and carried["bytesFromClient"] > len(data)
    assert carried["bytesToClient"] > len(data)
    # The end tells of the beginning too.
    assert carried["openedAt"] <= opened["eventTime"] and carried["milliseconds"] >= 0
    told = site.server.command("explain", closed["requestID"])
    for row in (
        f"caller    {arn}",
        "from      127.0.0.1",
        f"opened    {carried['openedAt']}",
        f"lasted    {carried['milliseconds'] / 1000:.3f} s",
        f"ended     {carried['reason']}",
    ):
        assert f"{row}\n" in told, told
    assert f"  {started['SessionId']}\n" in told and site.arn("my-space") in told
    assert f"{carried['bytesFromClient']} bytes from the client" in told


def test_an_unused_token_is_worth_nothing_once_start_session_is_withdrawn(site, client):
    leaver = site.user("leaver", allow("sagemaker:StartSession")).client("sagemaker")
    for host in ("open", "unused"):
        started = leaver.start_session(ResourceIdentifier=site.arn("my-space"))
        client.add(client.entry("my-space", client.by_session(started), host=f"leaver-{host}"))
    with client.inside("leaver-open") as process:
        site.iam.delete_user_policy(UserName="leaver", PolicyName="own")
        refused = client.ssh("leaver-unused", "true")
        assert refused.returncode == 255
        assert b"not allowed sagemaker:StartSession any more" in refused.stderr, refused.stderr
        # What is open goes on, until somebody cuts it.
        process.stdin.write(b"still here\n")
        process.stdin.flush()
        assert process.stdout.read(11) == b"still here\n"
        record = newest(site, "OpenDataChannel")
        assert record["errorCode"] == "AccessDeniedException"
        assert record["sagegate"]["decision"] == "denied"
        assert "sagemaker:StartSession" in record["errorMessage"]
        [session] = site.sessions()
        site.server.command("sessions", "end", session["id"])
        assert process.wait(timeout=60) == 255


def newest(site, event):
    """The newest record, once it is of this event."""

    def look():
        record = json.loads(site.server.command("explain", "--last", "--json"))
        return record if record["eventName"] == event else None

    return until(look)
