"""Studio through VPC endpoints: the four user policies and the endpoint policy of the example."""

import json
import urllib.parse

import botocore.exceptions
import pytest
import requests

import steps
from conftest import Server


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("studio") / "data").start()
    saved = steps.apply(server.principal(), "studio-vpc")
    urls = {
        (saved_name(saved, row["id"]), saved_name(saved, row["subnet"])): row["url"]
        for row in server.endpoints()
    }
    yield server, saved, urls
    server.stop()


def saved_name(saved, value):
    return next(name for name, known in saved.items() if known == value)


PUBLIC = None
SUBNET_A = ("api_endpoint", "subnet_a")
SUBNET_B = ("api_endpoint", "subnet_b")
ELSEWHERE = ("other_endpoint", "other_subnet")

IDENTITY = (
    "because no identity-based policy allows the sagemaker:CreatePresignedDomainUrl action"
)
ALLOWED = None

CASES = [
    ("by-vpc", SUBNET_A, ALLOWED),
    ("by-vpc", SUBNET_B, ALLOWED),
    ("by-vpc", PUBLIC, IDENTITY),
    ("by-vpc", ELSEWHERE, IDENTITY),
    ("by-endpoint", SUBNET_A, ALLOWED),
    ("by-endpoint", SUBNET_B, ALLOWED),
    ("by-endpoint", PUBLIC, IDENTITY),
    ("by-endpoint", ELSEWHERE, IDENTITY),
    ("by-address", PUBLIC, ALLOWED),
    ("by-address", SUBNET_A, IDENTITY),
    ("by-address", ELSEWHERE, IDENTITY),
    ("by-private-address", SUBNET_A, ALLOWED),
    ("by-private-address", SUBNET_B, IDENTITY),
    ("by-private-address", PUBLIC, IDENTITY),
    ("by-private-address", ELSEWHERE, IDENTITY),
]


@pytest.mark.parametrize(("user", "way", "refusal"), CASES)
def test_who_may_create_a_url_from_where(site, user, way, refusal):
    server, saved, urls = site
    client = server.principal(f"user/{user}").client("sagemaker", urls.get(way))
    profile = f"arn:aws:sagemaker:us-west-2:123456789012:user-profile/{saved['domain']}/alice"
    call = {"DomainId": saved["domain"], "UserProfileName": "alice"}
    if refusal is ALLOWED:
        url = client.create_presigned_domain_url(**call)["AuthorizedUrl"]
        assert urllib.parse.urlsplit(url).path == "/auth"
        return
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        client.create_presigned_domain_url(**call)
    answer = caught.value.response
    assert answer["Error"]["Code"] == "AccessDeniedException"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert answer["Error"]["Message"] == (
        f"User: arn:aws:iam::123456789012:user/{user} is not authorized to perform: "
        f"sagemaker:CreatePresignedDomainUrl on resource: {profile} {refusal}"
    )
    record = server.explain(answer["ResponseMetadata"]["RequestId"])
    assert record["errorCode"] == "AccessDeniedException"
    conditions = [
        condition
        for policy in record["sagegate"]["trace"]["policies"]
        for statement in policy["statements"]
        for condition in statement.get("conditions", [])
    ]
    assert any(not condition["holds"] for condition in conditions)


def test_the_endpoint_policy_limits_what_the_user_policy_allows(site):
    server, saved, urls = site
    client = server.principal("user/by-vpc").client("sagemaker", urls[SUBNET_A])
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        client.describe_user_profile(DomainId=saved["domain"], UserProfileName="alice")
    assert caught.value.response["Error"]["Message"].endswith(
        "because no VPC endpoint policy allows the sagemaker:DescribeUserProfile action"
    )


def test_the_url_opens_studio_once_and_by_the_right_network(site):
    server, saved, urls = site
    client = server.principal("user/by-vpc").client("sagemaker", urls[SUBNET_A])
    call = {"DomainId": saved["domain"], "UserProfileName": "alice"}
    url = client.create_presigned_domain_url(**call)["AuthorizedUrl"]
    # It was asked for through the VPC, so it names the VPC's Studio endpoint.
    place = urllib.parse.urlsplit(url)
    assert f"http://{place.netloc}" == urls[("studio_endpoint", "subnet_a")]

    browser = requests.Session()
    browser.trust_env = False
    home = browser.get(url)
    assert home.status_code == 200
    assert "alice" in home.text and saved["studio_endpoint"] in home.text
    page = f"http://{place.netloc}/{saved['domain']}/"
    assert home.url == page
    cookie = next(iter(browser.cookies))
    assert cookie.path == f"/{saved['domain']}/"
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "Lax"

    # The token is used up.
    again = requests.get(url, allow_redirects=False)
    assert again.status_code == 302
    assert again.headers["location"] == "/signin?reason=unknown"
    record = server.explain(again.headers["x-amzn-requestid"])
    assert record["errorCode"] == "NotAdmitted"
    assert record["sagegate"]["decision"] == "not asked: nobody was recognised"

    # By another network, the very same session is refused; by the right one it goes on.
    root = server.principal()
    public = root.client("sagemaker").create_presigned_domain_url(**call)["AuthorizedUrl"]
    elsewhere = f"http://{urllib.parse.urlsplit(public).netloc}/{saved['domain']}/"
    jar = {cookie.name: cookie.value}
    refused = requests.get(elsewhere, cookies=jar, allow_redirects=False, timeout=30)
    assert refused.status_code == 403, refused.text
    assert "no identity-based policy allows" in refused.text
    explained = json.dumps(server.explain(refused.headers["x-amzn-requestid"]))
    assert "aws:SourceVpc" in explained
    policy = root.client("iam").get_user_policy(
        UserName="by-vpc", PolicyName="studio-by-source-vpc"
    )["PolicyDocument"]
    assert browser.get(page).status_code == 200
    root.client("iam").delete_user_policy(UserName="by-vpc", PolicyName="studio-by-source-vpc")
    try:
        refused = browser.get(page)
        assert refused.status_code == 403
        assert "no identity-based policy allows" in refused.text
        record = server.explain(refused.headers["x-amzn-requestid"])
        assert record["eventName"] == "OpenStudio"
        assert record["requestParameters"]["page"] == f"/{saved['domain']}/"
    finally:
        root.client("iam").put_user_policy(
            UserName="by-vpc",
            PolicyName="studio-by-source-vpc",
            PolicyDocument=json.dumps(policy),
        )
    assert browser.get(page).status_code == 200


def test_the_aws_cli_sees_the_same(site):
    server, saved, urls = site
    user = server.principal("user/by-vpc")
    call = (
        "sagemaker",
        "create-presigned-domain-url",
        "--domain-id",
        saved["domain"],
        "--user-profile-name",
        "alice",
        "--output",
        "text",
    )
    inside = user.aws(*call, endpoint_url=urls[SUBNET_A])
    assert inside.returncode == 0, inside.stderr
    assert inside.stdout.startswith("http://127.")
    outside = user.aws(*call)
    assert outside.returncode in (254, 255)  # version 2 and version 1
    assert IDENTITY in outside.stderr


def test_forged_headers_change_nothing(site):
    server, saved, urls = site
    client = server.principal("user/by-vpc").client("sagemaker")
    forged = {
        "X-Forwarded-For": "10.20.1.4",
        "X-Amz-Source-Vpc": saved["vpc"],
        "X-Amz-Source-Vpce": saved["api_endpoint"],
        "Forwarded": "for=10.20.1.4",
    }
    client.meta.events.register(
        "before-sign.sagemaker", lambda request, **_: [
            request.headers.add_header(name, value) for name, value in forged.items()
        ]
    )
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        client.create_presigned_domain_url(DomainId=saved["domain"], UserProfileName="alice")
    assert caught.value.response["Error"]["Message"].endswith(IDENTITY)


def test_an_endpoint_serves_its_own_service_only(site):
    server, _, urls = site
    client = server.principal().client("iam", urls[SUBNET_A])
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        client.list_users()
    assert "sagemaker" in caught.value.response["Error"]["Message"]
