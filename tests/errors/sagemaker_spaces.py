"""SageMaker's spaces, apps and remote access. All errors have status 400."""

from errors import case, prepared
from matrix.sagemaker import TAGS
from matrix.sagemaker_spaces import REMOTE, app, new_app, new_space, space

DOMAIN = "d-abcdefghijkl"
PREFIX = "arn:aws:sagemaker:us-west-2:123456789012"
NOT_FOUND, IN_USE, INVALID = "ResourceNotFound", "ResourceInUse", "ValidationException"
KIND = {"AppType": "JupyterLab", "AppName": "default"}
SMALL = (
    "Unable to create app for [{SpaceName}] because instanceType [ml.t3.medium] is not supported for "
    "remote access enabled spaces. Use instanceType with at least 8 GiB memory."
)


def sagemaker(operation, code, text, /, **arguments):
    case("sagemaker", operation, code, 400, text, **arguments)


def fails(operation, code, text):
    return prepared("sagemaker", operation, code, 400, text)


def arn_of(given):
    return f"{PREFIX}:space/{given['DomainId']}/{given['SpaceName']}"


# What does not exist

for operation in ("CreateSpace", "DescribeSpace", "UpdateSpace", "DeleteSpace"):
    text = "RecordNotFound: Domain [{DomainId}] does not exist."
    sagemaker(operation, NOT_FOUND, text, DomainId=DOMAIN, SpaceName="lab")

for operation in ("CreateApp", "DescribeApp", "DeleteApp"):
    text = "RecordNotFound: Domain [{DomainId}] does not exist."
    sagemaker(operation, NOT_FOUND, text, DomainId=DOMAIN, SpaceName="lab", **KIND)

for operation in ("DescribeSpace", "UpdateSpace", "DeleteSpace"):

    @fails(operation, NOT_FOUND, f"Space [{PREFIX}:space/{{DomainId}}/nothing] does not exist.")
    def no_space(world):
        return {"DomainId": world.shared_domain(), "SpaceName": "nothing"}


for operation in ("DescribeApp", "DeleteApp"):

    @fails(operation, NOT_FOUND, "/{SpaceName}/jupyterlab/default] does not exist.")
    def no_app(world):
        return {**space(world), **KIND}


for operation in ("CreateApp", "DescribeApp", "DeleteApp"):

    @fails(operation, NOT_FOUND, "Space [")
    def app_of_no_space(world):
        return {"DomainId": world.shared_domain(), "SpaceName": "nothing", **KIND}


@fails("CreateSpace", NOT_FOUND, "/nobody] does not exist.")
def space_of_nobody(world):
    return {**new_space(world), "OwnershipSettings": {"OwnerUserProfileName": "nobody"}}


@fails("StartSession", NOT_FOUND, "RecordNotFound: Space [{ResourceIdentifier}] does not exist.")
def session_in_no_space(world):
    return {"ResourceIdentifier": f"{PREFIX}:space/{world.shared_domain()}/nothing"}


# What exists already, or is in use


@fails("CreateSpace", IN_USE, "The Space with SpaceName {SpaceName} already exists")
def same_space_in_capitals(world):
    given = new_space(world)
    world.sagemaker.create_space(**given)
    return {**given, "SpaceName": given["SpaceName"].upper()}


@fails("DeleteUserProfile", IN_USE, "because App(s) are associated with it.")
def profile_with_app(world):
    given = app(world)
    return {key: given[key] for key in ("DomainId", "UserProfileName")}


@fails("DeleteUserProfile", IN_USE, "because Space(s) are associated with it.")
def profile_with_space(world):
    given = new_space(world)
    world.sagemaker.create_space(**given)
    owner = given["OwnershipSettings"]["OwnerUserProfileName"]
    return {"DomainId": given["DomainId"], "UserProfileName": owner}


@fails("DeleteSpace", IN_USE, f"Space [{PREFIX}:space/{{DomainId}}/{{SpaceName}}] because App(s) are")
def space_with_app(world):
    given = space(world)
    world.sagemaker.create_app(**given, **KIND, ResourceSpec={"InstanceType": "ml.t3.large"})
    return given


# What is not allowed


@fails("CreateSpace", INVALID, "must be given together")
def owner_without_sharing(world):
    given = new_space(world)
    del given["SpaceSharingSettings"]
    return given


@fails("CreateSpace", INVALID, "Tag key 'sagemaker:user-profile-arn' is not valid")
def space_with_the_owners_tag(world):
    tags = [{"Key": "sagemaker:user-profile-arn", "Value": "x"}]
    return {**new_space(world), "Tags": tags}


@fails("UpdateSpace", INVALID, "AppType cannot be changed to CodeEditor")
def other_app_type(world):
    return {**space(world), "SpaceSettings": {"AppType": "CodeEditor"}}


@fails("CreateApp", INVALID, SMALL)
def too_small_for_remote_access(world):
    return {**space(world), **KIND}


@fails("CreateApp", INVALID, "The AppType of Space [{SpaceName}] is JupyterLab")
def other_kind_of_app(world):
    return {**space(world), **KIND, "AppType": "CodeEditor"}


@fails("CreateApp", INVALID, "Tag key 'sagemaker:user-profile-arn' is not valid")
def app_with_the_owners_tag(world):
    tags = [{"Key": "sagemaker:user-profile-arn", "Value": "x"}]
    return {**new_app(world), "Tags": tags}


for operation in ("CreateApp", "DescribeApp", "DeleteApp"):
    text = "Exactly one of UserProfileName and SpaceName must be given."
    sagemaker(operation, INVALID, text, DomainId=DOMAIN, **KIND)
    both = {"UserProfileName": "ann", "SpaceName": "lab"}
    sagemaker(operation, INVALID, text, DomainId=DOMAIN, **both, **KIND)

for operation in ("ListSpaces", "ListApps"):
    sagemaker(operation, INVALID, "NextToken", NextToken="bm90IG9mIG91cnM=")


@fails("StartSession", INVALID, "Remote access is not enabled for Space [")
def session_without_remote_access(world):
    given = new_space(world)
    settings = {key: value for key, value in REMOTE.items() if key != "RemoteAccess"}
    world.sagemaker.create_space(**{**given, "SpaceSettings": settings})
    return {"ResourceIdentifier": arn_of(given)}


@fails("StartSession", INVALID, "Start its JupyterLab or CodeEditor app with CreateApp.")
def session_without_app(world):
    return {"ResourceIdentifier": arn_of(space(world))}


sagemaker(
    "StartSession",
    INVALID,
    "'{ResourceIdentifier}' is not the ARN of a space",
    ResourceIdentifier=f"{PREFIX}:domain/{DOMAIN}",
)


@fails("AddTags", INVALID, "Tag key 'sagemaker:user-profile-arn' is not valid")
def owners_tag_of_a_space(world):
    tags = [*TAGS, {"Key": "sagemaker:user-profile-arn", "Value": "x"}]
    return {"ResourceArn": arn_of(space(world)), "Tags": tags}


@fails("DeleteTags", INVALID, "Tag key 'sagemaker:user-profile-arn' is not valid")
def without_the_owners_tag(world):
    return {"ResourceArn": arn_of(space(world)), "TagKeys": ["sagemaker:user-profile-arn"]}
