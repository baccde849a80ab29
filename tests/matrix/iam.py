"""IAM."""

from matrix import READ_S3, SAGEMAKER_TRUST, entry

TAGS = [{"Key": "team", "Value": "research"}]


# Users


@entry("iam", "CreateUser")
def create_user(world):
    return {"UserName": world.name("user")}


@entry("iam", "GetUser")
def get_user(world):
    return {"UserName": world.user()}


@entry("iam", "UpdateUser")
def update_user(world):
    return {"UserName": world.user(), "NewUserName": world.name("user")}


@entry("iam", "DeleteUser")
def delete_user(world):
    return {"UserName": world.user()}


@entry("iam", "ListUsers")
def list_users(world):
    return {}


@entry("iam", "TagUser")
def tag_user(world):
    return {"UserName": world.user(), "Tags": TAGS}


@entry("iam", "UntagUser")
def untag_user(world):
    return {"UserName": world.user(Tags=TAGS), "TagKeys": ["team"]}


@entry("iam", "ListUserTags")
def list_user_tags(world):
    return {"UserName": world.user()}


@entry("iam", "PutUserPermissionsBoundary")
def put_user_permissions_boundary(world):
    return {"UserName": world.user(), "PermissionsBoundary": world.policy()}


@entry("iam", "DeleteUserPermissionsBoundary")
def delete_user_permissions_boundary(world):
    return {"UserName": world.user(PermissionsBoundary=world.policy())}


@entry("iam", "ListGroupsForUser")
def list_groups_for_user(world):
    return {"UserName": world.user()}


# Groups


@entry("iam", "CreateGroup")
def create_group(world):
    return {"GroupName": world.name("group")}


@entry("iam", "GetGroup")
def get_group(world):
    return {"GroupName": world.group()}


@entry("iam", "UpdateGroup")
def update_group(world):
    return {"GroupName": world.group(), "NewGroupName": world.name("group")}


@entry("iam", "DeleteGroup")
def delete_group(world):
    return {"GroupName": world.group()}


@entry("iam", "ListGroups")
def list_groups(world):
    return {}


@entry("iam", "AddUserToGroup")
def add_user_to_group(world):
    return {"GroupName": world.group(), "UserName": world.user()}


@entry("iam", "RemoveUserFromGroup")
def remove_user_from_group(world):
    given = {"GroupName": world.group(), "UserName": world.user()}
    world.iam.add_user_to_group(**given)
    return given


# Roles


@entry("iam", "CreateRole")
def create_role(world):
    return {"RoleName": world.name("role"), "AssumeRolePolicyDocument": SAGEMAKER_TRUST}


@entry("iam", "GetRole")
def get_role(world):
    return {"RoleName": world.role()}


@entry("iam", "UpdateRole")
def update_role(world):
    return {"RoleName": world.role(), "Description": "changed"}


@entry("iam", "UpdateRoleDescription")
def update_role_description(world):
    return {"RoleName": world.role(), "Description": "changed"}


@entry("iam", "UpdateAssumeRolePolicy")
def update_assume_role_policy(world):
    return {"RoleName": world.role(), "PolicyDocument": SAGEMAKER_TRUST}


@entry("iam", "DeleteRole")
def delete_role(world):
    return {"RoleName": world.role()}


@entry("iam", "ListRoles")
def list_roles(world):
    return {}


@entry("iam", "TagRole")
def tag_role(world):
    return {"RoleName": world.role(), "Tags": TAGS}


@entry("iam", "UntagRole")
def untag_role(world):
    return {"RoleName": world.role(Tags=TAGS), "TagKeys": ["team"]}


@entry("iam", "ListRoleTags")
def list_role_tags(world):
    return {"RoleName": world.role()}


@entry("iam", "PutRolePermissionsBoundary")
def put_role_permissions_boundary(world):
    return {"RoleName": world.role(), "PermissionsBoundary": world.policy()}


@entry("iam", "DeleteRolePermissionsBoundary")
def delete_role_permissions_boundary(world):
    return {"RoleName": world.role(PermissionsBoundary=world.policy())}


# Inline policies and attachments of users, groups and roles alike


def of_each(kind, make):
    name = f"{kind}Name"
    lower = kind.lower()

    def inline(world):
        given = {name: make(world), "PolicyName": "inline"}
        getattr(world.iam, f"put_{lower}_policy")(**given, PolicyDocument=READ_S3)
        return given

    def attached(world):
        given = {name: make(world), "PolicyArn": world.policy()}
        getattr(world.iam, f"attach_{lower}_policy")(**given)
        return given

    @entry("iam", f"Put{kind}Policy")
    def put(world):
        return {name: make(world), "PolicyName": "inline", "PolicyDocument": READ_S3}

    entry("iam", f"Get{kind}Policy")(inline)
    entry("iam", f"Delete{kind}Policy")(inline)

    @entry("iam", f"List{kind}Policies")
    def listed(world):
        return {name: make(world)}

    @entry("iam", f"Attach{kind}Policy")
    def attach(world):
        return {name: make(world), "PolicyArn": world.policy()}

    entry("iam", f"Detach{kind}Policy")(attached)

    @entry("iam", f"ListAttached{kind}Policies")
    def list_attached(world):
        return {name: make(world)}


of_each("User", lambda world: world.user())
of_each("Group", lambda world: world.group())
of_each("Role", lambda world: world.role())


# Managed policies


@entry("iam", "CreatePolicy")
def create_policy(world):
    return {"PolicyName": world.name("policy"), "PolicyDocument": READ_S3}


@entry("iam", "GetPolicy")
def get_policy(world):
    return {"PolicyArn": world.policy()}


@entry("iam", "DeletePolicy")
def delete_policy(world):
    return {"PolicyArn": world.policy()}


@entry("iam", "ListPolicies")
def list_policies(world):
    return {"Scope": "Local"}


@entry("iam", "CreatePolicyVersion")
def create_policy_version(world):
    return {"PolicyArn": world.policy(), "PolicyDocument": READ_S3}


def second_version(world):
    arn = world.policy()
    made = world.iam.create_policy_version(PolicyArn=arn, PolicyDocument=READ_S3)
    return {"PolicyArn": arn, "VersionId": made["PolicyVersion"]["VersionId"]}


entry("iam", "GetPolicyVersion")(second_version)
entry("iam", "DeletePolicyVersion")(second_version)
entry("iam", "SetDefaultPolicyVersion")(second_version)


@entry("iam", "ListPolicyVersions")
def list_policy_versions(world):
    return {"PolicyArn": world.policy()}


@entry("iam", "TagPolicy")
def tag_policy(world):
    return {"PolicyArn": world.policy(), "Tags": TAGS}


@entry("iam", "UntagPolicy")
def untag_policy(world):
    return {"PolicyArn": world.policy(), "TagKeys": ["team"]}


@entry("iam", "ListPolicyTags")
def list_policy_tags(world):
    return {"PolicyArn": world.policy()}


@entry("iam", "ListEntitiesForPolicy")
def list_entities_for_policy(world):
    return {"PolicyArn": world.policy()}


# Access keys


@entry("iam", "CreateAccessKey")
def create_access_key(world):
    return {"UserName": world.user()}


def key(world):
    user = world.user()
    made = world.iam.create_access_key(UserName=user)["AccessKey"]
    return {"UserName": user, "AccessKeyId": made["AccessKeyId"]}


@entry("iam", "UpdateAccessKey")
def update_access_key(world):
    return {**key(world), "Status": "Inactive"}


entry("iam", "DeleteAccessKey")(key)


@entry("iam", "ListAccessKeys")
def list_access_keys(world):
    return {"UserName": world.user()}


@entry("iam", "GetAccessKeyLastUsed")
def get_access_key_last_used(world):
    return {"AccessKeyId": key(world)["AccessKeyId"]}


# Instance profiles


@entry("iam", "CreateInstanceProfile")
def create_instance_profile(world):
    return {"InstanceProfileName": world.name("profile")}


@entry("iam", "GetInstanceProfile")
def get_instance_profile(world):
    return {"InstanceProfileName": world.profile()}


@entry("iam", "DeleteInstanceProfile")
def delete_instance_profile(world):
    return {"InstanceProfileName": world.profile()}


@entry("iam", "ListInstanceProfiles")
def list_instance_profiles(world):
    return {}


@entry("iam", "ListInstanceProfilesForRole")
def list_instance_profiles_for_role(world):
    return {"RoleName": world.role()}


@entry(
    "iam", "AddRoleToInstanceProfile", needs=["iam:AddRoleToInstanceProfile", "iam:PassRole"]
)
def add_role_to_instance_profile(world):
    return {"InstanceProfileName": world.profile(), "RoleName": world.role()}


@entry("iam", "RemoveRoleFromInstanceProfile")
def remove_role_from_instance_profile(world):
    given = {"InstanceProfileName": world.profile(), "RoleName": world.role()}
    world.iam.add_role_to_instance_profile(**given)
    return given


@entry("iam", "TagInstanceProfile")
def tag_instance_profile(world):
    return {"InstanceProfileName": world.profile(), "Tags": TAGS}


@entry("iam", "UntagInstanceProfile")
def untag_instance_profile(world):
    return {"InstanceProfileName": world.profile(), "TagKeys": ["team"]}


@entry("iam", "ListInstanceProfileTags")
def list_instance_profile_tags(world):
    return {"InstanceProfileName": world.profile()}


# Service-linked roles


def no_linked_role(world):
    """Makes sure that the account has no service-linked role of License Manager."""
    name = "AWSServiceRoleForAWSLicenseManagerRole"
    try:
        world.iam.delete_service_linked_role(RoleName=name)
    except world.iam.exceptions.NoSuchEntityException:
        pass
    return {"AWSServiceName": "license-manager.amazonaws.com"}


def linked_role(world):
    return world.iam.create_service_linked_role(**no_linked_role(world))["Role"]["RoleName"]


entry("iam", "CreateServiceLinkedRole")(no_linked_role)


@entry("iam", "DeleteServiceLinkedRole")
def delete_service_linked_role(world):
    return {"RoleName": linked_role(world)}


@entry("iam", "GetServiceLinkedRoleDeletionStatus")
def get_service_linked_role_deletion_status(world):
    task = world.iam.delete_service_linked_role(RoleName=linked_role(world))
    return {"DeletionTaskId": task["DeletionTaskId"]}


# The account


@entry("iam", "CreateAccountAlias")
def create_account_alias(world):
    return {"AccountAlias": world.name("alias")}


@entry("iam", "DeleteAccountAlias")
def delete_account_alias(world):
    alias = world.name("alias")
    world.iam.create_account_alias(AccountAlias=alias)
    return {"AccountAlias": alias}


@entry("iam", "ListAccountAliases")
def list_account_aliases(world):
    return {}


@entry("iam", "GetAccountSummary")
def get_account_summary(world):
    return {}


@entry("iam", "GetAccountAuthorizationDetails")
def get_account_authorization_details(world):
    return {}


# Simulation


@entry("iam", "SimulateCustomPolicy")
def simulate_custom_policy(world):
    return {"PolicyInputList": [READ_S3], "ActionNames": ["s3:GetObject"]}


@entry("iam", "SimulatePrincipalPolicy")
def simulate_principal_policy(world):
    user = world.user()
    return {
        "PolicySourceArn": f"arn:aws:iam::123456789012:user/{user}",
        "ActionNames": ["s3:GetObject"],
    }
