"""SageMaker. All its errors have status 400."""

from errors import case, prepared
from matrix.sagemaker import TAGS, new_domain, profile_arn

DOMAIN = "d-abcdefghijkl"
ARN = f"arn:aws:sagemaker:us-west-2:123456789012:domain/{DOMAIN}"
NOT_FOUND, IN_USE, INVALID = "ResourceNotFound", "ResourceInUse", "ValidationException"
NO_ROLE = (
    "Could not assume role {_role}. Please ensure that the role exists and allows principal "
    "'sagemaker.amazonaws.com' to assume the role."
)
ABSENT_ROLE = "arn:aws:iam::123456789012:role/nothing"
STAR = "[a-zA-Z0-9](-*[a-zA-Z0-9]){{0,62}}"


def sagemaker(operation, code, text, /, **arguments):
    case("sagemaker", operation, code, 400, text, **arguments)


def fails(operation, code, text):
    return prepared("sagemaker", operation, code, 400, text)


# What does not exist

for operation in ("DescribeDomain", "UpdateDomain", "DeleteDomain"):
    sagemaker(operation, NOT_FOUND, "[{DomainId}] does not exist", DomainId=DOMAIN)

for operation in (
    "CreateUserProfile",
    "DescribeUserProfile",
    "UpdateUserProfile",
    "DeleteUserProfile",
    "CreatePresignedDomainUrl",
):
    sagemaker(operation, NOT_FOUND, f"{DOMAIN}", DomainId=DOMAIN, UserProfileName="nobody")

for operation in (
    "DescribeUserProfile",
    "UpdateUserProfile",
    "DeleteUserProfile",
    "CreatePresignedDomainUrl",
):

    @fails(operation, NOT_FOUND, "{UserProfileName}")
    def no_profile(world):
        return {"DomainId": world.shared_domain(), "UserProfileName": "nobody"}


@fails("CreatePresignedDomainUrl", NOT_FOUND, "{SpaceName}")
def no_space(world):
    return {**world.user_profile(), "SpaceName": "nothing"}


for operation, more in [
    ("AddTags", {"Tags": TAGS}),
    ("ListTags", {}),
    ("DeleteTags", {"TagKeys": ["team"]}),
]:
    sagemaker(operation, NOT_FOUND, DOMAIN, ResourceArn=ARN, **more)
    sagemaker(
        operation,
        INVALID,
        "Value '{ResourceArn}' at 'resourceArn' failed to satisfy constraint: Member must satisfy "
        "regular expression pattern: ",
        ResourceArn="arn:aws:s3:::bucket",
        **more,
    )


# What exists already, or is in use


@fails("CreateDomain", IN_USE, "{DomainName}")
def same_domain(world):
    given = new_domain(world)
    world.sagemaker.create_domain(**given)
    return given


@fails("CreateUserProfile", IN_USE, "already exists")
def same_profile(world):
    return world.user_profile()


@fails("CreateUserProfile", IN_USE, "already exists")
def same_profile_in_capitals(world):
    profile = world.user_profile()
    return {**profile, "UserProfileName": profile["UserProfileName"].upper()}


text = (
    "Unable to delete Domain [arn:aws:sagemaker:us-west-2:123456789012:domain/{DomainId}] because "
    "UserProfile(s) are associated with it."
)


@fails("DeleteDomain", IN_USE, text)
def domain_with_profile(world):
    return {"DomainId": world.user_profile()["DomainId"]}


text = (
    "The account-level service limit 'Total domains' is 5 Domains, with current utilization of 5 "
    "Domains and a request delta of 1 Domains. Please contact AWS support to request an increase "
    "for this limit."
)


@fails("CreateDomain", "ResourceLimitExceeded", text)
def sixth_domain(world):
    given = new_domain(world)
    while len(world.sagemaker.list_domains()["Domains"]) < 5:
        world.sagemaker.create_domain(**{**given, "DomainName": world.name("domain")})
    return given


# What is not allowed

sagemaker(
    "DescribeDomain",
    INVALID,
    "1 validation error detected: Value 'domain 1' at 'domainId' failed to satisfy constraint: "
    "Member must satisfy regular expression pattern: d-(-*[a-z0-9]){{1,61}}",
    DomainId="domain 1",
)
sagemaker(
    "DescribeDomain",
    INVALID,
    "1 validation error detected: Value null at 'domainId' failed to satisfy constraint: "
    "Member must not be null",
)
sagemaker(
    "CreateDomain",
    INVALID,
    "4 validation errors detected: Value '-' at 'domainName' failed to satisfy constraint: Member "
    f"must satisfy regular expression pattern: {STAR}; Value 'LDAP' at 'authMode' failed to "
    "satisfy constraint: Member must satisfy enum value set: [SSO, IAM]; Value '[a, b, c, d, e, f]' "
    "at 'defaultUserSettings.securityGroups' failed to satisfy constraint: Member must have length "
    "less than or equal to 5; Value '[]' at 'subnetIds' failed to satisfy constraint: Member must "
    "have length greater than or equal to 1",
    DomainName="-",
    AuthMode="LDAP",
    DefaultUserSettings={"SecurityGroups": ["a", "b", "c", "d", "e", "f"]},
    SubnetIds=[],
)
sagemaker(
    "CreateUserProfile",
    INVALID,
    f"at 'userProfileName' failed to satisfy constraint: Member must satisfy regular expression "
    f"pattern: {STAR}",
    DomainId=DOMAIN,
    UserProfileName="not_a_name",
)
for operation in ("ListDomains", "ListUserProfiles"):
    sagemaker(operation, INVALID, "NextToken", NextToken="bm90IG9mIG91cnM=")
    text = (
        "1 validation error detected: Value '101' at 'maxResults' failed to satisfy constraint: "
        "Member must have value less than or equal to 100"
    )
    sagemaker(operation, INVALID, text, MaxResults=101)


@fails("ListTags", INVALID, "NextToken")
def foreign_token(world):
    return {"ResourceArn": profile_arn(world), "NextToken": "bm90IG9mIG91cnM="}


@fails("CreateDomain", INVALID, "'vpc-0123456789abcdef0' does not exist")
def domain_in_no_vpc(world):
    return {**new_domain(world), "VpcId": "vpc-0123456789abcdef0"}


@fails("CreateDomain", INVALID, "'subnet-0123456789abcdef0' does not exist")
def domain_in_no_subnet(world):
    return {**new_domain(world), "SubnetIds": ["subnet-0123456789abcdef0"]}


@fails("CreateDomain", INVALID, "'sg-0123456789abcdef0' does not exist")
def domain_with_no_group(world):
    given = new_domain(world)
    given["DefaultUserSettings"]["SecurityGroups"] = ["sg-0123456789abcdef0"]
    return given


@fails("CreateDomain", INVALID, NO_ROLE)
def domain_with_no_role(world):
    given = new_domain(world)
    return {
        **given,
        "DefaultUserSettings": {"ExecutionRole": ABSENT_ROLE},
        "_role": ABSENT_ROLE,
    }


EC2_TRUST = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", '
    '"Principal": {"Service": "ec2.amazonaws.com"}}]}'
)


@fails("CreateUserProfile", INVALID, NO_ROLE)
def profile_with_role_of_ec2(world):
    role = world.role_arn(trust=EC2_TRUST)
    return {
        "DomainId": world.shared_domain(),
        "UserProfileName": world.name("profile"),
        "UserSettings": {"ExecutionRole": role},
        "_role": role,
    }


@fails("UpdateDomain", INVALID, NO_ROLE)
def update_to_no_role(world):
    return {
        "DomainId": world.shared_domain(),
        "DefaultUserSettings": {"ExecutionRole": ABSENT_ROLE},
        "_role": ABSENT_ROLE,
    }


@fails("UpdateUserProfile", INVALID, NO_ROLE)
def update_profile_to_no_role(world):
    settings = {"ExecutionRole": ABSENT_ROLE}
    return {**world.user_profile(), "UserSettings": settings, "_role": ABSENT_ROLE}


@fails("CreateUserProfile", INVALID, "SingleSignOnUserIdentifier")
def sign_on_in_iam_mode(world):
    return {
        "DomainId": world.shared_domain(),
        "UserProfileName": world.name("profile"),
        "SingleSignOnUserIdentifier": "UserName",
        "SingleSignOnUserValue": "alice",
    }


def sso_domain(world):
    made = world.sagemaker.create_domain(**{**new_domain(world), "AuthMode": "SSO"})
    return made["DomainArn"].rsplit("/", 1)[1]


@fails("CreateUserProfile", INVALID, "SingleSignOnUserValue")
def no_sign_on_in_sso_mode(world):
    return {"DomainId": sso_domain(world), "UserProfileName": world.name("profile")}


@fails("CreatePresignedDomainUrl", INVALID, "authentication mode")
def url_in_sso_mode(world):
    given = {"DomainId": sso_domain(world), "UserProfileName": world.name("profile")}
    world.sagemaker.create_user_profile(
        **given, SingleSignOnUserIdentifier="UserName", SingleSignOnUserValue="alice"
    )
    return given


for member, low, high in [
    ("ExpiresInSeconds", 5, 300),
    ("SessionExpirationDurationInSeconds", 1_800, 43_200),
]:
    path = member[0].lower() + member[1:]
    for wrong, bound in [
        (low - 1, f"greater than or equal to {low}"),
        (high + 1, f"less than or equal to {high}"),
    ]:
        text = (
            f"1 validation error detected: Value '{wrong}' at '{path}' failed to satisfy "
            f"constraint: Member must have value {bound}"
        )

        @fails("CreatePresignedDomainUrl", INVALID, text)
        def life_of_url(world, member=member, wrong=wrong):
            return {**world.user_profile(), member: wrong}


@fails("CreatePresignedDomainUrl", INVALID, "{LandingUri}")
def landing_elsewhere(world):
    return {**world.user_profile(), "LandingUri": "https://example.com/"}


# Tags that are SageMaker's own (SPEC T5)

for key in ("sagemaker:user-profile-arn", "sagemaker:domain-arn", "aws:team"):

    @fails("AddTags", INVALID, f"Tag key '{key}' is not valid")
    def system_tag(world, key=key):
        return {"ResourceArn": profile_arn(world), "Tags": [{"Key": key, "Value": "x"}]}

    @fails("DeleteTags", INVALID, f"Tag key '{key}' is not valid")
    def remove_system_tag(world, key=key):
        return {"ResourceArn": profile_arn(world), "TagKeys": [key]}

    @fails("CreateUserProfile", INVALID, f"Tag key '{key}' is not valid")
    def create_with_system_tag(world, key=key):
        return {
            "DomainId": world.shared_domain(),
            "UserProfileName": world.name("profile"),
            "Tags": [{"Key": key, "Value": "x"}],
        }


@fails("AddTags", INVALID, "at most 50 tags")
def too_many_tags(world):
    arn = profile_arn(world)
    tags = [{"Key": f"k{number}", "Value": ""} for number in range(50)]
    world.sagemaker.add_tags(ResourceArn=arn, Tags=tags)
    return {"ResourceArn": arn, "Tags": TAGS}
