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
