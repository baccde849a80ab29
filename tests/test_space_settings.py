"""What spaces are told and have from their domain, without anything running in them."""

import botocore.exceptions
import pytest
import requests

from conftest import REPOSITORY
from studio import domain, profile

TRUST = REPOSITORY / "examples" / "studio-vpc" / "policies" / "sagemaker-trust.json"


@pytest.fixture(scope="module")
def root(module_server):
    return module_server.principal()


@pytest.fixture(scope="module")
def team(root):
    return domain(root, "team")


def test_the_deep_link_is_asked_for_as_the_role_of_the_space(root, team):
    ann = profile(root, team, "ann")
    role = root.client("iam").create_role(
        RoleName="shared-spaces", AssumeRolePolicyDocument=TRUST.read_text()
    )["Role"]["Arn"]
    sagemaker = root.client("sagemaker")
    sagemaker.update_domain(DomainId=team, DefaultSpaceSettings={"ExecutionRole": role})
    sagemaker.create_space(
        DomainId=team,
        SpaceName="everybodys",
        SpaceSettings={"AppType": "JupyterLab", "RemoteAccess": "ENABLED"},
        OwnershipSettings={"OwnerUserProfileName": ann},
        SpaceSharingSettings={"SharingType": "Shared"},
    )
    browser = requests.Session()
    url = sagemaker.create_presigned_domain_url(DomainId=team, UserProfileName=ann)
    home = browser.get(url["AuthorizedUrl"], timeout=60)
    # Nothing runs: the role is what an app would have, not that of the visitor's profile.
    answer = browser.post(f"{home.url}spaces/everybodys/connect", timeout=60)
    assert answer.status_code == 403, answer.text
    assert ":assumed-role/shared-spaces/SageMaker is not authorized" in answer.text
    assert "sagemaker:StartSession" in answer.text


def test_a_display_name_is_one_line(root, team):
    """The service model's pattern of NonEmptyString64: its dot takes no line terminator."""
    sagemaker = root.client("sagemaker")
    for name in ("two\nlines", "two\rlines", "two\u2028lines", " "):
        with pytest.raises(botocore.exceptions.ClientError) as refused:
            sagemaker.create_space(DomainId=team, SpaceName="shown", SpaceDisplayName=name)
        assert refused.value.response["Error"]["Code"] == "ValidationException"
        assert "spaceDisplayName" in refused.value.response["Error"]["Message"]
    sagemaker.create_space(DomainId=team, SpaceName="shown", SpaceDisplayName="a\ttab")
    found = sagemaker.describe_space(DomainId=team, SpaceName="shown")
    assert found["SpaceDisplayName"] == "a\ttab"


def test_repositories_to_clone_are_told_where_jupyterlab_asks(root, team):
    """SageMaker's extension of JupyterLab shows the repositories that DescribeDomain,
    DescribeUserProfile and DescribeSpace name: an app is handed them in no other way."""
    sagemaker = root.client("sagemaker")

    def named(name):
        return {"CodeRepositories": [{"RepositoryUrl": f"https://git.example/{name}.git"}]}

    sagemaker.update_domain(
        DomainId=team, DefaultUserSettings={"JupyterLabAppSettings": named("domain")}
    )
    sagemaker.create_user_profile(
        DomainId=team,
        UserProfileName="ben",
        UserSettings={"JupyterLabAppSettings": named("profile")},
    )
    sagemaker.create_space(
        DomainId=team,
        SpaceName="cloned",
        SpaceSettings={"AppType": "JupyterLab", "JupyterLabAppSettings": named("space")},
        OwnershipSettings={"OwnerUserProfileName": "ben"},
        SpaceSharingSettings={"SharingType": "Private"},
    )
    told = sagemaker.describe_domain(DomainId=team)["DefaultUserSettings"]
    assert told["JupyterLabAppSettings"] == named("domain")
    told = sagemaker.describe_user_profile(DomainId=team, UserProfileName="ben")["UserSettings"]
    assert told["JupyterLabAppSettings"] == named("profile")
    told = sagemaker.describe_space(DomainId=team, SpaceName="cloned")["SpaceSettings"]
    assert told["JupyterLabAppSettings"] == named("space")
