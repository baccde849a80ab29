"""Studio domains beside that of the examples."""

import time

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


def close(server):
    """Stops a server whose apps would run on without it."""
    if server.process.poll() is not None:
        server.start()
    sagemaker = server.principal().client("sagemaker")
    end = time.monotonic() + 60
    while apps := running(sagemaker):
        assert time.monotonic() < end, apps
        for app in apps:
            if app["Status"] != "Deleting":
                owner = {key: app[key] for key in ("SpaceName", "UserProfileName") if key in app}
                sagemaker.delete_app(
                    DomainId=app["DomainId"],
                    AppType=app["AppType"],
                    AppName=app["AppName"],
                    **owner,
                )
        time.sleep(0.1)
    server.stop()


def running(sagemaker):
    apps = sagemaker.get_paginator("list_apps").paginate()
    apps = [app for page in apps for app in page["Apps"]]
    return [app for app in apps if app["Status"] not in ("Deleted", "Failed")]
