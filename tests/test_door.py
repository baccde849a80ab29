"""The Studio door: whose it is, whose sessions are let in, and what it writes down."""

import pathlib
import urllib.parse

import pytest
import requests

import steps
import studio
from conftest import Server

COOKIE = "sagegate-studio"


class Browser:
    """Follows no redirect by itself and keeps its cookies by host, path and name."""

    def __init__(self):
        self.session = requests.Session()
        self.session.trust_env = False

    def get(self, url, **options):
        return self.session.get(url, allow_redirects=False, timeout=30, **options)

    def post(self, url, **options):
        return self.session.post(url, allow_redirects=False, timeout=30, **options)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("door") / "data").start()
    root = server.principal()
    saved = steps.apply(root, "studio-vpc")
    # The example's policy is for its one domain.
    root.client("ec2").modify_vpc_endpoint(VpcEndpointId=saved["api_endpoint"], ResetPolicy=True)
    domains = [saved["domain"], studio.domain(root, "second")]
    studio.profile(root, domains[1], "bob")
    yield server, root, saved, domains
    server.stop()


def endpoint(server, saved, name):
    return next(
        row["url"]
        for row in server.endpoints()
        if row["id"] == saved[name] and row["subnet"] == saved["subnet_a"]
    )


def presigned(root, domain, profile, way=None):
    made = root.client("sagemaker", way).create_presigned_domain_url(
        DomainId=domain, UserProfileName=profile
    )
    return made["AuthorizedUrl"]


def origin(url):
    return "http://" + urllib.parse.urlsplit(url).netloc


def opened(browser, url):
    """Opens a presigned URL; the page that it leads to."""
    answer = browser.get(url)
    assert answer.status_code == 302
    return origin(url) + answer.headers["location"]


def test_sessions_of_several_domains_live_side_by_side_at_an_endpoint(site):
    server, root, saved, (one, two) = site
    way = endpoint(server, saved, "api_endpoint")
    browser = Browser()
    first = opened(browser, presigned(root, one, "alice", way))
    second = opened(browser, presigned(root, two, "bob", way))
    assert origin(first) == origin(second) == endpoint(server, saved, "studio_endpoint")
    assert first.endswith(f"/{one}/") and second.endswith(f"/{two}/")
    assert "alice" in browser.get(first).text
    assert "bob" in browser.get(second).text
    # A session is worth nothing in another domain's pages.
    (of_two,) = [it.value for it in browser.session.cookies if it.path == f"/{two}/"]
    stranger = Browser().get(first, headers={"Cookie": f"{COOKIE}={of_two}"})
    assert stranger.headers["location"] == "/signin?reason=unknown"

    # Leaving one is not leaving the other.
    assert browser.get(f"{second}logout").status_code == 405
    left = browser.post(f"{second}logout")
    assert left.headers["location"] == "/signin?reason=left"
    assert browser.get(second).headers["location"] == "/signin?reason=unknown"
    assert browser.get(first).status_code == 200
    # The endpoint itself is no domain's.
    assert browser.get(origin(first) + "/").headers["location"] == "/signin"
    named = {"Host": f"{one}.studio.us-west-2.sagemaker.aws"}
    assert browser.get(origin(first) + "/", headers=named).headers["location"] == f"/{one}/"
    assert browser.get(origin(first) + f"/{one}").headers["location"] == f"/{one}/"


def test_the_socket_says_whose_door_it_is(site):
    _, root, _, (one, two) = site
    describe = root.client("sagemaker").describe_domain
    doors = [describe(DomainId=it)["Url"] for it in (one, two)]
    token = presigned(root, one, "alice").split("token=")[1]
    other = urllib.parse.urlsplit(doors[1]).netloc
    names = [other, f"{two}.studio.us-west-2.sagemaker.aws", "localhost"]
    browser = Browser()
    for name in names:
        lead = browser.get(f"{doors[0]}/", headers={"Host": name})
        assert lead.headers["location"] == f"/{one}/", name
    # At the other domain's door the first one's name opens nothing.
    forged = {"Host": urllib.parse.urlsplit(doors[0]).netloc}
    turned = browser.get(f"{doors[1]}/auth?token={token}", headers=forged)
    assert turned.headers["location"] == "/signin?reason=unknown"
    entered = browser.get(f"{doors[0]}/auth?token={token}", headers={"Host": names[1]})
    assert entered.headers["location"] == f"/{one}/"


def test_only_at_the_public_listener_the_name_says_it(site):
    server, root, _, (one, two) = site
    browser = Browser()
    named = {"Host": f"{two}.studio.us-west-2.sagemaker.aws"}
    assert browser.get(f"{server.url}/", headers=named).headers["location"] == f"/{two}/"
    abroad = {"Host": f"{two}.studio.eu-west-1.sagemaker.aws"}
    assert browser.get(f"{server.url}/", headers=abroad).status_code == 404


def test_a_bad_cookie_of_the_same_name_locks_nobody_out(site):
    _, root, _, (one, _) = site
    browser = Browser()
    page = opened(browser, presigned(root, one, "alice"))
    (good,) = [it.value for it in browser.session.cookies]
    for values in ([good], ["xx", good], ["", good], ["xx", "yy", good, "zz"]):
        field = "; ".join(["other=1"] + [f"{COOKIE}={value}" for value in values])
        answer = Browser().get(page, headers={"Cookie": field})
        assert answer.status_code == 200, values
    bytes_before = f"{COOKIE}=xx; a=".encode() + b"\xff" + f"; {COOKIE}={good}".encode()
    assert Browser().get(page, headers={"Cookie": bytes_before}).status_code == 200


def test_every_visit_leaves_a_record(site):
    server, root, _, (one, _) = site
    user = server.principal("user/by-address")
    url = presigned(user, one, "alice")
    token = url.split("token=")[1]
    browser = Browser()

    def record(answer):
        return server.explain(answer.headers["x-amzn-requestid"])

    entered = browser.get(url)
    seen = [record(entered)]
    (cookie,) = [it.value for it in browser.session.cookies]
    page = f"{origin(url)}/{one}/"
    seen.append(record(browser.get(page)))
    for found in seen:
        assert found["eventName"] == "OpenStudio"
        assert found["userIdentity"]["userName"] == "by-address"
        assert found["sagegate"]["decision"] == "allowed"
        (grant,) = found["sagegate"]["by"]
        assert grant["action"] == "sagemaker:CreatePresignedDomainUrl"
        assert found["requestParameters"]["userProfileArn"].endswith(f"/{one}/alice")
    left = browser.post(f"{page}logout")
    found = record(left)
    assert (found["eventName"], found["userIdentity"]["userName"]) == ("LeaveStudio", "by-address")
    told = server.command("explain", entered.headers["x-amzn-requestid"])
    assert "sagemaker:OpenStudio" in told and "granted" in told

    nobody = "not asked: nobody was recognised"
    for answer in (browser.get(url), browser.get(page, headers={"Cookie": f"{COOKIE}={cookie}"})):
        found = record(answer)
        assert (found["errorCode"], found["sagegate"]["decision"]) == ("NotAdmitted", nobody)
        assert "userName" not in (found["userIdentity"] or {})
    named = {"Host": "d-nowhere.studio.us-west-2.sagemaker.aws"}
    assert record(browser.get(f"{server.url}/", headers=named))["errorCode"] == "NoSuchDoor"
    open_page = record(browser.get(f"{origin(url)}/signin"))
    assert open_page["sagegate"]["decision"] == "not asked: open to everybody"

    written = b"".join(
        path.read_bytes() for path in pathlib.Path(server.data).rglob("*") if path.is_file()
    )
    assert b"OpenStudio" in written
    for secret in (token, cookie):
        assert secret.encode() not in written


def test_a_visit_that_wrote_has_a_record_that_outlives_a_crash(tmp_path):
    server = Server(tmp_path / "data").start()
    try:
        root = server.principal()
        domain = steps.apply(root, "studio-vpc")["domain"]
        browser = Browser()
        url = presigned(server.principal("user/by-address"), domain, "alice")
        entered = browser.get(url)
        left = browser.post(f"{origin(url)}/{domain}/logout")
        assert (entered.status_code, left.status_code) == (302, 302)
        server.kill()
        server.start()
        for answer, name in ((entered, "OpenStudio"), (left, "LeaveStudio")):
            found = server.explain(answer.headers["x-amzn-requestid"])
            assert (found["eventName"], found["readOnly"]) == (name, False)
            assert found["userIdentity"]["userName"] == "by-address"
        assert Browser().get(url).headers["location"] == "/signin?reason=unknown"
    finally:
        server.stop()
