"""Code Editor behind the app's door, with a stand-in for code-server: what serves below the root."""

import pytest
import requests

from conftest import Server
from remote import until
from studio import close, domain, profile

#: Started as code-server is, and answers what the keeper and a visitor ask of it.
CODE_SERVER = """#!/usr/bin/env python3
import http.server, json, sys

options = dict(it.split("=", 1) for it in sys.argv[1:] if "=" in it)
assert options["--auth"] == "none", sys.argv
host, port = options["--bind-addr"].split(":")


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/healthz":
            text, kind = json.dumps({"status": "alive", "lastHeartbeat": 0}), "application/json"
        else:
            text, kind = f"the workbench at {self.path}", "text/plain"
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


http.server.ThreadingHTTPServer((host, int(port)), Answer).serve_forever()
"""


@pytest.fixture
def site(tmp_path):
    apps = tmp_path / "apps"
    command = apps / "code-server" / "bin" / "code-server"
    entry = apps / "code-server" / "out" / "node" / "entry.js"
    for path in (command, entry):
        path.parent.mkdir(parents=True)
    command.write_text(CODE_SERVER)
    entry.write_text("")
    command.chmod(0o755)
    server = Server(tmp_path / "data", "--apps", str(apps)).start()
    yield server
    close(server)


def test_an_app_at_the_root_is_reached_there(site):
    root = site.principal()
    team = domain(root, "editor")
    ann = profile(root, team, "ann")
    sagemaker = root.client("sagemaker")
    sagemaker.create_space(
        DomainId=team,
        SpaceName="code",
        SpaceSettings={"AppType": "CodeEditor"},
        OwnershipSettings={"OwnerUserProfileName": ann},
        SpaceSharingSettings={"SharingType": "Private"},
    )
    app = {
        "DomainId": team,
        "SpaceName": "code",
        "AppType": "CodeEditor",
        "AppName": "default",
    }

    def serves():
        found = sagemaker.describe_app(**app)
        assert found["Status"] in ("Pending", "InService"), found
        return found["Status"] == "InService"

    sagemaker.create_app(**app, ResourceSpec={"InstanceType": "ml.t3.medium"})
    until(serves)

    browser = requests.Session()
    url = sagemaker.create_presigned_domain_url(DomainId=team, UserProfileName=ann)
    home = browser.get(url["AuthorizedUrl"], timeout=60)
    assert home.status_code == 200, home.text
    opened = browser.get(f"{home.url}spaces/code/open", timeout=60)
    assert (opened.status_code, opened.text) == (200, "the workbench at /"), opened.text
    folder = browser.get(opened.url, params={"folder": "notes"}, timeout=60)
    assert folder.text == "the workbench at /?folder=notes"
