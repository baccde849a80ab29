"""What services do in other services for a request, and what `sagegate explain` tells of it."""

import json

import botocore.exceptions
import pytest

from conftest import Server


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def test_explain_tells_what_services_did_for_a_request(request, tmp_path):
    server = Server(tmp_path / "data").start()
    request.addfinalizer(server.stop)
    root = server.principal()
    iam, ec2 = root.client("iam"), root.client("ec2")
    trust = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}}
    role = iam.create_role(
        RoleName="exec",
        AssumeRolePolicyDocument=policy({**trust, "Action": "sts:AssumeRole"}),
    )["Role"]["Arn"]
    # She may have SageMaker make its role, not make it herself; in EC2 she may do nothing.
    iam.create_user(UserName="ann")
    linked = {"Effect": "Allow", "Action": "iam:CreateServiceLinkedRole", "Resource": "*"}
    via = {"ForAnyValue:StringEquals": {"aws:CalledVia": ["sagemaker.amazonaws.com"]}}
    usual = {"Effect": "Allow", "Action": ["sagemaker:*", "iam:PassRole"], "Resource": "*"}
    iam.put_user_policy(
        UserName="ann",
        PolicyName="studio",
        PolicyDocument=policy(usual, {**linked, "Condition": via}),
    )
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    ann = server.principal("user/ann")
    with pytest.raises(botocore.exceptions.ClientError, match="not authorized to perform"):
        ann.client("iam").create_service_linked_role(AWSServiceName="sagemaker.amazonaws.com")
    made = ann.client("sagemaker").create_domain(
        DomainName="team",
        AuthMode="IAM",
        VpcId=vpc,
        SubnetIds=[subnet],
        DefaultUserSettings={"ExecutionRole": role},
    )
    record = server.explain(made["ResponseMetadata"]["RequestId"])
    calls = [
        (call["eventName"], call["userIdentity"]["type"], call["userIdentity"]["invokedBy"])
        for call in record["sagegateCalls"]
    ]
    sagemaker, efs = "sagemaker.amazonaws.com", "elasticfilesystem.amazonaws.com"
    assert ("CreateServiceLinkedRole", "IAMUser", sagemaker) in calls
    assert ("AssumeRole", "AWSService", sagemaker) in calls
    assert calls.count(("CreateSecurityGroup", "AssumedRole", sagemaker)) == 2
    assert ("CreateNetworkInterface", "AssumedRole", efs) in calls
    text = server.command("explain", made["ResponseMetadata"]["RequestId"])
    assert "  call      ec2:CreateNetworkInterface\n  outcome   allowed\n" in text
    # The newest request is hers, not what was done for it.
    assert server.command("explain", "--last") == text
