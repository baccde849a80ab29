"""SageMaker's spaces, apps and remote access."""

from matrix import entry
from matrix.sagemaker import TAGS

REMOTE = {"AppType": "JupyterLab", "RemoteAccess": "ENABLED"}


@entry("sagemaker", "CreateSpace", needs=["sagemaker:CreateSpace", "sagemaker:AddTags"])
def new_space(world):
    owner = world.user_profile()
    return {
        "DomainId": owner["DomainId"],
        "SpaceName": world.name("space"),
        "SpaceSettings": REMOTE,
        "OwnershipSettings": {"OwnerUserProfileName": owner["UserProfileName"]},
        "SpaceSharingSettings": {"SharingType": "Private"},
        "Tags": TAGS,
    }


def space(world):
    given = new_space(world)
    world.sagemaker.create_space(**given)
    return {"DomainId": given["DomainId"], "SpaceName": given["SpaceName"]}


for operation in ("DescribeSpace", "UpdateSpace", "DeleteSpace"):
    entry("sagemaker", operation)(space)


@entry("sagemaker", "ListSpaces")
def list_spaces(world):
    return {}


def new_app(world):
    return {**world.user_profile(), "AppType": "KernelGateway", "AppName": "kernel"}


@entry("sagemaker", "CreateApp", needs=["sagemaker:CreateApp", "sagemaker:AddTags"])
def new_app_with_tags(world):
    return {**new_app(world), "Tags": TAGS}


def app(world):
    given = new_app(world)
    world.sagemaker.create_app(**given)
    return given


for operation in ("DescribeApp", "DeleteApp"):
    entry("sagemaker", operation)(app)


@entry("sagemaker", "ListApps")
def list_apps(world):
    return {}


# That the space has no app to connect to is told to those only who may connect.
@entry("sagemaker", "StartSession", refused="ValidationException")
def start_session(world):
    given = space(world)
    name = f"{given['DomainId']}/{given['SpaceName']}"
    return {"ResourceIdentifier": f"arn:aws:sagemaker:us-west-2:123456789012:space/{name}"}
