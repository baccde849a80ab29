"""Studio domains beside that of the examples."""

from conftest import REPOSITORY


def domain(root, name):
    """Makes a domain in the default VPC; its id."""
    iam, ec2 = root.client("iam"), root.client("ec2")
    trust = REPOSITORY / "examples" / "studio-vpc" / "policies" / "sagemaker-trust.json"
    role = iam.create_role(
        RoleName=f"studio-{name}", AssumeRolePolicyDocument=trust.read_text()
    )["Role"]["Arn"]
    subnet = ec2.describe_subnets()["Subnets"][0]
    made = root.client("sagemaker").create_domain(
        DomainName=name,
        AuthMode="IAM",
        VpcId=subnet["VpcId"],
        SubnetIds=[subnet["SubnetId"]],
        DefaultUserSettings={"ExecutionRole": role},
    )
    return made["DomainArn"].rsplit("/", 1)[1]


def profile(root, domain, name):
    """Makes a user profile; its name."""
    root.client("sagemaker").create_user_profile(DomainId=domain, UserProfileName=name)
    return name
