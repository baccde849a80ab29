"""Condition keys and endpoint policies that decide about spaces, apps and domains, each once where it allows
and once where it denies."""

import itertools
import json

import botocore.exceptions
import pytest
import requests

from conftest import ACCOUNT, REGION, shared
from studio import Studio, close, denied, domain, profile

NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    site = Studio(tmp_path_factory.mktemp("keys") / "data")
    site.other = domain(site.root, "other", site.role)
    profile(site.root, site.other, "ann")
    site.subnets = site.ec2.describe_subnets()["Subnets"][:2]
    for name, owner, sharing in [
        ("anns", "ann", "Private"),
        ("bens", "ben", "Private"),
        ("anns-shared", "ann", "Shared"),
    ]:
        site.sagemaker.create_space(**space(site, name, owner, sharing))
    site.sagemaker.create_space(DomainId=site.domain, SpaceName="nobodys")
    yield site
    close(site.server)


def space(site, name=None, owner="ann", sharing="Private", **settings):
    """What CreateSpace makes a space of."""
    return {
        "DomainId": site.domain,
        "SpaceName": name or f"space-{next(NUMBERS)}",
        "OwnershipSettings": {"OwnerUserProfileName": owner},
        "SpaceSharingSettings": {"SharingType": sharing},
        "SpaceSettings": settings,
    }


def update(site, name, **settings):
    """What UpdateSpace changes nothing with, unless settings are named."""
    given = {"SpaceSettings": settings} if settings else {"SpaceDisplayName": "changed"}
    return {"DomainId": site.domain, "SpaceName": name, **given}


def app(site, instance=None, **owner):
    """An app that nothing here runs: it is stored as Failed at once, and may be made again."""
    spec = {"ResourceSpec": {"InstanceType": instance}} if instance else {}
    return {**named(site, **(owner or {"UserProfileName": "ann"})), **spec}


def named(site, **owner):
    return {"DomainId": site.domain, **owner, "AppType": "TensorBoard", "AppName": "default"}


def on(instance):
    return {"JupyterLabAppSettings": {"DefaultResourceSpec": {"InstanceType": instance}}}


def limited(actions, key, values, operator="StringEquals", quantifier=""):
    """The two ways of limiting actions to values of a key: allowing those, and denying all others."""
    base = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    passing = {**base, "Action": "iam:PassRole"}
    inverse = operator.replace("ArnLike", "ArnNotLike").replace("StringE", "StringNotE")
    # All have to be among the values; one that is not is denied.
    other = "ForAnyValue:" if quantifier else ""
    allowing = [{**base, "Condition": {quantifier + operator: {key: values}}}]
    denying = [base, {**base, "Effect": "Deny", "Condition": {other + inverse: {key: values}}}]
    return [
        json.dumps({"Version": "2012-10-17", "Statement": [passing, *statements]})
        for statements in (allowing, denying)
    ]


def holds(site, policies, right, wrong):
    """Under each policy, the right calls succeed and the wrong ones are denied. A call is the name of an
    operation and a function of the site that answers its members."""
    for policy in policies:
        caller = site.user(f"user-{next(NUMBERS)}", policy).client("sagemaker")
        for operation, members in wrong:
            denied(getattr(caller, operation), camel(operation), **members())
        for operation, members in right:
            getattr(caller, operation)(**members())


def camel(operation):
    return "".join(word.title() for word in operation.split("_"))


def sagemaker(*operations):
    return [f"sagemaker:{it}" for it in operations]


def test_owner_user_profile_arn(site):
    ann = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:user-profile/{site.domain}/ann"
    actions = sagemaker("CreateSpace", "UpdateSpace", "CreateApp", "DeleteApp")
    holds(
        site,
        limited(actions, "sagemaker:OwnerUserProfileArn", ann, "ArnLike"),
        right=[
            ("create_space", lambda: space(site, owner="ann")),
            # A name is the same in every case.
            ("create_space", lambda: space(site, owner="ANN")),
            ("update_space", lambda: update(site, "anns")),
            ("create_app", lambda: app(site, SpaceName="anns")),
            ("delete_app", lambda: named(site, SpaceName="anns")),
        ],
        wrong=[
            ("create_space", lambda: space(site, owner="ben")),
            ("create_space", lambda: space(site, owner="BEN")),
            ("create_space", lambda: {"DomainId": site.domain, "SpaceName": "without"}),
            ("update_space", lambda: update(site, "bens")),
            ("update_space", lambda: update(site, "nobodys")),
            ("create_app", lambda: app(site, SpaceName="bens")),
            ("delete_app", lambda: named(site, SpaceName="bens")),
        ],
    )


def test_space_sharing_type(site):
    actions = sagemaker("CreateSpace", "UpdateSpace", "CreateApp", "DeleteApp")
    holds(
        site,
        limited(actions, "sagemaker:SpaceSharingType", ["Shared"]),
        right=[
            ("create_space", lambda: space(site, sharing="Shared")),
            ("update_space", lambda: update(site, "anns-shared")),
            ("create_app", lambda: app(site, SpaceName="anns-shared")),
            ("delete_app", lambda: named(site, SpaceName="anns-shared")),
        ],
        wrong=[
            ("create_space", lambda: space(site, sharing="Private")),
            ("update_space", lambda: update(site, "anns")),
            ("create_app", lambda: app(site, SpaceName="anns")),
            ("delete_app", lambda: named(site, SpaceName="anns")),
            # What is not shared was not said to be private either.
            ("update_space", lambda: update(site, "nobodys")),
        ],
    )


def test_remote_access(site):
    holds(
        site,
        limited(sagemaker("CreateSpace", "UpdateSpace"), "sagemaker:RemoteAccess", ["DISABLED"]),
        right=[
            ("create_space", lambda: space(site, RemoteAccess="DISABLED")),
            ("update_space", lambda: update(site, "anns", RemoteAccess="DISABLED")),
        ],
        wrong=[
            ("create_space", lambda: space(site, RemoteAccess="ENABLED")),
            ("update_space", lambda: update(site, "anns", RemoteAccess="ENABLED")),
            # What is not named has no value, so it is none that is let through.
            ("update_space", lambda: update(site, "anns")),
        ],
    )


def test_instance_types(site):
    small, large = "ml.t3.large", "ml.m5.4xlarge"
    actions = sagemaker(
        "CreateSpace", "UpdateSpace", "CreateApp", "CreateUserProfile", "UpdateUserProfile"
    )

    def settings(instance):
        return {
            "DomainId": site.domain,
            "UserProfileName": f"profile-{next(NUMBERS)}",
            "UserSettings": on(instance),
        }

    holds(
        site,
        limited(actions, "sagemaker:InstanceTypes", [small], quantifier="ForAllValues:"),
        right=[
            ("create_space", lambda: space(site, **on(small))),
            ("update_space", lambda: update(site, "anns", **on(small))),
            ("create_app", lambda: app(site, small, SpaceName="anns")),
            ("create_app", lambda: app(site, small)),
            ("create_user_profile", lambda: settings(small)),
        ],
        wrong=[
            ("create_space", lambda: space(site, **on(large))),
            ("update_space", lambda: update(site, "anns", **on(large))),
            ("create_app", lambda: app(site, large, SpaceName="anns")),
            ("create_app", lambda: app(site, large)),
            ("create_user_profile", lambda: settings(large)),
            ("update_user_profile", lambda: {**settings(large), "UserProfileName": "ann"}),
        ],
    )


def test_vpc_subnets(site):
    one, two = (it["SubnetId"] for it in site.subnets)
    actions = sagemaker("CreateDomain", "UpdateDomain", "CreateNotebookInstance")

    def new(*subnets):
        return {
            "DomainName": f"domain-{next(NUMBERS)}",
            "AuthMode": "IAM",
            "VpcId": site.subnets[0]["VpcId"],
            "SubnetIds": subnets,
            "DefaultUserSettings": {"ExecutionRole": site.role},
        }

    def notebook(subnet):
        return {
            "NotebookInstanceName": f"notebook-{next(NUMBERS)}",
            "InstanceType": "ml.t3.medium",
            "RoleArn": site.role,
            **({"SubnetId": subnet} if subnet else {}),
            # Keeps it from running: nothing reaches a repository from here.
            "DefaultCodeRepository": "https://git.example.com/team/notebooks.git",
        }

    holds(
        site,
        limited(actions, "sagemaker:VpcSubnets", [one], quantifier="ForAllValues:"),
        right=[
            ("create_domain", lambda: new(one)),
            ("update_domain", lambda: {"DomainId": site.other, "SubnetIds": [one]}),
            ("create_notebook_instance", lambda: notebook(one)),
        ],
        wrong=[
            ("create_domain", lambda: new(two)),
            ("create_domain", lambda: new(one, two)),
            ("update_domain", lambda: {"DomainId": site.other, "SubnetIds": [one, two]}),
            ("create_notebook_instance", lambda: notebook(two)),
        ],
    )


# The policies of endpoints that the documentation of Studio has


def endpoint(site):
    """An endpoint of the API, made when it is first asked for; its id and URL."""
    if not hasattr(site, "endpoint"):
        site.endpoint = site.ec2.create_vpc_endpoint(
            VpcEndpointType="Interface",
            VpcId=site.subnets[0]["VpcId"],
            ServiceName=f"com.amazonaws.{REGION}.sagemaker.api",
            SubnetIds=[site.subnets[0]["SubnetId"]],
        )["VpcEndpoint"]["VpcEndpointId"]
    url = next(it["url"] for it in site.server.endpoints() if it["id"] == site.endpoint)
    return site.endpoint, url


def through(site, policy):
    """Root through the endpoint under a policy; and by the public way."""
    name, url = endpoint(site)
    site.ec2.modify_vpc_endpoint(VpcEndpointId=name, PolicyDocument=policy)
    return site.root.client("sagemaker", url), site.sagemaker


def seed(site, name):
    text = (shared() / "seed-policies" / f"001-endpoint-policy-{name}.json").read_text()
    return text.replace("111122223333", ACCOUNT).replace("domain-id", site.domain)


def gateway(domain):
    return {
        "DomainId": domain,
        "UserProfileName": "ann",
        "AppType": "KernelGateway",
        "AppName": f"kernel-{next(NUMBERS)}",
    }


def by_endpoint(call, action, **given):
    text = denied(call, action, **given)
    assert text.endswith(f"because no VPC endpoint policy allows the sagemaker:{action} action")


def test_the_endpoint_policy_for_create_app(site):
    inside, outside = through(site, seed(site, "create-app"))
    mine = gateway(site.domain)
    assert inside.create_app(**mine)["AppArn"].endswith(f"/kernelgateway/{mine['AppName']}")
    by_endpoint(inside.create_app, "CreateApp", **gateway(site.other))
    outside.create_app(**gateway(site.other))
    # So do the apps of a space that a profile of the domain owns; nobody's space has no such profile.
    inside.create_app(**app(site, SpaceName="bens"))
    by_endpoint(inside.create_app, "CreateApp", **app(site, SpaceName="nobodys"))
    # It allows nothing else.
    url = {"DomainId": site.domain, "UserProfileName": "ann"}
    by_endpoint(inside.create_presigned_domain_url, "CreatePresignedDomainUrl", **url)
    by_endpoint(inside.describe_app, "DescribeApp", **mine)


def test_the_endpoint_policy_for_presigned_urls(site):
    inside, outside = through(site, seed(site, "presigned-url"))
    for profile_name in ("ann", "ben"):
        given = {"DomainId": site.domain, "UserProfileName": profile_name}
        assert inside.create_presigned_domain_url(**given)["AuthorizedUrl"]
    other = {"DomainId": site.other, "UserProfileName": "ann"}
    by_endpoint(inside.create_presigned_domain_url, "CreatePresignedDomainUrl", **other)
    assert outside.create_presigned_domain_url(**other)["AuthorizedUrl"]
    by_endpoint(inside.create_app, "CreateApp", **gateway(site.domain))


def test_the_endpoint_of_studio_lets_in_whom_either_policy_lets_in(site):
    """Whoever may open Studio as a profile, and whoever may start apps in it, is let in."""
    name = site.ec2.create_vpc_endpoint(
        VpcEndpointType="Interface",
        VpcId=site.subnets[0]["VpcId"],
        ServiceName=f"aws.sagemaker.{REGION}.studio",
        SubnetIds=[site.subnets[0]["SubnetId"]],
    )["VpcEndpoint"]["VpcEndpointId"]
    try:
        everything = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
        inside, _ = through(site, json.dumps({"Statement": everything}))
        browser = requests.Session()
        browser.trust_env = False
        url = inside.create_presigned_domain_url(DomainId=site.domain, UserProfileName="ann")
        page = browser.get(url["AuthorizedUrl"], timeout=60)
        assert page.status_code == 200 and name in page.text
        for policy, status in [
            ("create-app", 200),
            ("presigned-url", 200),
            ("of-another-domain", 403),
            ("create-app", 200),
        ]:
            other = policy == "of-another-domain"
            text = seed(site, "create-app" if other else policy)
            text = text.replace(site.domain, site.other) if other else text
            site.ec2.modify_vpc_endpoint(VpcEndpointId=name, PolicyDocument=text)
            answer = browser.get(page.url, timeout=60)
            assert answer.status_code == status, (policy, answer.text)
            if status == 403:
                assert "because no VPC endpoint policy allows" in answer.text
    finally:
        site.ec2.delete_vpc_endpoints(VpcEndpointIds=[name])


@pytest.mark.parametrize("kind", ["user-profile", "app"])
@pytest.mark.parametrize("effect", ["Allow", "Deny"])
def test_endpoint_policies_see_an_app_by_either_of_its_arns(site, kind, effect):
    """An allow of one of them suffices, and so does a deny."""
    statement = {
        "Effect": effect,
        "Principal": "*",
        "Action": "sagemaker:CreateApp",
        "Resource": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{kind}/{site.domain}/*",
    }
    everything = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
    statements = [statement] if effect == "Allow" else [statement, everything]
    inside, outside = through(site, json.dumps({"Statement": statements}))
    of_domain, of_other = app(site), {**app(site), "DomainId": site.other}
    if effect == "Allow":
        assert inside.create_app(**of_domain)["AppArn"]
        by_endpoint(inside.create_app, "CreateApp", **of_other)
    else:
        text = denied(inside.create_app, "CreateApp", **of_domain)
        assert text.endswith("with an explicit deny in a VPC endpoint policy")
        assert inside.create_app(**of_other)["AppArn"]
    assert outside.create_app(**of_domain)["AppArn"]


# The least memory for remote access


def test_an_app_with_remote_access_has_eight_gib(site):
    """The rule is about apps: what a space has by default may be less, as its apps may have more."""
    name = f"remote-{next(NUMBERS)}"
    site.sagemaker.create_space(**space(site, name, RemoteAccess="DISABLED", **on("ml.t3.medium")))
    enabled = {"RemoteAccess": "ENABLED"}
    site.sagemaker.update_space(**update(site, name, **enabled, **on("ml.c5.large")))
    given = {"DomainId": site.domain, "SpaceName": name, "AppType": "JupyterLab"}
    given["AppName"] = "default"
    for spec in ({}, {"ResourceSpec": {"InstanceType": "ml.c5.large"}}):
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            site.sagemaker.create_app(**given, **spec)
        assert caught.value.response["Error"] == {
            "Code": "ValidationException",
            "Message": (
                f"Unable to create app for [{name}] because instanceType [ml.c5.large] is not "
                "supported for remote access enabled spaces. Use instanceType with at least 8 GiB "
                "memory."
            ),
        }
    site.sagemaker.create_app(**given, ResourceSpec={"InstanceType": "ml.t3.large"})
