"""What runs in a space: lifecycle scripts, the home that stays, and what the page tells of it."""

import base64
import html

import pytest

from remote import Client, Site, home, seed, until
from studio import close


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("spaces"))
    site.iam.put_role_policy(
        RoleName="studio", PolicyName="deep-link", PolicyDocument=seed("deep-link")
    )
    yield site
    close(site.server)


def script(site, name, text):
    """A lifecycle configuration for JupyterLab; its ARN."""
    return site.sagemaker.create_studio_lifecycle_config(
        StudioLifecycleConfigName=name,
        StudioLifecycleConfigContent=base64.b64encode(text.encode()).decode(),
        StudioLifecycleConfigAppType="JupyterLab",
    )["StudioLifecycleConfigArn"]


def allowed(site, *arns):
    """What may be chosen is what the domain lists."""
    site.sagemaker.update_domain(
        DomainId=site.domain,
        DefaultUserSettings={"JupyterLabAppSettings": {"LifecycleConfigArns": list(arns)}},
    )


def start(site, space, arn):
    spec = {"InstanceType": "ml.t3.large", "LifecycleConfigArn": arn}
    site.sagemaker.create_app(**site.app_of(space), ResourceSpec=spec)


def test_a_lifecycle_script_runs_at_each_start_and_the_home_stays(site):
    good = script(site, "good", "echo started >> ~/starts; echo kept > ~/.kept\n")
    bad = script(site, "bad", "echo so far so good\necho no such thing >&2\nexit 3\n")
    allowed(site, good, bad)
    site.make("scripted")
    machine = Client(site, "scripted", site.root, ["scripted"])
    for starts in (1, 2):
        start(site, "scripted", good)
        site.running("scripted")
        assert machine.said("scripted", "cat starts .kept") == "started\n" * starts + "kept\n"
        site.stop("scripted")

    start(site, "scripted", bad)
    until(lambda: site.app_status("scripted") == "Failed")
    reason = site.sagemaker.describe_app(**site.app_of("scripted"))["FailureReason"]
    assert "exit code 3" in reason, reason
    assert "so far so good" in reason and "no such thing" in reason
    # The page tells it too, and without the script it runs, with the files that were there.
    base, browser = home(site, "ann")
    assert "no such thing" in html.unescape(browser.get(base, timeout=60).text)
    site.run("scripted")
    assert machine.said("scripted", "cat .kept") == "kept\n"


def test_the_home_goes_with_its_space(site):
    site.make("passing")
    site.run("passing")
    machine = Client(site, "passing", site.root, ["passing"])
    assert machine.said("passing", "echo mine > mine; cat mine") == "mine\n"
    site.stop("passing")
    site.sagemaker.delete_space(DomainId=site.domain, SpaceName="passing")
    spaces = site.sagemaker.list_spaces
    until(lambda: "passing" not in [it["SpaceName"] for it in spaces()["Spaces"]])
    site.make("passing")
    site.run("passing")
    # Its host key is another one now, which clients are right to refuse.
    again = Client(site, "passing-again", site.root, ["passing"])
    assert again.said("passing", "ls -A mine 2>/dev/null || echo gone") == "gone\n"
    refused = machine.ssh("passing", "true")
    assert refused.returncode == 255
    assert b"REMOTE HOST IDENTIFICATION HAS CHANGED" in refused.stderr


def test_the_page_tells_who_is_connected_and_how_to_connect(site):
    site.make("visited", sharing="Shared")
    site.sagemaker.update_domain(
        DomainId=site.domain, DefaultSpaceSettings={"ExecutionRole": site.role}
    )
    site.run("visited")
    base, browser = home(site, "ben")

    def page():
        return html.unescape(browser.get(base, timeout=60).text)

    assert site.arn("visited") in page() and "from outside" not in page()
    machine = Client(site, "visitor", site.root, ["visited"])
    with machine.inside("visited"):
        text = page()
        assert "1 connection from outside" in text
        assert ":root from 127.0.0.1" in text.replace("</span>", "")
    until(lambda: "from outside" not in page())
