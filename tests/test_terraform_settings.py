"""The calls that Terraform's AWS provider makes for DHCP options and flow logs, with boto3."""

import json

import pytest

from matrix.ec2_settings import TRUST
from test_terraform_network import code_of, tagged


@pytest.fixture(scope="module")
def root(module_server):
    return module_server.principal()


def test_dhcp_options(root):
    """aws_vpc_dhcp_options and its association, which goes back to `default` at its end."""
    ec2 = root.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.95.0.0/16")["Vpc"]
    usual = vpc["DhcpOptionsId"]
    assert usual.startswith("dopt-")
    made = ec2.create_dhcp_options(
        DhcpConfigurations=[
            {"Key": "domain-name", "Values": ["example.com"]},
            {"Key": "domain-name-servers", "Values": ["127.0.0.1", "10.95.0.2"]},
            {"Key": "ntp-servers", "Values": ["127.0.0.1"]},
            {"Key": "netbios-name-servers", "Values": ["127.0.0.1"]},
            {"Key": "netbios-node-type", "Values": ["2"]},
        ],
        TagSpecifications=tagged("dhcp-options", "tf"),
    )["DhcpOptions"]
    own = made["DhcpOptionsId"]
    read = ec2.describe_dhcp_options(DhcpOptionsIds=[own])["DhcpOptions"][0]
    values = {it["Key"]: [one["Value"] for one in it["Values"]] for it in read["DhcpConfigurations"]}
    assert values["domain-name-servers"] == ["127.0.0.1", "10.95.0.2"]
    assert read["Tags"] == [{"Key": "Name", "Value": "tf"}]

    ec2.associate_dhcp_options(DhcpOptionsId=own, VpcId=vpc["VpcId"])
    by_set = [{"Name": "dhcp-options-id", "Values": [own]}]
    assert [it["VpcId"] for it in ec2.describe_vpcs(Filters=by_set)["Vpcs"]] == [vpc["VpcId"]]
    assert code_of(ec2.delete_dhcp_options, DhcpOptionsId=own) == "DependencyViolation"
    ec2.associate_dhcp_options(DhcpOptionsId="default", VpcId=vpc["VpcId"])
    read = ec2.describe_vpcs(VpcIds=[vpc["VpcId"]])["Vpcs"][0]
    assert read["DhcpOptionsId"] == "default"
    ec2.delete_dhcp_options(DhcpOptionsId=own)
    gone = code_of(ec2.describe_dhcp_options, DhcpOptionsIds=[own])
    assert gone == "InvalidDhcpOptionID.NotFound"
    # aws_default_vpc_dhcp_options finds the default set by its values.
    filters = [
        {"Name": "key", "Values": ["domain-name"]},
        {"Name": "value", "Values": ["us-west-2.compute.internal"]},
        {"Name": "key", "Values": ["domain-name-servers"]},
        {"Name": "value", "Values": ["AmazonProvidedDNS"]},
    ]
    found = ec2.describe_dhcp_options(Filters=filters)["DhcpOptions"]
    assert [it["DhcpOptionsId"] for it in found] == [usual]
    ec2.delete_vpc(VpcId=vpc["VpcId"])


def test_flow_log(root):
    """aws_flow_log to CloudWatch Logs, with its role."""
    ec2, iam = root.client("ec2"), root.client("iam")
    vpc = ec2.create_vpc(CidrBlock="10.96.0.0/16")["Vpc"]["VpcId"]
    role = iam.create_role(RoleName="flow-logs", AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    policy = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "*"}],
    }
    iam.put_role_policy(
        RoleName="flow-logs", PolicyName="own", PolicyDocument=json.dumps(policy)
    )
    made = ec2.create_flow_logs(
        ClientToken="terraform-fl",
        ResourceIds=[vpc],
        ResourceType="VPC",
        TrafficType="ALL",
        LogDestinationType="cloud-watch-logs",
        LogDestination="arn:aws:logs:us-west-2:123456789012:log-group:flows",
        DeliverLogsPermissionArn=role,
        MaxAggregationInterval=60,
        TagSpecifications=tagged("vpc-flow-log", "tf"),
    )
    assert made["Unsuccessful"] == []
    log = made["FlowLogIds"][0]
    read = ec2.describe_flow_logs(FlowLogIds=[log])["FlowLogs"][0]
    assert (read["FlowLogStatus"], read["DeliverLogsStatus"]) == ("ACTIVE", "FAILED")
    assert read["DeliverLogsErrorMessage"] == "Access error"
    assert read["LogDestination"].endswith("log-group:flows")
    assert read["Tags"] == [{"Key": "Name", "Value": "tf"}]
    assert ec2.delete_flow_logs(FlowLogIds=[log])["Unsuccessful"] == []
    assert code_of(ec2.describe_flow_logs, FlowLogIds=[log]) == "InvalidFlowLogId.NotFound"
    ec2.delete_vpc(VpcId=vpc)
