"""EC2: Reachability Analyzer's paths and analyses."""

from matrix import entry
from matrix.ec2 import tagged


def ends(world):
    """Two interfaces of a subnet, as a path has them."""
    vpc, subnet = world.subnet()
    made = [
        world.ec2.create_network_interface(SubnetId=subnet)["NetworkInterface"] for _ in range(2)
    ]
    one, two = [it["NetworkInterfaceId"] for it in made]
    return {"Source": one, "Destination": two, "Protocol": "tcp"}


def path(world, **more):
    made = world.ec2.create_network_insights_path(**ends(world), **more)
    return made["NetworkInsightsPath"]["NetworkInsightsPathId"]


def analysis(world, **more):
    """A path, and an analysis of it."""
    own = path(world)
    made = world.ec2.start_network_insights_analysis(NetworkInsightsPathId=own, **more)
    return own, made["NetworkInsightsAnalysis"]["NetworkInsightsAnalysisId"]


@entry(
    "ec2",
    "CreateNetworkInsightsPath",
    needs=["ec2:CreateNetworkInsightsPath", "ec2:CreateTags"],
)
def create_network_insights_path(world):
    return {**ends(world), "TagSpecifications": tagged("network-insights-path")}


@entry("ec2", "DescribeNetworkInsightsPaths")
def describe_network_insights_paths(world):
    return {}


@entry("ec2", "DeleteNetworkInsightsPath")
def delete_network_insights_path(world):
    return {"NetworkInsightsPathId": path(world)}


@entry(
    "ec2",
    "StartNetworkInsightsAnalysis",
    needs=["ec2:StartNetworkInsightsAnalysis", "ec2:CreateTags"],
)
def start_network_insights_analysis(world):
    return {
        "NetworkInsightsPathId": path(world),
        "TagSpecifications": tagged("network-insights-analysis"),
    }


@entry("ec2", "DescribeNetworkInsightsAnalyses")
def describe_network_insights_analyses(world):
    return {}


@entry("ec2", "DeleteNetworkInsightsAnalysis")
def delete_network_insights_analysis(world):
    return {"NetworkInsightsAnalysisId": analysis(world)[1]}
