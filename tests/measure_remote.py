"""Figures of remote access, with real clients; for `cargo xtask bench` and `cargo xtask campaign`.

Not a test: nothing fails because a machine is slow. What arrives must be what was sent all the same."""

import argparse
import hashlib
import os
import pathlib
import shlex
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from remote import Client, Site
from studio import close

#: Bytes that a block of the campaign's stream has.
BLOCK = 1 << 20

#: Writes so many blocks, each another, and tells the digest of all on standard error.
WRITE = f"""
import hashlib, random, sys
random, digest = random.Random(7), hashlib.sha256()
base = bytearray(random.randbytes({BLOCK}))
for number in range(int(sys.argv[1])):
    base[:8] = number.to_bytes(8, "big")
    digest.update(base)
    sys.stdout.buffer.write(base)
sys.stdout.buffer.flush()
print(digest.hexdigest(), file=sys.stderr)
"""


def spread(seconds):
    """Median and 99th percentile, in milliseconds."""
    ordered = sorted(seconds)
    most = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
    return f"p50 {statistics.median(ordered) * 1000:.1f} ms  p99 {most * 1000:.1f} ms"


def first_byte(site, client, count):
    """From the start of the program that asks for a session to the first byte of SSH."""
    command = [site.server.binary, "connect", site.arn("my-space")]
    taken = []
    for _ in range(count):
        start = time.perf_counter()
        process = subprocess.Popen(
            command, env=client.env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        process.stdin.write(b"SSH-2.0-measure\r\n")
        process.stdin.flush()
        assert process.stdout.read(4) == b"SSH-"
        taken.append(time.perf_counter() - start)
        process.stdin.close()
        process.stdout.close()
        process.wait(timeout=60)
    print(f"connect to the first byte of SSH     {spread(taken)}, the program's start included")


def session_call(site, count):
    """What the API's part of that takes."""
    sagemaker = site.root.client("sagemaker")
    taken = []
    for _ in range(count):
        start = time.perf_counter()
        made = sagemaker.start_session(ResourceIdentifier=site.arn("my-space"))
        taken.append(time.perf_counter() - start)
        # It counts among the space's ten until its token is too old.
        site.server.command("sessions", "end", made["SessionId"])
    print(f"StartSession alone                   {spread(taken)}, boto3 included")


class Direct:
    """The same SSH server without Sagegate on the way, and the same client."""

    def __init__(self, client, place):
        self.peer = os.environ["SAGEGATE_SSH_PEER"]
        home = place / "direct"
        home.mkdir()
        # Names of sockets are short.
        self.place = tempfile.TemporaryDirectory(prefix="sg")
        path = pathlib.Path(self.place.name) / "ssh"
        self.server = subprocess.Popen(
            [self.peer, "serve", str(path), str(home)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert self.server.stdout.readline() == b"ready\n"
        words = f"{shlex.quote(self.peer)} connect {path}"
        # Its key is another.
        client.add(client.entry("my-space", words, "HostKeyAlias direct", host="direct"))

    def close(self):
        self.server.kill()
        self.server.wait()
        self.place.cleanup()


def rate(client, host, upload, megabytes):
    """MB/s of zeros through ssh."""
    count = megabytes * 1_000_000
    ssh = ["ssh", "-F", str(client.config), host]
    if upload:
        source = subprocess.Popen(["head", "-c", str(count), "/dev/zero"], stdout=subprocess.PIPE)
        words, given = [*ssh, "cat > /dev/null"], source.stdout
    else:
        words, given = [*ssh, f"head -c {count} /dev/zero"], subprocess.DEVNULL
    start = time.perf_counter()
    subprocess.run(
        words, env=client.env(), stdin=given, stdout=subprocess.DEVNULL, check=True, timeout=600
    )
    taken = time.perf_counter() - start
    if upload:
        source.stdout.close()
        source.wait()
    return megabytes / taken


def throughput(client, megabytes, rounds):
    for upload in (False, True):
        rates = {"direct": [], "my-space": []}
        # By turns, so that a busy moment of the machine is one of both.
        for _ in range(rounds):
            for host, seen in rates.items():
                seen.append(rate(client, host, upload, megabytes))
        plain, ours = (statistics.median(seen) for seen in rates.values())
        name = "upload" if upload else "download"
        print(
            f"{name:<8} through connect            {ours:.0f} MB/s, "
            f"{ours / plain * 100:.0f} % of ssh to the same server alone ({plain:.0f} MB/s)"
        )


def app_start(site, place, count):
    """JupyterLab as an app and by hand: how much longer the app takes until it serves."""
    program = pathlib.Path(os.environ["SAGEGATE_TEST_APPS"]) / "jupyterlab/bin/jupyter-lab"
    by_hand, as_app = [], []
    for number in range(count):
        home = place / f"by-hand-{number}"
        home.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        start = time.perf_counter()
        process = subprocess.Popen(
            [program, "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1",
             f"--ServerApp.port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token="],
            env={"HOME": str(home), "PATH": os.environ["PATH"]},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=60).read()
                break
            except (urllib.error.URLError, OSError):
                assert process.poll() is None, "JupyterLab has ended"
                time.sleep(0.01)
        by_hand.append(time.perf_counter() - start)
        process.terminate()
        process.wait(timeout=60)
        site.stop("my-space")
        start = time.perf_counter()
        site.begin("my-space")
        while (status := site.app_status("my-space")) != "InService":
            assert status == "Pending", status
            time.sleep(0.01)
        as_app.append(time.perf_counter() - start)
    hand, app = statistics.median(by_hand), statistics.median(as_app)
    print(
        f"JupyterLab as an app                 {app:.2f} s, by hand {hand:.2f} s: "
        f"{(app - hand) * 1000:.0f} ms more"
    )


def campaign(client, gigabytes):
    """So much each way, and equal digests."""
    blocks = max(1, round(gigabytes * 1_000_000_000 / BLOCK))
    script = client.home / "write.py"
    script.write_text(WRITE)
    client.said("my-space", "cat > write.py", input=WRITE.encode())
    ssh = ["ssh", "-F", str(client.config), "my-space"]

    start = time.perf_counter()
    source = subprocess.Popen(
        ["python3", str(script), str(blocks)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    sink = subprocess.Popen(
        [*ssh, "sha256sum"], env=client.env(), stdin=source.stdout, stdout=subprocess.PIPE
    )
    source.stdout.close()
    there = sink.communicate()[0].split()[0].decode()
    sent = source.communicate()[1].split()[-1].decode()
    report("up", blocks, start, sent, there)

    start = time.perf_counter()
    source = subprocess.Popen(
        [*ssh, f"python3 write.py {blocks}"],
        env=client.env(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    digest = hashlib.sha256()
    while piece := source.stdout.read(BLOCK):
        digest.update(piece)
    sent = source.communicate()[1].split()[-1].decode()
    report("down", blocks, start, sent, digest.hexdigest())


def report(way, blocks, start, sent, got):
    size, taken = blocks * BLOCK / 1_000_000_000, time.perf_counter() - start
    assert sent == got, f"{way}: sent {sent}, got {got}"
    print(f"{way:<4} {size:.2f} GB in {taken:.0f} s, SHA-256 equal: {got}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--campaign", type=float, metavar="GB", help="so much each way, only")
    arguments.add_argument("--megabytes", type=int, default=400, help="of each transfer")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--sessions", type=int, default=200)
    arguments.add_argument("--starts", type=int, default=5, help="of JupyterLab")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="sagegate-measure-") as name:
        place = pathlib.Path(name)
        site = Site(place)
        try:
            site.make("my-space")
            site.run("my-space")
            client = Client(site, "measures", site.root)
            client.add(client.entry("my-space", f"'{site.server.binary}' connect '%h'"))
            if chosen.campaign:
                campaign(client, chosen.campaign)
                return
            session_call(site, chosen.sessions)
            first_byte(site, client, chosen.sessions)
            direct = Direct(client, place)
            try:
                throughput(client, chosen.megabytes, chosen.rounds)
            finally:
                direct.close()
            app_start(site, place, chosen.starts)
        finally:
            close(site.server)


if __name__ == "__main__":
    main()
