"""SageMaker's configurations, images and notebook instances."""

import base64

from matrix import entry
from matrix.sagemaker import TAGS

SCRIPT = base64.b64encode(b"#!/bin/sh\necho hello\n").decode()


def entry_with(operation, *more):
    return entry(
        "sagemaker", operation, needs=[f"sagemaker:{operation}", *more, "sagemaker:AddTags"]
    )


# Lifecycle configurations of Studio


@entry_with("CreateStudioLifecycleConfig")
def new_studio_lifecycle_config(world):
    return {
        "StudioLifecycleConfigName": world.name("config"),
        "StudioLifecycleConfigContent": SCRIPT,
        "StudioLifecycleConfigAppType": "JupyterLab",
        "Tags": TAGS,
    }


def studio_lifecycle_config(world):
    given = new_studio_lifecycle_config(world)
    world.sagemaker.create_studio_lifecycle_config(**given)
    return {"StudioLifecycleConfigName": given["StudioLifecycleConfigName"]}


for operation in ("DescribeStudioLifecycleConfig", "DeleteStudioLifecycleConfig"):
    entry("sagemaker", operation)(studio_lifecycle_config)


@entry("sagemaker", "ListStudioLifecycleConfigs")
def list_studio_lifecycle_configs(world):
    return {}


# How apps run images


@entry_with("CreateAppImageConfig")
def new_app_image_config(world):
    return {
        "AppImageConfigName": world.name("config"),
        "KernelGatewayImageConfig": {"KernelSpecs": [{"Name": "python3"}]},
        "Tags": TAGS,
    }


def app_image_config(world):
    given = new_app_image_config(world)
    world.sagemaker.create_app_image_config(**given)
    return {"AppImageConfigName": given["AppImageConfigName"]}


for operation in ("DescribeAppImageConfig", "UpdateAppImageConfig", "DeleteAppImageConfig"):
    entry("sagemaker", operation)(app_image_config)


@entry("sagemaker", "ListAppImageConfigs")
def list_app_image_configs(world):
    return {}


# Images


@entry_with("CreateImage", "iam:PassRole")
def new_image(world):
    return {"ImageName": world.name("image"), "RoleArn": world.role_arn(), "Tags": TAGS}


def image(world):
    given = new_image(world)
    world.sagemaker.create_image(**given)
    return {"ImageName": given["ImageName"]}


for operation in ("DescribeImage", "DeleteImage"):
    entry("sagemaker", operation)(image)


@entry("sagemaker", "UpdateImage", needs=["sagemaker:UpdateImage", "iam:PassRole"])
def update_image(world):
    return {**image(world), "RoleArn": world.role_arn()}


@entry("sagemaker", "ListImages")
def list_images(world):
    return {}


@entry("sagemaker", "CreateImageVersion")
def new_image_version(world):
    return {
        **image(world),
        "BaseImage": "123456789012.dkr.ecr.us-west-2.amazonaws.com/team:1",
        "Aliases": ["stable"],
    }


def image_version(world):
    given = new_image_version(world)
    world.sagemaker.create_image_version(**given)
    return {"ImageName": given["ImageName"], "Version": 1}


for operation in ("DescribeImageVersion", "UpdateImageVersion", "DeleteImageVersion"):
    entry("sagemaker", operation)(image_version)


@entry("sagemaker", "ListImageVersions")
def list_image_versions(world):
    return {"ImageName": image_version(world)["ImageName"]}


@entry("sagemaker", "ListAliases")
def list_aliases(world):
    return image_version(world)


# Lifecycle configurations of notebook instances

HOOK = [{"Content": SCRIPT}]


@entry_with("CreateNotebookInstanceLifecycleConfig")
def new_notebook_config(world):
    return {
        "NotebookInstanceLifecycleConfigName": world.name("config"),
        "OnStart": HOOK,
        "Tags": TAGS,
    }


def notebook_config(world):
    given = new_notebook_config(world)
    world.sagemaker.create_notebook_instance_lifecycle_config(**given)
    name = "NotebookInstanceLifecycleConfigName"
    return {name: given[name]}


for operation in ("Describe", "Update", "Delete"):
    entry("sagemaker", f"{operation}NotebookInstanceLifecycleConfig")(notebook_config)


@entry("sagemaker", "ListNotebookInstanceLifecycleConfigs")
def list_notebook_configs(world):
    return {}


# Notebook instances


@entry_with("CreateNotebookInstance", "iam:PassRole")
def new_notebook(world):
    return {
        "NotebookInstanceName": world.name("notebook"),
        "InstanceType": "ml.t3.medium",
        "RoleArn": world.role_arn(),
        "Tags": TAGS,
    }


def notebook(world):
    """One that is about to run."""
    given = new_notebook(world)
    world.sagemaker.create_notebook_instance(**given)
    return {"NotebookInstanceName": given["NotebookInstanceName"]}


def failed_notebook(world):
    """One that could not start, because its subnet has no address left."""
    vpc, base = world.vpc()
    subnet = world.ec2.create_subnet(VpcId=vpc, CidrBlock=f"{base}.9.0/28")["Subnet"]["SubnetId"]
    for _ in range(11):
        world.ec2.create_network_interface(SubnetId=subnet)
    given = {**new_notebook(world), "SubnetId": subnet}
    world.sagemaker.create_notebook_instance(**given)
    name = {"NotebookInstanceName": given["NotebookInstanceName"]}
    found = world.sagemaker.describe_notebook_instance(**name)
    assert found["NotebookInstanceStatus"] == "Failed", found
    return name


@entry("sagemaker", "DescribeNotebookInstance")
def describe_notebook(world):
    return notebook(world)


@entry("sagemaker", "ListNotebookInstances")
def list_notebooks(world):
    return {}


for operation in ("StartNotebookInstance", "DeleteNotebookInstance"):
    entry("sagemaker", operation)(failed_notebook)


# That it does not run is told to those only who may stop or open it.
for operation in ("StopNotebookInstance", "CreatePresignedNotebookInstanceUrl"):
    entry("sagemaker", operation, refused="ValidationException")(failed_notebook)


@entry(
    "sagemaker",
    "UpdateNotebookInstance",
    needs=["sagemaker:UpdateNotebookInstance", "iam:PassRole"],
)
def update_notebook(world):
    return {**failed_notebook(world), "RoleArn": world.role_arn()}
