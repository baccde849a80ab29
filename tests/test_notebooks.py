"""Notebook instances: from CreateNotebookInstance to a JupyterLab behind a presigned URL, and back."""

import base64
import json
import time
import uuid
from urllib.parse import urljoin, urlsplit

import botocore.exceptions
import pytest
import requests
import websocket

from conftest import ACCOUNT, REGION
from studio import Account, allow

#: One look a second, for as long as a busy machine may need.
WAIT = {"WaiterConfig": {"Delay": 1, "MaxAttempts": 180}}
OPEN = "sagemaker:CreatePresignedNotebookInstanceUrl"


def hook(script):
    return [{"Content": base64.b64encode(script.encode()).decode()}]


def soon(seen):
    """Waits until something is seen."""
    end = time.monotonic() + 60
    while not seen():
        assert time.monotonic() < end, "it was not seen within a minute"
        time.sleep(0.05)


class Site(Account):
    """A server, a role for notebook instances, and somebody who may open them."""

    def __init__(self, data, *flags):
        super().__init__(data, *flags)
        self.role = self.new_role("notebook")
        self.user("ann", allow(OPEN))

    def create(self, name, **more):
        self.sagemaker.create_notebook_instance(
            NotebookInstanceName=name, InstanceType="ml.t3.medium", RoleArn=self.role, **more
        )

    def config(self, name, **hooks):
        self.sagemaker.create_notebook_instance_lifecycle_config(
            NotebookInstanceLifecycleConfigName=name, **hooks
        )

    def described(self, name):
        return self.sagemaker.describe_notebook_instance(NotebookInstanceName=name)

    def until(self, state, name):
        waiter = self.sagemaker.get_waiter(f"notebook_instance_{state}")
        waiter.wait(NotebookInstanceName=name, **WAIT)

    def failure(self, name):
        """The reason why one has failed."""
        with pytest.raises(botocore.exceptions.WaiterError):
            self.until("in_service", name)
        found = self.described(name)
        assert found["NotebookInstanceStatus"] == "Failed", found
        return found["FailureReason"]

    def homes(self):
        return list(self.server.data.glob("**/homes/notebook-*"))

    def url(self, name):
        client = self.server.principal("user/ann").client("sagemaker")
        made = client.create_presigned_notebook_instance_url(NotebookInstanceName=name)
        return made["AuthorizedUrl"]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("notebooks") / "data")
    yield site
    site.server.stop()


class Visit:
    """Somebody's browser at a notebook instance, as far as JupyterLab's pages use it."""

    def __init__(self, url):
        self.origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        self.http = requests.Session()
        self.first = self.http.get(url, timeout=60)

    def call(self, method, path, **more):
        headers = {"X-XSRFToken": self.http.cookies.get("_xsrf", "")}
        address = urljoin(self.origin, path)
        return self.http.request(method, address, headers=headers, timeout=60, **more)

    def file(self, name):
        return self.call("GET", f"/api/contents/{name}", params={"content": 1}).json()["content"]

    def kernel(self):
        """The socket of a new kernel."""
        made = self.call("POST", "/api/kernels", json={"name": "python3"})
        assert made.status_code == 201, made.text
        address = self.origin.replace("http", "ws", 1)
        cookies = "; ".join(f"{it.name}={it.value}" for it in self.http.cookies)
        return websocket.create_connection(
            f"{address}/api/kernels/{made.json()['id']}/channels", cookie=cookies, timeout=60
        )


def printed(socket, code):
    """What a cell prints."""
    header = {
        "msg_id": uuid.uuid4().hex,
        "username": "",
        "session": uuid.uuid4().hex,
        "msg_type": "execute_request",
        "version": "5.3",
    }
    content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
    socket.send(json.dumps({**message, "channel": "shell"}))
    text = ""
    while True:
        said = json.loads(socket.recv())
        if said.get("parent_header", {}).get("msg_id") != header["msg_id"]:
            continue
        kind, content = said["msg_type"], said["content"]
        if kind == "stream":
            text += content["text"]
        elif kind == "error":
            raise AssertionError("\n".join(content["traceback"]))
        elif kind == "status" and content["execution_state"] == "idle":
            return text


#: RFC 6455, section 7.4.1.
POLICY_VIOLATION = 1008


def closed_with(socket):
    """The status with which a socket is closed."""
    while True:
        opcode, data = socket.recv_data(control_frame=True)
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return int.from_bytes(data[:2], "big")


CREDENTIALS = """
import json, os, urllib.request
request = urllib.request.Request(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
request.add_header("Authorization", os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"])
print(json.dumps(json.load(urllib.request.urlopen(request))))
"""


def test_a_notebook_instance_lives(site):
    site.config(
        "both",
        OnCreate=hook("echo created >> life\n"),
        OnStart=hook("echo started >> life\n"),
    )
    site.create("lab", LifecycleConfigName="both")
    site.until("in_service", "lab")

    # What runs is not changed, started or deleted.
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:notebook-instance/lab"
    for call, to in [("update", "Updating"), ("start", "Pending"), ("delete", "Deleting")]:
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            getattr(site.sagemaker, f"{call}_notebook_instance")(NotebookInstanceName="lab")
        error = caught.value.response["Error"]
        assert error["Code"] == "ValidationException"
        assert error["Message"] == (
            "Status (InService) not in ([Stopped, Failed]). Unable to transition to "
            f"({to}) for Notebook Instance ({arn})."
        )

    url = site.url("lab")
    assert urlsplit(url).netloc == site.described("lab")["Url"]
    # Who only looks whether a link is alive does not use it up.
    assert requests.head(url, timeout=60).status_code == 405
    visit = Visit(url)
    assert visit.first.status_code == 200 and visit.first.url == f"{visit.origin}/lab"
    assert "JupyterLab" in visit.first.text
    assert requests.get(url, timeout=60).status_code == 401, "a URL is good once"
    assert requests.get(f"{visit.origin}/api/status", timeout=60).status_code == 401
    assert visit.file("life") == "created\nstarted\n"

    # A page elsewhere cannot act in the visitor's name, nor listen.
    elsewhere = {"Origin": "http://evil.example"}
    made = visit.http.post(f"{visit.origin}/api/kernels", headers=elsewhere, timeout=60)
    assert made.status_code == 403 and "not sent from this page" in made.text
    listened = visit.http.get(
        f"{visit.origin}/api/events/subscribe",
        headers={**elsewhere, "Connection": "Upgrade", "Upgrade": "websocket"},
        timeout=60,
    )
    assert listened.status_code == 403 and "not sent from this page" in listened.text

    socket = visit.kernel()
    assert printed(socket, "print(6 * 7)") == "42\n"
    given = json.loads(printed(socket, CREDENTIALS))
    assert given["RoleArn"] == site.role and given["AccessKeyId"].startswith("ASIA")
    metadata = "print(open('/opt/ml/metadata/resource-metadata.json').read())"
    assert json.loads(printed(socket, metadata)) == {"ResourceArn": arn, "ResourceName": "lab"}
    printed(socket, "open('kept', 'w').write('my work')")

    # The permission is asked for on every request, and a kernel's open socket closes without it.
    condition = {"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}
    site.give("ann", allow(OPEN, condition=condition))
    assert closed_with(socket) == POLICY_VIOLATION
    refused = visit.call("GET", "/api/status")
    assert refused.status_code == 403 and OPEN in refused.text, refused.text
    explained = json.dumps(site.server.explain(refused.headers["x-amzn-RequestId"]))
    assert "OpenNotebookInstance" in explained and arn in explained
    assert urlsplit(url).query.split("=", 1)[1] not in explained
    site.give("ann", allow(OPEN))
    assert visit.call("GET", "/api/status").status_code == 200

    # A restart of the server finds it running.
    kernels = [it["id"] for it in visit.call("GET", "/api/kernels").json()]
    site.server.stop()
    site.server.start()
    assert site.described("lab")["NotebookInstanceStatus"] == "InService"
    assert [it["id"] for it in visit.call("GET", "/api/kernels").json()] == kernels

    site.sagemaker.stop_notebook_instance(NotebookInstanceName="lab")
    site.until("stopped", "lab")
    assert visit.call("GET", "/api/status").status_code == 401
    site.sagemaker.start_notebook_instance(NotebookInstanceName="lab")
    site.until("in_service", "lab")
    assert len(site.homes()) == 1
    visit = Visit(site.url("lab"))
    assert visit.file("kept") == "my work"
    assert visit.file("life") == "created\nstarted\nstarted\n"

    site.sagemaker.stop_notebook_instance(NotebookInstanceName="lab")
    site.until("stopped", "lab")
    site.sagemaker.delete_notebook_instance(NotebookInstanceName="lab")
    site.until("deleted", "lab")
    soon(lambda: not site.homes())


def test_a_session_is_good_for_one_notebook_instance(site):
    for name in ("one", "two"):
        site.create(name)
    for name in ("one", "two"):
        site.until("in_service", name)
    visit, other = Visit(site.url("one")), site.url("two")
    cookies = "; ".join(f"{it.name}={it.value}" for it in visit.http.cookies)
    origin = other.split("?", 1)[0]
    answer = requests.get(f"{origin}/api/status", headers={"Cookie": cookies}, timeout=60)
    assert answer.status_code == 401
    # A URL at another's address is used up nowhere.
    token = other.split("?", 1)[1]
    assert requests.get(f"{visit.origin}/?{token}", timeout=60).status_code == 401
    assert Visit(other).first.status_code == 200

    # After a crash both are found running, and a session goes on.
    site.server.kill()
    site.server.start()
    assert visit.call("GET", "/api/status").status_code == 200
    for name in ("one", "two"):
        assert site.described(name)["NotebookInstanceStatus"] == "InService"
        site.sagemaker.stop_notebook_instance(NotebookInstanceName=name)
    for name in ("one", "two"):
        site.until("stopped", name)


def test_it_is_opened_by_its_name_where_dns_leads_here(tmp_path):
    site = Site(tmp_path / "data", "--studio-names")
    try:
        site.create("Lab")
        site.until("in_service", "Lab")
        url = urlsplit(site.url("Lab"))
        label, rest = url.hostname.split(".", 1)
        assert label.startswith("lab-") and rest == f"notebook.{REGION}.sagemaker.aws"

        def get(path, host=url.netloc, cookie=""):
            headers = {"Host": host, "Cookie": cookie}
            address = urljoin(site.server.url, path)
            return requests.get(address, headers=headers, allow_redirects=False, timeout=60)

        other = f"lab-none.{rest}"
        assert get(f"/?{url.query}", host=other).status_code == 404
        entered = get(f"/?{url.query}")
        assert (entered.status_code, entered.headers["Location"]) == (302, "/lab")
        cookie = entered.headers["Set-Cookie"].split(";")[0]
        assert get("/api/status", cookie=cookie).status_code == 200
        assert get("/api/status", host=other, cookie=cookie).status_code == 404
        assert get("/api/status").status_code == 401
        site.sagemaker.stop_notebook_instance(NotebookInstanceName="Lab")
        site.until("stopped", "Lab")
    finally:
        site.server.stop()


def test_a_script_that_fails_is_told_with_its_last_lines(site):
    site.config("broken", OnStart=hook("echo so far so good\necho no such thing >&2\nexit 3\n"))
    site.create("broken", LifecycleConfigName="broken")
    reason = site.failure("broken")
    assert reason.startswith("The lifecycle script ended with exit code 3"), reason
    assert "so far so good" in reason and "no such thing" in reason
    site.sagemaker.delete_notebook_instance(NotebookInstanceName="broken")
    site.until("deleted", "broken")


def test_what_cannot_be_had_is_told(site):
    repository = "https://git.example.com/team/notebooks.git"
    site.create("cloned", DefaultCodeRepository=repository)
    assert f"The Git repository '{repository}' cannot be cloned" in site.failure("cloned")
    # Without it, it runs.
    site.sagemaker.update_notebook_instance(
        NotebookInstanceName="cloned", DisassociateDefaultCodeRepository=True
    )
    site.until("stopped", "cloned")
    site.sagemaker.start_notebook_instance(NotebookInstanceName="cloned")
    site.until("in_service", "cloned")
    site.sagemaker.stop_notebook_instance(NotebookInstanceName="cloned")
    site.until("stopped", "cloned")
