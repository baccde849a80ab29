"""What code in a space reaches: the API as its execution role, and nothing of other spaces."""

import json
import shlex
import xml.etree.ElementTree

import pytest

from conftest import ACCOUNT, Principal
from remote import Client, Site, until
from studio import close

#: Gets the credentials of the space: what an SDK does, in plain Python.
CREDENTIALS = """
import datetime, hashlib, hmac, json, os, urllib.parse, urllib.request

def ask(url, headers):
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60).read()

given = json.loads(ask(
    os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"],
    {"Authorization": os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]},
))
"""

#: Asks STS who is calling.
WHOAMI = CREDENTIALS + """
region = os.environ["AWS_REGION"]
# Without a network of its own a space has a way to the API instead.
endpoint = os.environ.get("AWS_ENDPOINT_URL", f"https://sts.{region}.amazonaws.com")
host = urllib.parse.urlsplit(endpoint).netloc
now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
query = "Action=GetCallerIdentity&Version=2011-06-15"
names = "host;x-amz-date;x-amz-security-token"
headers = f"host:{host}\\nx-amz-date:{now}\\nx-amz-security-token:{given['Token']}\\n"
empty = hashlib.sha256(b"").hexdigest()
canonical = "\\n".join(["GET", "/", query, headers, names, empty])
scope = f"{now[:8]}/{region}/sts/aws4_request"
signed = "\\n".join(
    ["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest()]
)
key = ("AWS4" + given["SecretAccessKey"]).encode()
for part in (now[:8], region, "sts", "aws4_request", signed):
    key = hmac.new(key, part.encode(), "sha256").digest()
print(ask(f"{endpoint}/?{query}", {
    "X-Amz-Date": now,
    "X-Amz-Security-Token": given["Token"],
    "Authorization": f"AWS4-HMAC-SHA256 Credential={given['AccessKeyId']}/{scope}, "
                     f"SignedHeaders={names}, Signature={key.hex()}",
}).decode())
"""

#: Tries to connect; what came of it.
TRY = """
import socket, sys
for target in sys.argv[1:]:
    try:
        if ":" in target:
            host, port = target.rsplit(":", 1)
            socket.create_connection((host, int(port)), timeout=5).close()
        else:
            one = socket.socket(socket.AF_UNIX)
            one.connect("\\0" + target[1:] if target.startswith("@") else target)
        print("reached", target)
    except OSError as error:
        print("not", target, error)
"""

#: Listens on a port, on a socket in /tmp and on one without a file, until its input ends.
LISTEN = """
import socket, sys
held = [socket.create_server(("127.0.0.1", 7117))]
held += [socket.socket(socket.AF_UNIX) for _ in range(2)]
held[1].bind("/tmp/mine.sock")
held[2].bind("\\0mine")
for it in held[1:]:
    it.listen()
print("begun", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("inside"))
    site.make("hers")
    site.make("his", owner="ben")
    site.run("hers", "his")
    yield site
    close(site.server)


@pytest.fixture(scope="module")
def client(site):
    return Client(site, "both", site.root, ["hers", "his"])


def test_code_calls_the_api_as_the_execution_role(site, client):
    answer = xml.etree.ElementTree.fromstring(client.python("hers", WHOAMI))
    arn = answer.find(".//{*}Arn").text
    assert arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/studio/SageMaker"
    assert answer.find(".//{*}Account").text == ACCOUNT


def test_the_credentials_carry_the_keys_of_the_profile(site, client):
    """A policy of the role with the variables of a Studio session: each is let at her own name."""
    document = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Action": "iam:GetUser",
            "Resource": f"arn:aws:iam::{ACCOUNT}:user/${{sagemaker:DomainId}}-"
            "${sagemaker:UserProfileName}",
        },
    }
    for name in ("ann", "ben"):
        site.iam.create_user(UserName=f"{site.domain}-{name}")
    site.iam.put_role_policy(
        RoleName="studio", PolicyName="own", PolicyDocument=json.dumps(document)
    )
    for space, own, other in (("hers", "ann", "ben"), ("his", "ben", "ann")):
        source = CREDENTIALS + "print(json.dumps(given))"
        given = json.loads(client.python(space, source))
        principal = Principal(
            site.server,
            {
                "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
                "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
                "AWS_SESSION_TOKEN": given["Token"],
            },
        )
        iam = principal.client("iam")
        assert iam.get_user(UserName=f"{site.domain}-{own}")
        with pytest.raises(iam.exceptions.ClientError, match="AccessDenied"):
            iam.get_user(UserName=f"{site.domain}-{other}")


def test_code_finds_where_it_is(site, client):
    metadata = json.loads(client.said("hers", "cat /opt/ml/metadata/resource-metadata.json"))
    assert metadata["DomainId"] == site.domain and metadata["SpaceName"] == "hers"
    assert metadata["UserProfileName"] == "ann" and metadata["AppType"] == "JupyterLab"


def test_a_space_does_not_see_another(site, client):
    client.said("his", "echo secret > his.txt")
    assert client.said("hers", "ls /home; cat his.txt 2>&1 || true") == (
        "sagemaker-user\ncat: his.txt: No such file or directory\n"
    )
    # The host's directory of the homes, the store and the control sockets is not there.
    client.said("hers", f"! test -e '{site.server.data}'")
    # All processes that are seen are her own.
    processes = client.said("hers", "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'")
    assert "SAGEMAKER_SPACE_NAME=hers" in processes
    assert "SAGEMAKER_SPACE_NAME=his" not in processes
    # A link that leads out of a home leads nowhere.
    client.said("hers", f"ln -sfn '{site.server.data}' out")
    assert client.ssh("hers", "ls out/").returncode != 0
    copied = client.run("scp", "-F", client.config, "hers:/etc/shadow", client.home / "shadow")
    assert copied.returncode != 0


def test_a_space_does_not_reach_the_ports_and_sockets_of_another(site, client):
    targets = ["127.0.0.1:7117", "/tmp/mine.sock", "@mine"]
    with client.background("his", "python3 -c " + shlex.quote(LISTEN)) as process:
        assert process.stdout.readline() == b"begun\n"
        seen = client.python("his", TRY, *targets).splitlines()
        assert seen == [f"reached {it}" for it in targets]
        seen = client.python("hers", TRY, *targets).splitlines()
        assert [line.split()[0] for line in seen] == ["not"] * 3, seen
        # Nor by forwarding, whose far end is in the space.
        refused = client.ssh("-W", "127.0.0.1:7117", "hers")
        assert refused.returncode != 0


def test_a_space_reaches_nothing_of_the_machine(site, client):
    host = f"127.0.0.1:{site.server.port}"
    seen = client.python("hers", TRY, host, "169.254.169.254:80", "10.0.0.1:22").splitlines()
    assert [line.split()[0] for line in seen] == ["not"] * 3, seen
    refused = client.ssh("-W", host, "hers")
    assert refused.returncode != 0


def test_a_space_does_not_get_the_credentials_of_another(site, client):
    word = client.said("his", "printenv AWS_CONTAINER_AUTHORIZATION_TOKEN").strip()
    ask, source = "python3 - 2>&1 || true", CREDENTIALS.encode()
    stolen = client.said(
        "hers", f"AWS_CONTAINER_AUTHORIZATION_TOKEN={word} {ask}", input=source
    )
    assert "HTTP Error 401" in stolen
    without = client.said("hers", f"AWS_CONTAINER_AUTHORIZATION_TOKEN= {ask}", input=source)
    assert "HTTP Error 401" in without


def test_a_token_opens_one_connection(site, client):
    sagemaker = site.root.client("sagemaker")
    session = sagemaker.start_session(ResourceIdentifier=site.arn("hers"))
    client.add(client.entry("hers", client.by_session(session), host="once"))
    with client.inside("once"):
        replayed = client.plugin(session)
        assert replayed.returncode != 0 and b"was used before" in replayed.stdout + replayed.stderr
    until(lambda: site.sessions() == [])
    late = client.plugin(session)
    assert late.returncode != 0 and b"The session is over: " in late.stdout + late.stderr


def test_a_token_opens_no_other_session(site, client):
    sagemaker = site.root.client("sagemaker")
    hers, his = (
        sagemaker.start_session(ResourceIdentifier=site.arn(space)) for space in ("hers", "his")
    )
    mixed = {**his, "TokenValue": hers["TokenValue"]}
    unknown = b"is not known here"
    refused = client.plugin(mixed)
    assert refused.returncode != 0 and unknown in refused.stdout + refused.stderr
    refused = client.plugin({**hers, "TokenValue": "A" * 43})
    assert refused.returncode != 0 and unknown in refused.stdout + refused.stderr
    # Neither was used up by that.
    client.add(client.entry("hers", client.by_session(hers), host="still"))
    assert client.said("still", "printenv SAGEMAKER_SPACE_NAME") == "hers\n"
