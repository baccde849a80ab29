"""EC2."""

from matrix import entry

PERMISSION = [
    {
        "IpProtocol": "tcp",
        "FromPort": 443,
        "ToPort": 443,
        "IpRanges": [{"CidrIp": "10.0.0.0/8"}],
    }
]
TAGS = [{"Key": "team", "Value": "research"}]


def tagged(kind):
    return [{"ResourceType": kind, "Tags": TAGS}]


# VPCs and subnets


@entry("ec2", "CreateVpc", needs=["ec2:CreateVpc", "ec2:CreateTags"])
def create_vpc(world):
    return {"CidrBlock": "10.250.0.0/16", "TagSpecifications": tagged("vpc")}


@entry("ec2", "DescribeVpcs")
def describe_vpcs(world):
    return {}


@entry("ec2", "DeleteVpc")
def delete_vpc(world):
    return {"VpcId": world.vpc()[0]}


@entry("ec2", "DescribeVpcAttribute")
def describe_vpc_attribute(world):
    return {"VpcId": world.vpc()[0], "Attribute": "enableDnsSupport"}


@entry("ec2", "ModifyVpcAttribute")
def modify_vpc_attribute(world):
    return {"VpcId": world.vpc()[0], "EnableDnsHostnames": {"Value": True}}


@entry("ec2", "CreateSubnet")
def create_subnet(world):
    vpc, base = world.vpc()
    return {"VpcId": vpc, "CidrBlock": f"{base}.7.0/24"}


@entry("ec2", "DescribeSubnets")
def describe_subnets(world):
    return {}


@entry("ec2", "DeleteSubnet")
def delete_subnet(world):
    return {"SubnetId": world.subnet()[1]}


@entry("ec2", "ModifySubnetAttribute")
def modify_subnet_attribute(world):
    return {"SubnetId": world.subnet()[1], "MapPublicIpOnLaunch": {"Value": True}}


@entry("ec2", "DescribeAvailabilityZones")
def describe_availability_zones(world):
    return {}


@entry("ec2", "DescribeRegions")
def describe_regions(world):
    return {}


@entry("ec2", "DescribeAccountAttributes")
def describe_account_attributes(world):
    return {}


# Security groups


@entry("ec2", "CreateSecurityGroup")
def create_security_group(world):
    return {
        "VpcId": world.vpc()[0],
        "GroupName": world.name("group"),
        "Description": "matrix",
    }


@entry("ec2", "DescribeSecurityGroups")
def describe_security_groups(world):
    return {}


@entry("ec2", "DescribeSecurityGroupRules")
def describe_security_group_rules(world):
    return {}


@entry("ec2", "DeleteSecurityGroup")
def delete_security_group(world):
    return {"GroupId": world.security_group()}


@entry("ec2", "AuthorizeSecurityGroupIngress")
def authorize_security_group_ingress(world):
    return {"GroupId": world.security_group(), "IpPermissions": PERMISSION}


@entry("ec2", "AuthorizeSecurityGroupEgress")
def authorize_security_group_egress(world):
    return {"GroupId": world.security_group(), "IpPermissions": PERMISSION}


@entry("ec2", "RevokeSecurityGroupIngress")
def revoke_security_group_ingress(world):
    given = authorize_security_group_ingress(world)
    world.ec2.authorize_security_group_ingress(**given)
    return given


@entry("ec2", "RevokeSecurityGroupEgress")
def revoke_security_group_egress(world):
    given = authorize_security_group_egress(world)
    world.ec2.authorize_security_group_egress(**given)
    return given


def rule_of(world):
    """A group, and a rule of it."""
    given = authorize_security_group_ingress(world)
    made = world.ec2.authorize_security_group_ingress(**given)
    return given["GroupId"], made["SecurityGroupRules"][0]["SecurityGroupRuleId"]


@entry("ec2", "ModifySecurityGroupRules")
def modify_security_group_rules(world):
    group, rule = rule_of(world)
    to = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "CidrIpv4": "10.0.0.0/8"}
    update = {"SecurityGroupRuleId": rule, "SecurityGroupRule": to}
    return {"GroupId": group, "SecurityGroupRules": [update]}


@entry("ec2", "UpdateSecurityGroupRuleDescriptionsIngress")
def update_security_group_rule_descriptions_ingress(world):
    group, rule = rule_of(world)
    described = {"SecurityGroupRuleId": rule, "Description": "clients"}
    return {"GroupId": group, "SecurityGroupRuleDescriptions": [described]}


@entry("ec2", "UpdateSecurityGroupRuleDescriptionsEgress")
def update_security_group_rule_descriptions_egress(world):
    return revoke_security_group_egress(world)


# Endpoints


@entry("ec2", "CreateVpcEndpoint")
def create_vpc_endpoint(world):
    vpc, subnet = world.subnet()
    return {
        "VpcEndpointType": "Interface",
        "VpcId": vpc,
        "ServiceName": "com.amazonaws.us-west-2.sagemaker.api",
        "SubnetIds": [subnet],
    }


@entry("ec2", "DescribeVpcEndpoints")
def describe_vpc_endpoints(world):
    return {}


@entry("ec2", "ModifyVpcEndpoint")
def modify_vpc_endpoint(world):
    return {"VpcEndpointId": world.endpoint(), "ResetPolicy": True}


@entry("ec2", "DescribeVpcEndpointServices")
def describe_vpc_endpoint_services(world):
    return {}


@entry("ec2", "DescribePrefixLists")
def describe_prefix_lists(world):
    return {}


# Network interfaces


def interface(world):
    _, subnet = world.subnet()
    made = world.ec2.create_network_interface(SubnetId=subnet)
    return made["NetworkInterface"]["NetworkInterfaceId"]


@entry("ec2", "CreateNetworkInterface")
def create_network_interface(world):
    return {"SubnetId": world.subnet()[1]}


@entry("ec2", "DescribeNetworkInterfaces")
def describe_network_interfaces(world):
    return {}


@entry("ec2", "DeleteNetworkInterface")
def delete_network_interface(world):
    return {"NetworkInterfaceId": interface(world)}


@entry("ec2", "ModifyNetworkInterfaceAttribute")
def modify_network_interface_attribute(world):
    return {"NetworkInterfaceId": interface(world), "Description": {"Value": "changed"}}


@entry("ec2", "DescribeNetworkInterfaceAttribute")
def describe_network_interface_attribute(world):
    return {"NetworkInterfaceId": interface(world), "Attribute": "groupSet"}


@entry("ec2", "ResetNetworkInterfaceAttribute")
def reset_network_interface_attribute(world):
    return {"NetworkInterfaceId": interface(world), "SourceDestCheck": "true"}


# Tags


@entry("ec2", "CreateTags")
def create_tags(world):
    return {"Resources": [world.vpc()[0]], "Tags": TAGS}


@entry("ec2", "DeleteTags")
def delete_tags(world):
    vpc, _ = world.vpc()
    world.ec2.create_tags(Resources=[vpc], Tags=TAGS)
    return {"Resources": [vpc], "Tags": [{"Key": "team"}]}


@entry("ec2", "DescribeTags")
def describe_tags(world):
    return {}


@entry("ec2", "DeleteVpcEndpoints")
def delete_vpc_endpoints(world):
    return {"VpcEndpointIds": [world.endpoint()]}
