"""EC2: Reachability Analyzer's paths and analyses."""

from errors.ec2 import ec2, fails
from matrix import ec2_insights as made

PATH = "nip-0123456789abcdef0"
ANALYSIS = "nia-0123456789abcdef0"
INTERFACE = "eni-0123456789abcdef0"
TCP = {"Protocol": "tcp", "ClientToken": "errors"}

# What does not exist, and what is no id at all

for operation, member, more in [
    ("DeleteNetworkInsightsPath", "NetworkInsightsPathId", {}),
    ("StartNetworkInsightsAnalysis", "NetworkInsightsPathId", {"ClientToken": "errors"}),
    ("DeleteNetworkInsightsAnalysis", "NetworkInsightsAnalysisId", {}),
]:
    absent, kind, prefix = (
        (PATH, "Path", "nip")
        if member == "NetworkInsightsPathId"
        else (ANALYSIS, "Analysis", "nia")
    )
    text = f"The networkInsights{kind} ID '{absent}' does not exist"
    ec2(operation, f"InvalidNetworkInsights{kind}Id.NotFound", text, **{member: absent}, **more)
    text = f'Invalid id: "{prefix}-Oops" (expecting "{prefix}-...")'
    wrong = {member: f"{prefix}-Oops", **more}
    ec2(operation, f"InvalidNetworkInsights{kind}Id.Malformed", text, **wrong)
code = "InvalidNetworkInsightsPathId.NotFound"
ec2("DescribeNetworkInsightsPaths", code, PATH, NetworkInsightsPathIds=[PATH])
ec2("DescribeNetworkInsightsAnalyses", code, PATH, NetworkInsightsPathId=PATH)
code = "InvalidNetworkInsightsAnalysisId.NotFound"
ec2("DescribeNetworkInsightsAnalyses", code, ANALYSIS, NetworkInsightsAnalysisIds=[ANALYSIS])
for operation in ("DescribeNetworkInsightsPaths", "DescribeNetworkInsightsAnalyses"):
    ec2(
        operation,
        "InvalidParameterValue",
        "The filter 'colour' is invalid",
        Filters=[{"Name": "colour", "Values": ["red"]}],
    )
    ec2(operation, "InvalidNextToken", "", MaxResults=10, NextToken="bm90IG9mIG91cnM=")

# Paths

given = {"Source": INTERFACE, "Destination": INTERFACE, **TCP}
text = "The source '{Source}' does not exist"
ec2("CreateNetworkInsightsPath", "NetworkInsightsSource.NotFound", text, **given)
instance = {**given, "Source": "i-0123456789abcdef0"}
ec2("CreateNetworkInsightsPath", "NetworkInsightsSource.NotFound", "i-0123456789abcdef0", **instance)
subnet = {**given, "Source": "subnet-0123456789abcdef0"}
text = "Value ({Source}) for parameter source is invalid"
ec2("CreateNetworkInsightsPath", "InvalidParameterValue", text, **subnet)


@fails(
    "CreateNetworkInsightsPath",
    "NetworkInsightsDestination.NotFound",
    "The destination '{Destination}' does not exist",
)
def no_destination(world):
    return {**made.ends(world), "Destination": INTERFACE, "ClientToken": world.name()}


@fails(
    "CreateNetworkInsightsPath",
    "MissingParameter",
    "The request must include either the Destination parameter or the"
    " FilterAtSource.DestinationAddress parameter.",
)
def nowhere(world):
    given = made.ends(world)
    return {"Source": given["Source"], "Protocol": "tcp", "ClientToken": world.name()}


for change in [
    {"FilterAtSource": {"SourceAddress": "10.0.0.1"}, "SourceIp": "10.0.0.1"},
    {"FilterAtSource": {"SourceAddress": "10.0.0.1"}, "DestinationPort": 443},
    {"FilterAtDestination": {"SourceAddress": "10.0.0.1"}, "DestinationIp": "10.0.0.1"},
]:

    def together(world, change=change):
        return {**made.ends(world), **change, "ClientToken": world.name()}

    fails("CreateNetworkInsightsPath", "InvalidParameterCombination", "cannot be used")(together)


@fails(
    "CreateNetworkInsightsPath",
    "InvalidParameterValue",
    "Value (300.1.2.3) for parameter sourceIp is invalid.",
)
def no_address(world):
    return {**made.ends(world), "SourceIp": "300.1.2.3", "ClientToken": world.name()}


@fails("CreateNetworkInsightsPath", "IdempotentParameterMismatch", "client token")
def other_request_with_its_token(world):
    given = {**made.ends(world), "ClientToken": world.name()}
    world.ec2.create_network_insights_path(**given)
    return {**given, "Protocol": "udp"}


@fails("DeleteNetworkInsightsPath", "AnalysisExistsForNetworkInsightsPath", "has analyses")
def path_with_analyses(world):
    return {"NetworkInsightsPathId": made.analysis(world)[0]}


# Analyses

for members, code, text in [
    ({"FilterInArns": ["nat-1"]}, "InvalidParameterValue", "(nat-1) for parameter filterInArn"),
    ({"AdditionalAccounts": ["210987654321"]}, "UnsupportedOperation", "AdditionalAccounts"),
]:

    def start(world, members=members):
        return {
            "NetworkInsightsPathId": made.path(world),
            "ClientToken": world.name(),
            **members,
        }

    fails("StartNetworkInsightsAnalysis", code, text)(start)
