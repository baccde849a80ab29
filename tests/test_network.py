"""What the network decides: endpoints, their policies and security groups, and their names."""

import json

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.exceptions
import pytest
import requests

import steps
from conftest import Server

IDENTITY = "because no identity-based policy allows the sagemaker:{} action"
ENDPOINT = "because no VPC endpoint policy allows the sagemaker:{} action"
HTTPS = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("network") / "data").start()
    saved = steps.apply(server.principal(), "studio-vpc")
    yield Site(server, saved)
    server.stop()


class Site:
    """The example studio-vpc, running."""

    def __init__(self, server, saved):
        self.server = server
        self.saved = saved
        self.root = server.principal()
        self.ec2 = self.root.client("ec2")
        self.iam = self.root.client("iam")

    def row(self, endpoint="api_endpoint", subnet="subnet_a"):
        """What `sagegate endpoints` tells of an endpoint in a subnet; None, if it is not there."""
        wanted = (self.saved[endpoint], self.saved[subnet])
        rows = self.server.endpoints()
        return next((row for row in rows if (row["id"], row["subnet"]) == wanted), None)

    def by_vpc(self, **where):
        """A client that comes through the endpoint."""
        user = self.server.principal("user/by-vpc")
        return user.client("sagemaker", self.row(**where)["url"])

    def profile(self):
        return {"DomainId": self.saved["domain"], "UserProfileName": "alice"}


def refusal(call, **given):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**given)
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    return caught.value.response["Error"]["Message"]


def closed(call, **given):
    """Makes a call that finds no listener, or is not let in by it."""
    with pytest.raises(
        (botocore.exceptions.EndpointConnectionError, botocore.exceptions.ConnectionClosedError)
    ):
        call(**given)


def test_a_client_that_the_security_groups_do_not_let_in_gets_no_answer(site):
    site.by_vpc().create_presigned_domain_url(**site.profile())
    pair = {"UserIdGroupPairs": [{"GroupId": site.saved["clients"]}]}
    given = {"GroupId": site.saved["endpoints"], "IpPermissions": [{**HTTPS, **pair}]}
    site.ec2.revoke_security_group_ingress(**given)
    try:
        closed(site.by_vpc().create_presigned_domain_url, **site.profile())
        assert "closed" in site.row()
        studio = requests.Session()
        studio.trust_env = False
        with pytest.raises(requests.exceptions.ConnectionError):
            studio.get(site.row("studio_endpoint")["url"], timeout=30)
        # The other VPC's endpoint has another group, and the public way none.
        refused = refusal(
            site.by_vpc(
                endpoint="other_endpoint", subnet="other_subnet"
            ).create_presigned_domain_url,
            **site.profile(),
        )
        assert refused.endswith(IDENTITY.format("CreatePresignedDomainUrl"))
        site.root.client("sagemaker").list_domains()
    finally:
        site.ec2.authorize_security_group_ingress(**given)
    assert "closed" not in site.row()
    site.by_vpc().create_presigned_domain_url(**site.profile())


@pytest.mark.parametrize(
    ("rule", "enters"),
    [
        ({**HTTPS, "IpRanges": [{"CidrIp": "10.20.1.0/24"}]}, ["subnet_a"]),
        ({**HTTPS, "IpRanges": [{"CidrIp": "10.20.0.0/16"}]}, ["subnet_a", "subnet_b"]),
        ({"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}, ["subnet_a", "subnet_b"]),
        (
            {
                "IpProtocol": "tcp",
                "FromPort": 80,
                "ToPort": 80,
                "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
            },
            [],
        ),
        (
            {
                "IpProtocol": "udp",
                "FromPort": 443,
                "ToPort": 443,
                "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
            },
            [],
        ),
    ],
    ids=["one subnet", "the VPC", "everything", "another port", "another protocol"],
)
def test_who_is_let_in_by_which_rule(site, rule, enters):
    made = site.ec2.create_security_group(
        VpcId=site.saved["vpc"], GroupName="tried", Description="tried"
    )["GroupId"]
    endpoint = {"VpcEndpointId": site.saved["api_endpoint"]}
    own = [site.saved["endpoints"]]
    site.ec2.modify_vpc_endpoint(
        **endpoint, AddSecurityGroupIds=[made], RemoveSecurityGroupIds=own
    )
    try:
        for subnet in ("subnet_a", "subnet_b"):
            closed(site.by_vpc(subnet=subnet).create_presigned_domain_url, **site.profile())
        site.ec2.authorize_security_group_ingress(GroupId=made, IpPermissions=[rule])
        for subnet in ("subnet_a", "subnet_b"):
            call = site.by_vpc(subnet=subnet).create_presigned_domain_url
            if subnet in enters:
                call(**site.profile())
            else:
                closed(call, **site.profile())
    finally:
        site.ec2.modify_vpc_endpoint(
            **endpoint, AddSecurityGroupIds=own, RemoveSecurityGroupIds=[made]
        )
        site.ec2.delete_security_group(GroupId=made)


def endpoint_policy(effect="Allow", **more):
    statement = {"Effect": effect, "Principal": "*", "Action": "*", "Resource": "*", **more}
    return statement


@pytest.fixture
def change_policy(site):
    """Sets the policy of the API endpoint; afterwards it is again what it was."""
    endpoint = {"VpcEndpointIds": [site.saved["api_endpoint"]]}
    before = site.ec2.describe_vpc_endpoints(**endpoint)["VpcEndpoints"][0]["PolicyDocument"]

    def change(*statements):
        document = json.dumps({"Statement": list(statements)})
        given = {"PolicyDocument": document} if statements else {"ResetPolicy": True}
        site.ec2.modify_vpc_endpoint(VpcEndpointId=site.saved["api_endpoint"], **given)

    yield change
    site.ec2.modify_vpc_endpoint(
        VpcEndpointId=site.saved["api_endpoint"], PolicyDocument=before
    )


def test_an_endpoint_policy_binds_at_once(site, change_policy):
    client = site.by_vpc()
    describe, create = client.describe_user_profile, client.create_presigned_domain_url
    create(**site.profile())
    assert refusal(describe, **site.profile()).endswith(ENDPOINT.format("DescribeUserProfile"))

    change_policy(endpoint_policy(Action="sagemaker:DescribeUserProfile"))
    describe(**site.profile())
    assert refusal(create, **site.profile()).endswith(
        ENDPOINT.format("CreatePresignedDomainUrl")
    )

    change_policy()
    describe(**site.profile())
    create(**site.profile())

    change_policy(
        endpoint_policy(), endpoint_policy("Deny", Action="sagemaker:CreatePresigned*")
    )
    describe(**site.profile())
    text = refusal(create, **site.profile())
    assert text.endswith("with an explicit deny in a VPC endpoint policy")


def test_an_endpoint_policy_never_grants(site, change_policy):
    change_policy()
    refused = refusal(site.by_vpc().list_domains)
    assert refused.endswith(IDENTITY.format("ListDomains"))


def test_an_endpoint_policy_limits_resources_and_principals(site, change_policy):
    profiles = f"arn:aws:sagemaker:us-west-2:123456789012:user-profile/{site.saved['domain']}"
    client = site.by_vpc()
    change_policy(endpoint_policy(Resource=f"{profiles}/*"))
    client.create_presigned_domain_url(**site.profile())
    change_policy(endpoint_policy(Resource=f"{profiles}/bob"))
    refusal(client.create_presigned_domain_url, **site.profile())
    user = "arn:aws:iam::123456789012:user/by-vpc"
    change_policy(endpoint_policy(Principal={"AWS": user}))
    client.create_presigned_domain_url(**site.profile())
    change_policy(
        endpoint_policy(Principal={"AWS": "arn:aws:iam::123456789012:user/by-endpoint"})
    )
    refusal(client.create_presigned_domain_url, **site.profile())
    # The root user is not above it.
    root = site.root.client("sagemaker", site.row()["url"])
    assert refusal(root.list_domains).endswith(ENDPOINT.format("ListDomains"))


def test_an_endpoint_leaves_and_enters_subnets(site):
    row = site.row(subnet="subnet_b")
    endpoint = {"VpcEndpointId": site.saved["api_endpoint"]}
    client = site.by_vpc(subnet="subnet_b")
    client.create_presigned_domain_url(**site.profile())
    site.ec2.modify_vpc_endpoint(**endpoint, RemoveSubnetIds=[site.saved["subnet_b"]])
    assert site.row(subnet="subnet_b") is None
    user = site.server.principal("user/by-vpc")
    closed(user.client("sagemaker", row["url"]).list_domains)
    site.by_vpc().create_presigned_domain_url(**site.profile())
    site.ec2.modify_vpc_endpoint(**endpoint, AddSubnetIds=[site.saved["subnet_b"]])
    site.by_vpc(subnet="subnet_b").create_presigned_domain_url(**site.profile())


def test_the_names_of_an_endpoint_are_accepted_there_and_only_there(site):
    described = site.ec2.describe_vpc_endpoints(VpcEndpointIds=[site.saved["api_endpoint"]])
    names = [entry["DnsName"] for entry in described["VpcEndpoints"][0]["DnsEntries"]]
    regional = names[0]
    assert regional.startswith(site.saved["api_endpoint"] + "-")
    assert regional.endswith(".api.sagemaker.us-west-2.vpce.amazonaws.com")
    for name in [
        *names,
        f"{site.saved['api_endpoint']}.api.sagemaker.us-west-2.vpce.amazonaws.com",
    ]:
        answer = call_by_name(site, name, site.row()["url"])
        assert answer.status_code == 200, (name, answer.text)
        assert "AuthorizedUrl" in answer.json()
    # A name does not make a network.
    answer = call_by_name(site, regional, site.server.url)
    assert answer.status_code == 400
    assert answer.json()["Message"].endswith(IDENTITY.format("CreatePresignedDomainUrl"))


def call_by_name(site, name, url):
    """Signs a call for a host name, and sends it to an address."""
    user = site.server.principal("user/by-vpc")
    request = botocore.awsrequest.AWSRequest(
        "POST",
        f"http://{name}/",
        headers={
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": "SageMaker.CreatePresignedDomainUrl",
        },
        data=json.dumps(site.profile()),
    )
    credentials = botocore.credentials.Credentials(
        user.variables["AWS_ACCESS_KEY_ID"], user.variables["AWS_SECRET_ACCESS_KEY"]
    )
    botocore.auth.SigV4Auth(credentials, "sagemaker", "us-west-2").add_auth(request)
    session = requests.Session()
    session.trust_env = False
    headers = {**dict(request.headers), "Host": name}
    return session.post(url, headers=headers, data=request.data, timeout=30)


def test_a_denial_outside_the_vpc_binds_administrators_too(site):
    name = "administrator"
    site.iam.create_user(UserName=name)
    site.iam.attach_user_policy(
        UserName=name, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess"
    )
    outside = {"StringNotEquals": {"aws:SourceVpc": site.saved["vpc"]}}
    deny = {"Effect": "Deny", "Action": "sagemaker:*", "Resource": "*", "Condition": outside}
    document = json.dumps({"Version": "2012-10-17", "Statement": deny})
    site.iam.put_user_policy(UserName=name, PolicyName="inside", PolicyDocument=document)
    user = site.server.principal(f"user/{name}")
    inside = user.client("sagemaker", site.row()["url"])
    inside.create_presigned_domain_url(**site.profile())
    elsewhere = site.row("other_endpoint", "other_subnet")["url"]
    for url in (None, elsewhere):
        text = refusal(
            user.client("sagemaker", url).create_presigned_domain_url, **site.profile()
        )
        assert text.endswith("with an explicit deny in an identity-based policy")


def test_without_the_api_endpoint_no_url_is_made_inside_but_studio_stays_open(site):
    browser = requests.Session()
    browser.trust_env = False
    url = site.by_vpc().create_presigned_domain_url(**site.profile())["AuthorizedUrl"]
    assert browser.get(url).status_code == 200
    home = site.row("studio_endpoint")["url"]
    api = site.row()["url"]
    user = site.server.principal("user/by-vpc")

    site.ec2.delete_vpc_endpoints(VpcEndpointIds=[site.saved["api_endpoint"]])
    assert site.row() is None
    closed(user.client("sagemaker", api).create_presigned_domain_url, **site.profile())
    assert browser.get(f"{home}/").status_code == 200
    site.ec2.delete_vpc_endpoints(VpcEndpointIds=[site.saved["studio_endpoint"]])
    with pytest.raises(requests.exceptions.ConnectionError):
        browser.get(f"{home}/")
