"""What spaces are told and have from their domain, without anything running in them."""

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
