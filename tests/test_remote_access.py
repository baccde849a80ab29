"""A space is entered from outside by the documented script, with OpenSSH and the aws CLI."""

import contextlib
import fcntl
import hashlib
import http.client
import json
import os
import pathlib
import pty
import select
import shlex
import socket
import struct
import subprocess
import termios

import pytest

from remote import Client, Site, until
from studio import close

#: Large enough that both windows of flow control have to move.
MUCH = 8 * 1024 * 1024


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("remote"))
    yield site
    close(site.server)


@pytest.fixture(scope="module")
def client(site):
    """A machine that is set up for a space whose app runs."""
    site.make("my-space")
    site.run("my-space")
    return Client(site, "ann", site.root, ["my-space"])


def test_a_command_runs_as_the_user_of_the_space(client):
    assert client.said("my-space", "echo hello") == "hello\n"
    facts = client.said("my-space", 'id -un; echo "$USER $LOGNAME $HOME $PWD"').splitlines()
    home = "/home/sagemaker-user"
    assert facts == ["sagemaker-user", f"sagemaker-user sagemaker-user {home} {home}"]
    # Whoever the client says that it is.
    assert client.said("somebody.else@my-space", "id -un") == "sagemaker-user\n"


@pytest.mark.parametrize("code", [0, 7, 255])
def test_exit_codes_come_back(client, code):
    done = client.ssh("my-space", f"echo out; echo err >&2; exit {code}")
    assert done.returncode == code
    assert done.stdout == b"out\n" and done.stderr.endswith(b"err\n")


def test_a_signal_comes_back_as_a_failure(client):
    assert client.ssh("my-space", "kill -TERM $$").returncode != 0


def test_files_are_those_that_jupyterlab_sees(client):
    client.said("my-space", "cat > from-ssh.txt", input=b"written over ssh")
    with forwarded(client, 8888) as local:
        found = get(local, "/jupyterlab/default/api/contents/from-ssh.txt")
        assert found["content"] == "written over ssh"


@contextlib.contextmanager
def forwarded(client, inside):
    """A socket of this machine that leads to a port in the space."""
    local = client.home / f"to-{inside}"
    with client.inside(
        "my-space", "-oExitOnForwardFailure=yes", "-L", f"{local}:127.0.0.1:{inside}"
    ):
        yield local
    local.unlink()


def get(path, url):
    """A GET over a socket of this machine."""
    connection = http.client.HTTPConnection("127.0.0.1", timeout=60)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str(path))
    with contextlib.closing(connection):
        connection.request("GET", url)
        answer = connection.getresponse()
        assert answer.status == 200
        return json.load(answer)


def test_scp_both_ways(client, tmp_path):
    data = os.urandom(300_000)
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(data)
    for words in ([there, "my-space:/tmp/copied"], ["my-space:/tmp/copied", back]):
        done = client.run("scp", "-F", client.config, *words)
        assert done.returncode == 0, done.stderr
    assert back.read_bytes() == data


def test_sftp_in_a_batch(client, tmp_path):
    (tmp_path / "local").write_text("by sftp")
    batch = "\n".join(
        [
            "mkdir sub",
            f"put {tmp_path}/local sub/file",
            "rename sub/file sub/renamed",
            "chmod 600 sub/renamed",
            "ls -l sub",
            f"get sub/renamed {tmp_path}/got",
            "rm sub/renamed",
            "rmdir sub",
            "pwd",
        ]
    )
    done = client.run("sftp", "-F", client.config, "-b", "-", "my-space", input=batch.encode())
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "got").read_text() == "by sftp"
    assert b"-rw-------" in done.stdout and b"/home/sagemaker-user\n" in done.stdout


def test_a_port_of_this_machine_is_reached_from_the_space(client):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(60)
        local = listener.getsockname()[1]
        source = (
            "import socket; s = socket.create_connection(('127.0.0.1', 7007));"
            "s.sendall(b'from the space'); print(s.recv(64).decode())"
        )
        with client.background(
            "-oExitOnForwardFailure=yes",
            *("-R", f"127.0.0.1:7007:127.0.0.1:{local}"),
            "my-space",
            f'python3 -c "{source}"',
        ) as process:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(60)
                assert connection.recv(64) == b"from the space"
                connection.sendall(b"from the machine")
            assert process.stdout.readline() == b"from the machine\n"


def test_the_keys_of_the_agent_can_be_used_in_the_space(client, tmp_path):
    agent = tmp_path / "agent"
    process = subprocess.Popen(
        ["ssh-agent", "-D", "-a", str(agent)], stdout=subprocess.DEVNULL, env=client.env()
    )
    try:
        until(agent.exists)
        key = tmp_path / "key"
        made = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "mine", "-f", str(key)]
        subprocess.run(made, check=True)
        env = {"SSH_AUTH_SOCK": str(agent)}
        assert client.run("ssh-add", key, env=env).returncode == 0
        public = pathlib.Path(f"{key}.pub").read_text()
        assert client.said("my-space", "ssh-add -L", env=env) == public
        assert client.ssh("-oForwardAgent=no", "my-space", "ssh-add -L", env=env).returncode != 0
    finally:
        process.terminate()
        process.wait(timeout=30)


def test_much_arrives_as_it_was_sent(client):
    data = os.urandom(MUCH)
    digest = hashlib.sha256(data).hexdigest()
    assert client.said("my-space", "tee much | sha256sum", input=data).split()[0] == digest
    back = client.ssh("my-space", "cat much; rm much")
    assert hashlib.sha256(back.stdout).hexdigest() == digest


@contextlib.contextmanager
def terminal(client, *command):
    """ssh at a terminal of 24 rows and 80 columns: the terminal's other side, and the process."""
    main, end = pty.openpty()
    resize(main, 24, 80)
    process = subprocess.Popen(
        ["ssh", "-F", str(client.config), "-tt", "my-space", *command],
        env=client.env(TERM="xterm", LANG="C.UTF-8"),
        stdin=end,
        stdout=end,
        stderr=end,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(end)
    try:
        yield main, process
    finally:
        process.kill()
        process.wait(timeout=30)
        os.close(main)


def resize(descriptor, rows, columns):
    fcntl.ioctl(descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def test_an_interactive_terminal(client):
    with terminal(client) as (main, process):
        # What is printed differs from what is typed, since the terminal echoes it.
        os.write(main, b"tty; echo $((6 * 7))-is-it\n")
        assert b"/dev/pts/" in read_until(main, b"42-is-it")
        os.write(main, b"sh -c 'echo re\"\"ady; exec sleep 600'\n")
        read_until(main, b"ready")
        os.write(main, b"\x03echo interr''upted $?\n")
        read_until(main, b"interrupted 130")
        # A break goes to the terminal as with any server, and nothing else comes of it.
        os.write(main, b"\r~B\recho $((40 + 2))-again; exit 3\n")
        read_until(main, b"42-again")
        assert process.wait(timeout=60) == 3


#: Tells the terminal's size whenever it is told that it has changed.
SIZES = r"""
import os, signal
# Not by print: a signal may come while it is at work, and it does not take a second call.
tell = lambda *_: os.write(1, b"%d %d now\n" % tuple(os.get_terminal_size(0)))
signal.signal(signal.SIGWINCH, tell)
tell()
while True:
    signal.pause()
"""


def test_the_size_of_the_window_is_followed(client):
    with terminal(client, "exec python3 -c " + shlex.quote(SIZES)) as (main, _):
        read_until(main, b"80 24 now")
        for rows, columns in ((50, 132), (7, 33)):
            resize(main, rows, columns)
            read_until(main, b"%d %d now" % (columns, rows))


def test_a_command_learns_that_nobody_reads_its_output_any_more(client):
    """As `ssh my-space yes | head -1` at a terminal, where ssh's own input stays open."""
    with client.background("my-space", "yes; echo $? > ended") as process:
        assert process.stdout.read(2) == b"y\n"
        process.stdout.close()
        assert process.wait(timeout=60) == 0
    assert client.said("my-space", "cat ended") == "141\n"


def read_until(descriptor, wanted):
    seen = b""
    while wanted not in seen:
        assert select.select([descriptor], [], [], 60)[0], seen
        seen += os.read(descriptor, 4096)
    return seen


def test_the_host_key_outlives_the_app(site, client):
    client.said("my-space", "true")
    known = client.known_hosts.read_text()
    assert len(known.splitlines()) == 1
    client.said("my-space", "echo kept > kept.txt; echo lost > /tmp/lost.txt")
    site.stop("my-space")
    refused = client.ssh("my-space", "true")
    assert refused.returncode == 255
    assert b"has no running app that can be connected to" in refused.stderr
    site.run("my-space")
    # A changed key would be refused.
    assert client.said("my-space", "cat kept.txt; test -e /tmp/lost.txt || echo gone") == (
        "kept\ngone\n"
    )
    assert client.known_hosts.read_text() == known


def test_what_is_refused_is_told_by_the_cli(site, client):
    site.make("closed", remote="DISABLED")
    client.add(client.entry("closed"))
    client.add(client.entry("absent"))
    refused = client.ssh("closed", "true")
    assert refused.returncode == 255
    assert b"Remote access is not enabled for Space [closed]" in refused.stderr
    refused = client.ssh("absent", "true")
    assert refused.returncode == 255 and b"ResourceNotFound" in refused.stderr
    client.add(client.entry("no-arn").replace("space/", "app/"))
    assert b"this is not the ARN of a space" in client.ssh("no-arn", "true").stderr
