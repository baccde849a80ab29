"""SageMaker's configurations, images and notebook instances. All errors have status 400."""

from errors.sagemaker import (
    ABSENT_ROLE,
    IN_USE,
    INVALID,
    NO_ROLE,
    NOT_FOUND,
    fails,
    sagemaker,
)
from matrix.sagemaker_resources import (
    app_image_config,
    failed_notebook,
    image,
    image_version,
    new_app_image_config,
    new_image,
    new_image_version,
    new_notebook,
    new_notebook_config,
    new_studio_lifecycle_config,
    notebook,
    notebook_config,
    studio_lifecycle_config,
)

STUDIO_CONFIG = "arn:aws:sagemaker:us-west-2:123456789012:studio-lifecycle-config"

# Lifecycle configurations of Studio

for operation in ("DescribeStudioLifecycleConfig", "DeleteStudioLifecycleConfig"):
    sagemaker(
        operation,
        NOT_FOUND,
        "StudioLifecycleConfig with StudioLifecycleConfigName {StudioLifecycleConfigName} does not "
        "exist. Please provide a valid StudioLifecycleConfigName.",
        StudioLifecycleConfigName="nothing",
    )


@fails("CreateStudioLifecycleConfig", IN_USE, "already exists")
def same_studio_lifecycle_config(world):
    return {**new_studio_lifecycle_config(world), **studio_lifecycle_config(world)}


@fails("CreateStudioLifecycleConfig", INVALID, "StudioLifecycleConfigContent must be the script")
def no_base64(world):
    given = new_studio_lifecycle_config(world)
    return {**given, "StudioLifecycleConfigContent": "echo hello"}


@fails(
    "CreateStudioLifecycleConfig",
    INVALID,
    "at 'studioLifecycleConfigContent' failed to satisfy constraint: Member must have length less "
    "than or equal to 16384",
)
def long_script(world):
    given = new_studio_lifecycle_config(world)
    return {**given, "StudioLifecycleConfigContent": "A" * 16_388}


@fails("CreateStudioLifecycleConfig", INVALID, "enum value set: [")
def other_app_type(world):
    return {**new_studio_lifecycle_config(world), "StudioLifecycleConfigAppType": "Canvas"}


sagemaker(
    "ListStudioLifecycleConfigs", INVALID, "NextToken", NextToken="bm90IG9mIG91cnM="
)


def lab_settings(arn):
    return {"JupyterLabAppSettings": {"LifecycleConfigArns": [arn]}}


@fails("UpdateDomain", INVALID, f"The StudioLifecycleConfig [{STUDIO_CONFIG}/nothing] does not exist")
def domain_with_no_lifecycle_config(world):
    return {
        "DomainId": world.shared_domain(),
        "DefaultUserSettings": lab_settings(f"{STUDIO_CONFIG}/nothing"),
    }


@fails("UpdateUserProfile", INVALID, "is for apps of type JupyterLab")
def profile_with_lifecycle_config_of_another_app(world):
    name = studio_lifecycle_config(world)["StudioLifecycleConfigName"]
    settings = {"CodeEditorAppSettings": {"LifecycleConfigArns": [f"{STUDIO_CONFIG}/{name}"]}}
    return {**world.user_profile(), "UserSettings": settings}


@fails(
    "DeleteStudioLifecycleConfig",
    IN_USE,
    f"Unable to delete StudioLifecycleConfig [{STUDIO_CONFIG}/{{StudioLifecycleConfigName}}] because "
    "UserProfile(s) are associated with it.",
)
def studio_lifecycle_config_in_use(world):
    given = studio_lifecycle_config(world)
    arn = f"{STUDIO_CONFIG}/{given['StudioLifecycleConfigName']}"
    world.sagemaker.update_user_profile(
        **world.user_profile(), UserSettings=lab_settings(arn)
    )
    return given


# How apps run images

for operation in ("DescribeAppImageConfig", "UpdateAppImageConfig", "DeleteAppImageConfig"):
    sagemaker(
        operation,
        NOT_FOUND,
        "AppImageConfig with AppImageConfigName {AppImageConfigName} does not exist. Please provide "
        "a valid AppImageConfigName.",
        AppImageConfigName="nothing",
    )


@fails("CreateAppImageConfig", IN_USE, "The ID or Name specified is already in use.")
def same_app_image_config(world):
    return {**new_app_image_config(world), **app_image_config(world)}


@fails(
    "UpdateAppImageConfig",
    INVALID,
    "at 'kernelGatewayImageConfig.kernelSpecs' failed to satisfy constraint: Member must have length "
    "less than or equal to 5",
)
def many_kernels(world):
    kernels = [{"Name": f"k{number}"} for number in range(6)]
    return {**app_image_config(world), "KernelGatewayImageConfig": {"KernelSpecs": kernels}}


for operation in ("ListAppImageConfigs", "ListImages"):
    sagemaker(operation, INVALID, "NextToken", NextToken="bm90IG9mIG91cnM=")


# Images

NO_IMAGE = "Image with ImageName {ImageName} does not exist. Please provide a valid ImageName."
for operation, more in [
    ("DescribeImage", {}),
    ("UpdateImage", {}),
    ("DeleteImage", {}),
    ("CreateImageVersion", {"BaseImage": "image", "ClientToken": "token"}),
    ("DescribeImageVersion", {}),
    ("UpdateImageVersion", {"Version": 1}),
    ("DeleteImageVersion", {"Version": 1}),
    ("ListImageVersions", {}),
    ("ListAliases", {}),
]:
    sagemaker(operation, NOT_FOUND, NO_IMAGE, ImageName="nothing", **more)


@fails(
    "CreateImage",
    IN_USE,
    "The Image with ImageName {ImageName} already exists. Please use a different ImageName.",
)
def same_image(world):
    return {**new_image(world), **image(world)}


@fails("CreateImage", INVALID, NO_ROLE)
def image_with_no_role(world):
    return {**new_image(world), "RoleArn": ABSENT_ROLE, "_role": ABSENT_ROLE}


@fails("UpdateImage", INVALID, NO_ROLE)
def update_image_to_no_role(world):
    return {**image(world), "RoleArn": ABSENT_ROLE, "_role": ABSENT_ROLE}


@fails("CreateImageVersion", IN_USE, "Alias 'stable' is already in use by version 1")
def same_alias(world):
    given = new_image_version(world)
    world.sagemaker.create_image_version(**given)
    return {**given, "ClientToken": "another"}


for operation in ("DescribeImageVersion", "UpdateImageVersion", "DeleteImageVersion"):

    @fails(operation, NOT_FOUND, "ImageVersion 7 with ImageName {ImageName} does not exist.")
    def no_version(world):
        return {**image_version(world), "Version": 7}

    @fails(operation, NOT_FOUND, "ImageVersion of Alias no with ImageName {ImageName}")
    def no_alias(world):
        return {"ImageName": image_version(world)["ImageName"], "Alias": "no"}

    @fails(operation, INVALID, "Version and Alias cannot be given together")
    def version_and_alias(world):
        return {**image_version(world), "Alias": "stable"}


@fails("DescribeImageVersion", NOT_FOUND, "Latest ImageVersion with ImageName {ImageName} does not")
def no_latest_version(world):
    return image(world)


for operation in ("UpdateImageVersion", "DeleteImageVersion"):

    @fails(operation, INVALID, "One of Version and Alias must be given.")
    def neither_version_nor_alias(world):
        return {"ImageName": image_version(world)["ImageName"]}


@fails("UpdateUserProfile", INVALID, "The Image [")
def profile_with_no_image(world):
    custom = {"ImageName": "nothing", "AppImageConfigName": "nothing"}
    settings = {"JupyterLabAppSettings": {"CustomImages": [custom]}}
    return {**world.user_profile(), "UserSettings": settings}


# Lifecycle configurations of notebook instances

CONFIG = "NotebookInstanceLifecycleConfig"
CONFIGS = "arn:aws:sagemaker:us-west-2:123456789012:notebook-instance-lifecycle-config"
for operation in ("Describe", "Update", "Delete"):
    sagemaker(
        f"{operation}{CONFIG}",
        INVALID,
        f"Unable to {operation.lower()} Notebook Instance Lifecycle Config '{CONFIGS}/nothing'. "
        "(Details: Notebook Instance Lifecycle Config does not exist.)",
        NotebookInstanceLifecycleConfigName="nothing",
    )


@fails(f"Create{CONFIG}", INVALID, "Notebook Instance Lifecycle Config already exists.)")
def same_notebook_config(world):
    return notebook_config(world)


@fails(f"Create{CONFIG}", INVALID, "OnStart[0].Content must be the script encoded in base64")
def notebook_config_without_base64(world):
    return {**new_notebook_config(world), "OnStart": [{"Content": "echo hello"}]}


@fails(f"Delete{CONFIG}", INVALID, "is associated with Notebook Instance")
def notebook_config_in_use(world):
    given = notebook_config(world)
    name = given["NotebookInstanceLifecycleConfigName"]
    world.sagemaker.create_notebook_instance(**new_notebook(world), LifecycleConfigName=name)
    return given


for operation in (f"List{CONFIG}s", "ListNotebookInstances"):
    sagemaker(operation, INVALID, "NextToken", NextToken="bm90IG9mIG91cnM=")


# Notebook instances

NOTEBOOKS = "arn:aws:sagemaker:us-west-2:123456789012:notebook-instance"
for operation in (
    "DescribeNotebookInstance",
    "UpdateNotebookInstance",
    "StartNotebookInstance",
    "StopNotebookInstance",
    "DeleteNotebookInstance",
    "CreatePresignedNotebookInstanceUrl",
):
    sagemaker(
        operation,
        INVALID,
        f"RecordNotFound: Notebook Instance [{NOTEBOOKS}/nothing] does not exist.",
        NotebookInstanceName="Nothing",
    )

# What one that runs refuses is in test_notebooks.py.


@fails(
    "StopNotebookInstance",
    INVALID,
    "Status (Failed) not in ([InService]). Unable to transition to (Stopping) for Notebook "
    f"Instance ({NOTEBOOKS}/{{NotebookInstanceName}}).",
)
def notebook_that_does_not_run(world):
    return failed_notebook(world)


@fails(
    "CreatePresignedNotebookInstanceUrl",
    INVALID,
    f"Cannot create a presigned URL: Notebook Instance ({NOTEBOOKS}/{{NotebookInstanceName}}) is "
    "not InService; its status is Failed.",
)
def notebook_to_open_that_does_not_run(world):
    return failed_notebook(world)


@fails(
    "CreateNotebookInstance",
    INVALID,
    f"Cannot create a duplicate Notebook Instance ({NOTEBOOKS}/{{NotebookInstanceName}})",
)
def same_notebook(world):
    return {**new_notebook(world), **notebook(world)}


@fails("CreateNotebookInstance", INVALID, NO_ROLE)
def notebook_with_no_role(world):
    return {**new_notebook(world), "RoleArn": ABSENT_ROLE, "_role": ABSENT_ROLE}


for more, text in [
    ({"SubnetId": "subnet-0123456789abcdef0"}, "The subnet ID '{SubnetId}' does not exist."),
    ({"SecurityGroupIds": ["sg-1"]}, "only together with SubnetId"),
    ({"DirectInternetAccess": "Disabled"}, "only if SubnetId is given"),
    ({"DefaultCodeRepository": "name"}, "The code repository 'name' does not exist."),
    ({"LifecycleConfigName": "nothing"}, f"'{CONFIGS}/nothing'. (Details: "),
    ({"IpAddressType": "dualstack"}, "IPv6"),
    ({"VolumeSizeInGB": 4}, "Member must have value greater than or equal to 5"),
]:

    @fails("CreateNotebookInstance", INVALID, text)
    def wrong_notebook(world, more=more):
        return {**new_notebook(world), **more}
