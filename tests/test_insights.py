"""Reachability Analyzer over the wire: what a person asks with the aws CLI and with boto3."""

import json

import pytest


@pytest.fixture(scope="module")
def root(module_server):
    return module_server.principal()


@pytest.fixture(scope="module")
def ec2(root):
    return root.client("ec2")


@pytest.fixture(scope="module")
def site(ec2):
    """A VPC with an internet gateway and one interface that has a public address."""
    vpc = ec2.create_vpc(CidrBlock="10.80.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.80.1.0/24")["Subnet"]["SubnetId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    group = ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)["GroupId"]
    made = ec2.create_network_interface(SubnetId=subnet, Groups=[group])["NetworkInterface"]
    own = ec2.allocate_address()
    ec2.associate_address(
        AllocationId=own["AllocationId"], NetworkInterfaceId=made["NetworkInterfaceId"]
    )
    main = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])
    return {
        "vpc": vpc,
        "subnet": subnet,
        "gateway": gateway,
        "group": group,
        "interface": made["NetworkInterfaceId"],
        "private": made["PrivateIpAddress"],
        "public": own["PublicIp"],
        "table": main["RouteTables"][0]["RouteTableId"],
    }


def told(done):
    """What a command of the aws CLI prints."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_steps_of_the_guide(root, ec2, site):
    """Reachability Analyzer guide, "Getting started with Reachability Analyzer using the AWS CLI"."""

    def analyse():
        started = root.aws(
            "ec2", "start-network-insights-analysis", "--network-insights-path-id", path
        )
        analysis = told(started)["NetworkInsightsAnalysis"]["NetworkInsightsAnalysisId"]
        found = told(
            root.aws(
                "ec2",
                "describe-network-insights-analyses",
                "--network-insights-analysis-ids",
                analysis,
            )
        )
        deleted = root.aws(
            "ec2",
            "delete-network-insights-analysis",
            "--network-insights-analysis-id",
            analysis,
        )
        assert told(deleted) == {"NetworkInsightsAnalysisId": analysis}
        return found["NetworkInsightsAnalyses"][0]

    made = root.aws(
        "ec2",
        "create-network-insights-path",
        "--source",
        site["gateway"],
        "--destination",
        site["interface"],
        "--protocol",
        "tcp",
        "--filter-at-source",
        json.dumps({"DestinationPortRange": {"FromPort": 22, "ToPort": 22}}),
    )
    path = told(made)["NetworkInsightsPath"]["NetworkInsightsPathId"]

    # No rule lets anything in.
    found = analyse()
    assert (found["Status"], found["NetworkPathFound"]) == ("succeeded", False)
    (why,) = found["Explanations"]
    assert why["ExplanationCode"] == "SG_HAS_NO_RULES"
    assert why["Direction"] == "ingress" and why["Port"] == 22
    assert why["NetworkInterface"]["Id"] == site["interface"]
    assert [group["Id"] for group in why["SecurityGroups"]] == [site["group"]]
    assert why["Vpc"]["Id"] == site["vpc"]
    assert why["Vpc"]["Arn"].endswith(f":vpc/{site['vpc']}")

    # It comes in, and no route leads back.
    ec2.authorize_security_group_ingress(
        GroupId=site["group"], IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0"
    )
    found = analyse()
    (why,) = found["Explanations"]
    assert why["ExplanationCode"] == "NO_ROUTE_TO_DESTINATION"
    assert why["RouteTable"]["Id"] == site["table"]
    assert found["ForwardPathComponents"][-1]["Component"]["Id"] == site["interface"]

    ec2.create_route(
        RouteTableId=site["table"],
        DestinationCidrBlock="0.0.0.0/0",
        GatewayId=site["gateway"],
    )
    found = analyse()
    assert found["NetworkPathFound"] and "Explanations" not in found
    first, *_, last = found["ForwardPathComponents"]
    assert first["SequenceNumber"] == 1 and first["Component"]["Id"] == site["gateway"]
    assert first["InboundHeader"]["DestinationAddresses"] == [f"{site['public']}/32"]
    assert first["OutboundHeader"]["DestinationAddresses"] == [f"{site['private']}/32"]
    assert first["InboundHeader"]["Protocol"] == "6"
    assert first["InboundHeader"]["DestinationPortRanges"] == [{"From": 22, "To": 22}]
    assert first["InboundHeader"]["SourcePortRanges"] == [{"From": 0, "To": 65535}]
    assert last["Component"]["Id"] == site["interface"]
    assert last["Subnet"]["Id"] == site["subnet"] and last["Vpc"]["Id"] == site["vpc"]
    (rule,) = [
        step["SecurityGroupRule"]
        for step in found["ForwardPathComponents"]
        if "SecurityGroupRule" in step
    ]
    assert rule == {
        "Cidr": "0.0.0.0/0",
        "Direction": "ingress",
        "PortRange": {"From": 22, "To": 22},
        "Protocol": "tcp",
    }
    (route,) = [
        step["RouteTableRoute"]
        for step in found["ReturnPathComponents"]
        if "RouteTableRoute" in step
    ]
    assert route == {
        "DestinationCidr": "0.0.0.0/0",
        "GatewayId": site["gateway"],
        "Origin": "createroute",
        "State": "active",
    }
    told(root.aws("ec2", "delete-network-insights-path", "--network-insights-path-id", path))
    assert ec2.describe_network_insights_paths()["NetworkInsightsPaths"] == []


def test_an_analysis_fails_for_who_may_not_look(module_server, root, ec2, site):
    iam = root.client("iam")
    iam.create_user(UserName="looker")
    statement = {
        "Effect": "Allow",
        "Action": ["ec2:*", "tiros:CreateQuery"],
        "Resource": "*",
    }
    iam.put_user_policy(
        UserName="looker",
        PolicyName="look",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    looker = module_server.principal("user/looker").client("ec2")
    path = looker.create_network_insights_path(
        Source=site["interface"], Destination=site["gateway"], Protocol="tcp"
    )["NetworkInsightsPath"]["NetworkInsightsPathId"]
    started = looker.start_network_insights_analysis(NetworkInsightsPathId=path)
    id = started["NetworkInsightsAnalysis"]["NetworkInsightsAnalysisId"]
    found = looker.describe_network_insights_analyses(NetworkInsightsPathId=path)
    (analysis,) = found["NetworkInsightsAnalyses"]
    assert analysis["Status"] == "failed" and "NetworkPathFound" not in analysis
    reason = "The request failed due to insufficient permissions: tiros:GetQueryAnswer"
    assert analysis["StatusMessage"] == reason
    # What was asked in the caller's name can be read where decisions are.
    told = module_server.explain(started["ResponseMetadata"]["RequestId"])
    assert "tiros" in json.dumps(told) and "GetQueryAnswer" in json.dumps(told)
    looker.delete_network_insights_analysis(NetworkInsightsAnalysisId=id)
    looker.delete_network_insights_path(NetworkInsightsPathId=path)
