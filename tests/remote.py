"""The way into spaces from outside, with the clients that people have: OpenSSH, the aws CLI, and a
stand-in for the Session Manager plugin (SAGEGATE_TEST_PLUGIN)."""

import contextlib
import itertools
import json
import os
import pathlib
import shlex
import socket
import stat
import subprocess
import sys
import threading
import time
import urllib.parse

import requests

from conftest import ACCOUNT, REGION, Principal, shared
from studio import Studio, allow

#: For what takes a while on a machine that is busy with other things.
PATIENCE = 90
#: For names that are there once.
NUMBERS = itertools.count()

#: What administrators hand out, after the steps that AWS documents: check the ARN, start a session, give
#: its three values to the plugin.
CONNECT = r"""#!/bin/bash
set -euo pipefail
space=${1:?the ARN of a space} profile=${2:-}
form='^arn:aws[-a-z]*:sagemaker:([a-z0-9-]+):[0-9]{12}:space/[^/]+/[^/]+$'
if ! [[ $space =~ $form ]]; then
  echo "this is not the ARN of a space: $space" >&2
  exit 1
fi
region=${BASH_REMATCH[1]}
answer=$(aws sagemaker start-session --resource-identifier "$space" --region "$region" \
  ${profile:+--profile "$profile"})
value() { grep -o "\"$1\": \"[^\"]*\"" <<<"$answer" | cut -d '"' -f 4; }
session="{\"streamUrl\":\"$(value StreamUrl)\",\"tokenValue\":\"$(value TokenValue)\""
session+=",\"sessionId\":\"$(value SessionId)\"}"
exec session-manager-plugin "$session" "$region" StartSession
"""


def seed(name):
    return (shared() / "seed-policies" / f"000-remote-access-{name}.json").read_text()


def until(look, seconds=PATIENCE):
    """Looks until something is seen; what it is."""
    end = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < end, f"not seen: {look}"
        time.sleep(0.1)
    return seen


class Site(Studio):
    """A server with a domain, the profiles ann and ben, their spaces, and ways into those."""

    def __init__(self, place):
        super().__init__(place / "data")
        self.place = place

    def arn(self, space):
        return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:space/{self.domain}/{space}"

    def make(self, space, owner="ann", remote="ENABLED", sharing="Private", **more):
        self.sagemaker.create_space(
            DomainId=self.domain,
            SpaceName=space,
            SpaceSettings={"AppType": "JupyterLab", "RemoteAccess": remote},
            OwnershipSettings={"OwnerUserProfileName": owner},
            SpaceSharingSettings={"SharingType": sharing},
            **more,
        )
        until(lambda: self.status(space) == "InService")

    def status(self, space):
        return self.sagemaker.describe_space(DomainId=self.domain, SpaceName=space)["Status"]

    def app_of(self, space):
        return {
            "DomainId": self.domain,
            "SpaceName": space,
            "AppType": "JupyterLab",
            "AppName": "default",
        }

    def begin(self, space, client=None):
        """Starts the app of a space, without waiting for it."""
        (client or self.sagemaker).create_app(
            **self.app_of(space), ResourceSpec={"InstanceType": "ml.t3.large"}
        )

    def running(self, space, client=None):
        """Waits until the app of a space serves."""

        def serves():
            app = (client or self.sagemaker).describe_app(**self.app_of(space))
            assert app["Status"] in ("Pending", "InService"), app
            return app["Status"] == "InService"

        until(serves)

    def run(self, *spaces):
        for space in spaces:
            self.begin(space)
        for space in spaces:
            self.running(space)

    def stop(self, space):
        self.sagemaker.delete_app(**self.app_of(space))
        until(lambda: self.app_status(space) == "Deleted")

    def app_status(self, space):
        return self.sagemaker.describe_app(**self.app_of(space))["Status"]

    def sessions(self):
        return json.loads(self.server.command("sessions", "--json"))


class Client:
    """Somebody's machine: a home, the programs, and a configuration of ssh."""

    def __init__(self, site, name, principal, spaces=()):
        self.site = site
        self.home = site.place / f"machine-{name}"
        self.bin = self.home / "bin"
        self.bin.mkdir(parents=True)
        self.known_hosts = self.home / "known_hosts"
        program(self.bin / "aws", f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m awscli "$@"\n')
        (self.bin / "session-manager-plugin").symlink_to(os.environ["SAGEGATE_TEST_PLUGIN"])
        self.script = self.home / "sagemaker_connect.sh"
        program(self.script, CONNECT)
        # Not the environment, so that a profile can be named instead.
        aws = self.home / ".aws"
        aws.mkdir()
        (aws / "config").write_text("")
        self.environment = {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "TMPDIR": str(self.home),
            "XDG_RUNTIME_DIR": str(self.home),
            "AWS_CONFIG_FILE": str(aws / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(aws / "credentials"),
            "AWS_MAX_ATTEMPTS": "1",
            "AWS_PAGER": "",
            "SHELL": "/bin/bash",
        }
        self.variables = principal.variables
        self.config = self.home / "ssh_config"
        self.config.write_text("".join(self.entry(space) for space in spaces))

    def entry(self, space, command=None, *more, host=None):
        """The entry of a space, as documented, but for where known hosts are kept."""
        command = command or f"'{self.script}' '%h'"
        lines = [
            f"Host {host or space}",
            f"HostName '{self.site.arn(space)}'",
            f"ProxyCommand {command}",
            "ForwardAgent yes",
            "AddKeysToAgent yes",
            "StrictHostKeyChecking accept-new",
            f"UserKnownHostsFile {self.known_hosts}",
            *more,
        ]
        return "\n  ".join(lines) + "\n"

    def add(self, text):
        with self.config.open("a") as config:
            config.write(text)

    def profile(self, name, principal):
        """A profile in the files of the aws CLI."""
        aws = self.home / ".aws"
        with (aws / "config").open("a") as config:
            config.write(
                f"[profile {name}]\nregion = {REGION}\nendpoint_url = {self.site.server.url}\n"
            )
        pairs = {
            "aws_access_key_id": principal.variables["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": principal.variables["AWS_SECRET_ACCESS_KEY"],
        }
        lines = "".join(f"{key} = {value}\n" for key, value in pairs.items())
        with (aws / "credentials").open("a") as credentials:
            credentials.write(f"[{name}]\n{lines}")

    def env(self, **more):
        return {**self.environment, **self.variables, **more}

    def run(self, *command, input=None, env=None, timeout=PATIENCE):
        return subprocess.run(
            [str(it) for it in command],
            **({"stdin": subprocess.DEVNULL} if input is None else {"input": input}),
            env=self.env(**(env or {})),
            capture_output=True,
            timeout=timeout,
        )

    def ssh(self, *arguments, **more):
        return self.run("ssh", "-F", self.config, *arguments, **more)

    def said(self, *arguments, **more):
        """What a command in a space prints; it must succeed."""
        done = self.ssh(*arguments, **more)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def python(self, host, source, *arguments):
        """Runs Python in a space; what it prints."""
        words = " ".join(shlex.quote(it) for it in ("python3", "-", *arguments))
        return self.said(host, words, input=source.encode())

    @contextlib.contextmanager
    def background(self, *arguments, program="ssh", **more):
        """A connection that stays, until the block ends."""
        process = subprocess.Popen(
            [program, "-F", str(self.config), *map(str, arguments)],
            env=self.env(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **more,
        )
        try:
            yield process
        finally:
            process.stdin.close()
            process.terminate()
            process.wait(timeout=30)
            process.stdout.close()
            process.stderr.close()

    @contextlib.contextmanager
    def inside(self, host, *arguments):
        """A connection with a command that has begun and waits for its input to end."""
        with self.background(*arguments, host, "echo begun; cat") as process:
            line = process.stdout.readline()
            assert line == b"begun\n", (line, process.stderr.read1())
            yield process

    def plugin(self, session, suffix="", **more):
        """Runs the plugin on an answer of StartSession."""
        answer = {
            "streamUrl": session["StreamUrl"] + suffix,
            "tokenValue": session["TokenValue"],
            "sessionId": session["SessionId"],
        }
        return self.run(
            self.bin / "session-manager-plugin", json.dumps(answer), REGION, "StartSession", **more
        )

    def by_session(self, session, suffix=""):
        """A ProxyCommand for one session that somebody else has started."""
        answer = {
            "streamUrl": session["StreamUrl"] + suffix,
            "tokenValue": session["TokenValue"],
            "sessionId": session["SessionId"],
        }
        words = [self.bin / "session-manager-plugin", json.dumps(answer), REGION, "StartSession"]
        place = pathlib.Path(self.home / f"by-{session['SessionId']}")
        program(place, "#!/bin/sh\nexec " + " ".join(shlex.quote(str(it)) for it in words) + "\n")
        return f"'{place}'"


class Line:
    """A way to a server through this process, where it is cut. Answers that name the server name the line
    instead, so that what begins on it stays on it."""

    def __init__(self, server):
        self.server = server
        #: At how many bytes carried, in both directions together, all connections are cut.
        self.cuts = []
        self.carried = 0
        self.held = []
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()
        for end in self.held:
            end.close()

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.server.port))
            with self.lock:
                self.held += [near, far]
            for ends in ((near, far, False), (far, near, True)):
                threading.Thread(target=self.carry, args=ends, daemon=True).start()

    def carry(self, source, to, answers):
        ours, its = b":%d/" % self.port, b":%d/" % self.server.port
        assert len(ours) == len(its), "an answer says how long it is"
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                # What follows a handshake is no answer of the API's.
                answers = answers and not data.startswith(b"HTTP/1.1 101 ")
                self.give(to, data.replace(its, ours) if answers else data)
            to.shutdown(socket.SHUT_WR)

    def give(self, to, data):
        """Carries data; where a cut is due, half of it, so that frames are torn."""
        with self.lock:
            self.carried += len(data)
            due = bool(self.cuts) and self.carried >= self.cuts[0]
            if due:
                self.cuts.pop(0)
        if due:
            to.sendall(data[: len(data) // 2])
            self.cut()
        else:
            to.sendall(data)

    def cut(self):
        """Cuts what is open; new connections are taken."""
        with self.lock:
            held = list(self.held)
        for end in held:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def program(path, text):
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


#: The credentials of the code in a space, got as AWS's clients get them.
CREDENTIALS = """
import os, urllib.request
request = urllib.request.Request(
    os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
    headers={"Authorization": os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]},
)
print(urllib.request.urlopen(request, timeout=60).read().decode())
"""


def inside(site, space):
    """The credentials that the code in a space has."""
    operator = Client(site, f"operator-{next(NUMBERS)}", site.root, [space])
    given = json.loads(operator.python(space, CREDENTIALS))
    return Principal(
        site.server,
        {
            "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
            "AWS_SESSION_TOKEN": given["Token"],
            "AWS_ENDPOINT_URL": site.server.url,
            "AWS_REGION": REGION,
        },
    )


def home(site, profile):
    """Studio's home as somebody's browser has it: its address, and the browser."""
    visitor = site.user(f"door-{profile}", allow("sagemaker:CreatePresignedDomainUrl"))
    url = visitor.client("sagemaker").create_presigned_domain_url(
        DomainId=site.domain, UserProfileName=profile
    )["AuthorizedUrl"]
    browser = requests.Session()
    browser.trust_env = False
    answer = browser.get(url, timeout=60)
    assert answer.status_code == 200
    return answer.url.split("#")[0], browser
