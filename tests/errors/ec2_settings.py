"""EC2: DHCP options and flow logs."""

from errors.ec2 import ABSENT, MALFORMED, NOT_FOUND, ec2, fails
from matrix import ec2_settings as made

SET = "dopt-0123456789abcdef0"
LOG = "fl-0123456789abcdef0"

# What does not exist, and what is no id at all

text = "The dhcpOption ID '{DhcpOptionsId}' does not exist"
for operation, more in [("DeleteDhcpOptions", {}), ("AssociateDhcpOptions", ABSENT)]:
    given = {"VpcId": more["VpcId"]} if more else {}
    ec2(operation, "InvalidDhcpOptionID.NotFound", text, DhcpOptionsId=SET, **given)
    malformed = 'Invalid id: "x" (expecting "dopt-...")'
    ec2(operation, "InvalidDhcpOptionsId.Malformed", malformed, DhcpOptionsId="x", **given)
ec2("AssociateDhcpOptions", *NOT_FOUND["VpcId"], DhcpOptionsId="default", VpcId=ABSENT["VpcId"])
ec2("AssociateDhcpOptions", MALFORMED["VpcId"], "", DhcpOptionsId="default", VpcId="x")
ec2("DescribeDhcpOptions", "InvalidDhcpOptionID.NotFound", SET, DhcpOptionsIds=[SET])
text = "These flow log ids in the input list are not found: [TotalCount: 1]"
for operation in ("DeleteFlowLogs", "DescribeFlowLogs"):
    ec2(operation, "InvalidFlowLogId.NotFound", f"{text} {LOG}", FlowLogIds=[LOG])
    ec2(operation, "InvalidFlowLogId.Malformed", "Invalid id", FlowLogIds=["x"])
for operation, member in [("DescribeDhcpOptions", "Filters"), ("DescribeFlowLogs", "Filter")]:
    wrong = {member: [{"Name": "colour", "Values": ["red"]}]}
    ec2(operation, "InvalidParameterValue", "The filter 'colour' is invalid", **wrong)
    ec2(operation, "InvalidNextToken", "", MaxResults=10, NextToken="bm90IG9mIG91cnM=")


# DHCP options

for name, values in [
    ("domain-name-servers", ["x"]),
    ("domain-name-servers", [f"10.0.0.{last}" for last in range(1, 6)]),
    ("ntp-servers", ["AmazonProvidedDNS"]),
    ("netbios-node-type", ["3"]),
    ("ipv6-address-preferred-lease-time", ["139"]),
    ("domain-name", ["a..b"]),
]:
    wrong = [{"Key": name, "Values": values}]
    text = f"Value ({', '.join(values)}) for parameter value is invalid."
    ec2("CreateDhcpOptions", "InvalidParameterValue", text, DhcpConfigurations=wrong)
wrong = [{"Key": "colour", "Values": ["red"]}]
ec2("CreateDhcpOptions", "InvalidParameterValue", "(colour)", DhcpConfigurations=wrong)


@fails(
    "DeleteDhcpOptions",
    "DependencyViolation",
    "The dhcpOptions '{DhcpOptionsId}' has dependencies and cannot be deleted.",
)
def options_of_vpc(world):
    given = made.associate_dhcp_options(world)
    world.ec2.associate_dhcp_options(**given)
    return {"DhcpOptionsId": given["DhcpOptionsId"]}


# Flow logs

for change, code, text in [
    ({"TrafficType": None}, "MissingParameter", "trafficType"),
    ({"LogGroupName": None}, "InvalidParameter", "LogDestination can't be empty"),
    ({"DeliverLogsPermissionArn": None}, "InvalidParameter", "DeliverLogsPermissionArn can't"),
    ({"LogDestinationType": "s3"}, "InvalidParameter", "type must be cloud-watch-logs"),
    ({"MaxAggregationInterval": 61}, "InvalidParameter", "Max Aggregation Interval"),
    ({"LogFormat": "${colour}"}, "InvalidParameter", "Unknown fields provided"),
    ({"ResourceType": "TransitGateway"}, "UnsupportedOperation", "ResourceType"),
    ({"ResourceIds": ["x"]}, "InvalidVpcID.Malformed", "Invalid id"),
    ({"ResourceIds": [ABSENT["VpcId"]]}, "InvalidVpcID.NotFound", "does not exist"),
    ({"DestinationOptions": {"PerHourPartition": True}}, "InvalidParameter", "DestinationOptions"),
]:

    @fails("CreateFlowLogs", code, text)
    def wrong_flow_log(world, change=change):
        given = made.to_group(world) | change
        return {name: value for name, value in given.items() if value is not None}


@fails("CreateFlowLogs", "InvalidParameterValue", "Unable to assume given IAM role")
def role_of_another_service(world):
    return made.to_group(world) | {"DeliverLogsPermissionArn": world.role_arn()}


@fails("CreateFlowLogs", "InvalidParameter", "LogDestination: arn:aws:sqs:::x is invalid.")
def destination_of_no_service(world):
    return made.to_bucket(world) | {"LogDestination": "arn:aws:sqs:::x"}


@fails("CreateFlowLogs", "FlowLogAlreadyExists", "There is an existing Flow Log")
def same_flow_log(world):
    given = made.to_bucket(world)
    world.ec2.create_flow_logs(**given)
    return given


@fails("CreateFlowLogs", "FlowLogsLimitExceeded", "flow logs")
def third_flow_log(world):
    given = made.to_bucket(world)
    for traffic in ("ACCEPT", "REJECT"):
        world.ec2.create_flow_logs(**given | {"TrafficType": traffic})
    return given
