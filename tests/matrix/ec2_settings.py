"""EC2: DHCP options and flow logs."""

import json

from matrix import entry
from matrix.ec2 import tagged

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "vpc-flow-logs.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
OPTIONS = [{"Key": "domain-name", "Values": ["example.com"]}]


def options(world):
    """An option set that no VPC has. An account has few, so those of earlier entries go."""
    world.clear()
    for known in world.ec2.describe_dhcp_options(Filters=[{"Name": "value", "Values": ["example.com"]}])[
        "DhcpOptions"
    ]:
        world.ec2.delete_dhcp_options(DhcpOptionsId=known["DhcpOptionsId"])
    made = world.ec2.create_dhcp_options(DhcpConfigurations=OPTIONS)
    return made["DhcpOptions"]["DhcpOptionsId"]


def to_bucket(world):
    """What makes a flow log of a VPC."""
    return {
        "ResourceIds": [world.vpc()[0]],
        "ResourceType": "VPC",
        "TrafficType": "ALL",
        "LogDestinationType": "s3",
        "LogDestination": "arn:aws:s3:::flows",
    }


def to_group(world):
    return {
        "ResourceIds": [world.vpc()[0]],
        "ResourceType": "VPC",
        "TrafficType": "ALL",
        "LogGroupName": "flows",
        "DeliverLogsPermissionArn": world.role_arn(trust=TRUST),
    }


@entry("ec2", "CreateDhcpOptions", needs=["ec2:CreateDhcpOptions", "ec2:CreateTags"])
def create_dhcp_options(world):
    return {"DhcpConfigurations": OPTIONS, "TagSpecifications": tagged("dhcp-options")}


@entry("ec2", "DescribeDhcpOptions")
def describe_dhcp_options(world):
    return {}


@entry("ec2", "AssociateDhcpOptions")
def associate_dhcp_options(world):
    return {"DhcpOptionsId": options(world), "VpcId": world.vpc()[0]}


@entry("ec2", "DeleteDhcpOptions")
def delete_dhcp_options(world):
    return {"DhcpOptionsId": options(world)}


@entry(
    "ec2",
    "CreateFlowLogs",
    needs=["ec2:CreateFlowLogs", "iam:PassRole", "ec2:CreateTags"],
)
def create_flow_logs(world):
    return to_group(world) | {"TagSpecifications": tagged("vpc-flow-log")}


@entry("ec2", "DescribeFlowLogs")
def describe_flow_logs(world):
    return {}


@entry("ec2", "DeleteFlowLogs", needs=["ec2:DeleteFlowLogs", "logs:DeleteLogDelivery"])
def delete_flow_logs(world):
    return {"FlowLogIds": world.ec2.create_flow_logs(**to_bucket(world))["FlowLogIds"]}
