"""SageMaker."""

from matrix import entry

TAGS = [{"Key": "team", "Value": "research"}]


def new_domain(world):
    # The first domain of an account also needs iam:CreateServiceLinkedRole; this is not the first.
    world.shared_domain()
    vpc, subnet = world.subnet()
    return {
        "DomainName": world.name("domain"),
        "AuthMode": "IAM",
        "VpcId": vpc,
        "SubnetIds": [subnet],
        "DefaultUserSettings": {"ExecutionRole": world.role_arn()},
        "Tags": TAGS,
    }


entry(
    "sagemaker",
    "CreateDomain",
    needs=["sagemaker:CreateDomain", "iam:PassRole", "sagemaker:AddTags"],
)(new_domain)


@entry("sagemaker", "DescribeDomain")
def describe_domain(world):
    return {"DomainId": world.shared_domain()}


@entry("sagemaker", "UpdateDomain", needs=["sagemaker:UpdateDomain", "iam:PassRole"])
def update_domain(world):
    return {
        "DomainId": world.shared_domain(),
        "DefaultUserSettings": {"ExecutionRole": world.role_arn()},
    }


@entry("sagemaker", "ListDomains")
def list_domains(world):
    return {}


@entry("sagemaker", "DeleteDomain")
def delete_domain(world):
    return {"DomainId": world.domain()}


@entry(
    "sagemaker",
    "CreateUserProfile",
    needs=["sagemaker:CreateUserProfile", "iam:PassRole", "sagemaker:AddTags"],
)
def create_user_profile(world):
    return {
        "DomainId": world.shared_domain(),
        "UserProfileName": world.name("profile"),
        "UserSettings": {"ExecutionRole": world.role_arn()},
        "Tags": TAGS,
    }


@entry("sagemaker", "DescribeUserProfile")
def describe_user_profile(world):
    return world.user_profile()


@entry(
    "sagemaker", "UpdateUserProfile", needs=["sagemaker:UpdateUserProfile", "iam:PassRole"]
)
def update_user_profile(world):
    return {**world.user_profile(), "UserSettings": {"ExecutionRole": world.role_arn()}}


@entry("sagemaker", "ListUserProfiles")
def list_user_profiles(world):
    return {}


@entry("sagemaker", "DeleteUserProfile")
def delete_user_profile(world):
    return world.user_profile()


@entry("sagemaker", "CreatePresignedDomainUrl")
def create_presigned_domain_url(world):
    return world.user_profile()


def profile_arn(world):
    profile = world.user_profile()
    name = f"{profile['DomainId']}/{profile['UserProfileName']}"
    return f"arn:aws:sagemaker:us-west-2:123456789012:user-profile/{name}"


@entry("sagemaker", "AddTags")
def add_tags(world):
    return {"ResourceArn": profile_arn(world), "Tags": TAGS}


@entry("sagemaker", "ListTags")
def list_tags(world):
    return {"ResourceArn": profile_arn(world)}


@entry("sagemaker", "DeleteTags")
def delete_tags(world):
    arn = profile_arn(world)
    world.sagemaker.add_tags(ResourceArn=arn, Tags=TAGS)
    return {"ResourceArn": arn, "TagKeys": ["team"]}
