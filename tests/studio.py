"""Studio domains beside that of the examples, and servers that run their apps."""

import json
import os
import time

import botocore.exceptions
import pytest

from conftest import REPOSITORY, Server

FULL_ACCESS = "arn:aws:iam::aws:policy/AmazonSageMakerFullAccess"
TRUST = REPOSITORY / "examples" / "studio-vpc" / "policies" / "sagemaker-trust.json"


def allow(*actions, condition=None):
    """A policy that allows these actions on everything."""
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    if condition:
        statement["Condition"] = condition
    return json.dumps({"Version": "2012-10-17", "Statement": statement})


class Account:
    """A server that finds the programs of apps, and root's clients there."""

    def __init__(self, data, *flags):
        apps = os.environ.get("SAGEGATE_TEST_APPS")
        self.server = Server(data, *flags, *(("--apps", apps) if apps else ())).start()
        self.root = self.server.principal()
        self.iam, self.ec2 = self.root.client("iam"), self.root.client("ec2")
        self.sagemaker = self.root.client("sagemaker")

    def new_role(self, name):
        """Makes a role that SageMaker may assume; its ARN."""
        made = self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST.read_text())
        return made["Role"]["Arn"]

    def user(self, name, document, **more):
        """A new user who may do what the document says and nothing else."""
        self.iam.create_user(UserName=name, **more)
        self.give(name, document)
        return self.server.principal(f"user/{name}")

    def give(self, user, document):
        """Replaces what a user may do."""
        self.iam.put_user_policy(UserName=user, PolicyName="own", PolicyDocument=document)


class Studio(Account):
    """An account with a domain, its execution role, and the profiles ann and ben."""

    def __init__(self, data, *flags):
        super().__init__(data, *flags)
        self.role = self.new_role("studio")
        self.iam.attach_role_policy(RoleName="studio", PolicyArn=FULL_ACCESS)
        self.domain = domain(self.root, "team", self.role)
        for name in ("ann", "ben"):
            profile(self.root, self.domain, name)


def domain(root, name, role=None):
    """Makes a domain in the default VPC, with an execution role of its own if none is given; its id."""
    iam, ec2 = root.client("iam"), root.client("ec2")
    if role is None:
        made = iam.create_role(
            RoleName=f"studio-{name}", AssumeRolePolicyDocument=TRUST.read_text()
        )
        role = made["Role"]["Arn"]
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


def denied(call, action, **given):
    """Makes a call that the caller may not make; what the refusal says."""
    with pytest.raises(botocore.exceptions.ClientError) as refused:
        call(**given)
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
    text = refused.value.response["Error"]["Message"]
    assert f"is not authorized to perform: sagemaker:{action} " in text, text
    return text


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
