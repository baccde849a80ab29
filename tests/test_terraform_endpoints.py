"""The calls that Terraform's AWS provider makes for security groups and interface endpoints, in its
order, with boto3."""

import json

from test_terraform_network import code_of, ec2 as ec2, vpc as vpc  # noqa: F401

SERVICE = "com.amazonaws.us-west-2.sts"


def group_of(ec2, vpc):  # noqa: F811
    """aws_security_group: what AWS lets out by default is taken away, of either family."""
    made = ec2.create_security_group(
        GroupName="tf", Description="Managed by Terraform", VpcId=vpc
    )["GroupId"]
    everything = {"IpProtocol": "-1", "FromPort": 0, "ToPort": 0}
    ec2.revoke_security_group_egress(
        GroupId=made, IpPermissions=[{**everything, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    )
    gone = code_of(
        ec2.revoke_security_group_egress,
        GroupId=made,
        IpPermissions=[{**everything, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}],
    )
    assert gone == "InvalidPermission.NotFound"
    read = ec2.describe_security_groups(GroupIds=[made])["SecurityGroups"][0]
    assert (read["IpPermissions"], read["IpPermissionsEgress"]) == ([], [])
    return made


def test_security_group(ec2, vpc):  # noqa: F811
    group = group_of(ec2, vpc)

    # An inline rule: the old one is revoked before the new one is authorized.
    def https(port):
        ranges = [{"CidrIp": "10.90.0.0/16", "Description": "https"}]
        return [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": port, "IpRanges": ranges}]

    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=https(443))
    ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=https(443))
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=https(444))
    read = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]
    assert [rule["ToPort"] for rule in read["IpPermissions"]] == [444]

    # aws_vpc_security_group_ingress_rule: it is read, changed and deleted by its id.
    dns = {"IpProtocol": "udp", "FromPort": 53, "ToPort": 53}
    made = ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[{**dns, "UserIdGroupPairs": [{"GroupId": group}]}]
    )["SecurityGroupRules"]
    assert len(made) == 1
    rule = made[0]["SecurityGroupRuleId"]
    changed = {"IpProtocol": "udp", "FromPort": 53, "ToPort": 54, "ReferencedGroupId": group}
    ec2.modify_security_group_rules(
        GroupId=group,
        SecurityGroupRules=[{"SecurityGroupRuleId": rule, "SecurityGroupRule": changed}],
    )
    read = ec2.describe_security_group_rules(SecurityGroupRuleIds=[rule])["SecurityGroupRules"]
    assert (read[0]["ToPort"], read[0]["ReferencedGroupInfo"]["GroupId"]) == (54, group)
    ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[rule])
    gone = code_of(ec2.describe_security_group_rules, SecurityGroupRuleIds=[rule])
    assert gone == "InvalidSecurityGroupRuleId.NotFound"
    ec2.delete_security_group(GroupId=group)
    gone = code_of(ec2.describe_security_groups, GroupIds=[group])
    assert gone == "InvalidGroup.NotFound"


def test_interface_endpoint(ec2, vpc):  # noqa: F811
    group = group_of(ec2, vpc)
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=f"us-west-2{zone}")
        for block, zone in (("10.90.20.0/24", "a"), ("10.90.21.0/24", "b"))
    ]
    one, two = [made["Subnet"]["SubnetId"] for made in subnets]
    create = {
        "VpcId": vpc,
        "ServiceName": SERVICE,
        "VpcEndpointType": "Interface",
        "PrivateDnsEnabled": True,
        "SecurityGroupIds": [group],
        "SubnetIds": [one],
        "ClientToken": "terraform-sts",
    }
    endpoint = ec2.create_vpc_endpoint(**create)["VpcEndpoint"]["VpcEndpointId"]
    # A repetition whose first answer was lost makes no second endpoint.
    assert ec2.create_vpc_endpoint(**create)["VpcEndpoint"]["VpcEndpointId"] == endpoint
    by_id = {"VpcEndpointIds": [endpoint]}

    def read():
        """The endpoint, and the subnets of its interfaces, each of which is read by itself."""
        found = ec2.describe_vpc_endpoints(**by_id)["VpcEndpoints"][0]
        assert found["State"] == "available"
        assert found["PrivateDnsEnabled"] and found["DnsEntries"]
        lists = [{"Name": "prefix-list-name", "Values": [SERVICE]}]
        assert ec2.describe_prefix_lists(Filters=lists)["PrefixLists"] == []
        places = set()
        for interface in found["NetworkInterfaceIds"]:
            seen = ec2.describe_network_interfaces(NetworkInterfaceIds=[interface])
            places.add(seen["NetworkInterfaces"][0]["SubnetId"])
            assert seen["NetworkInterfaces"][0]["PrivateIpAddress"].startswith("10.90.2")
        assert places == set(found["SubnetIds"])
        return found, places

    found, places = read()
    assert places == {one}
    usual = json.loads(found["PolicyDocument"])

    # aws_vpc_endpoint_subnet_association, a changed list of subnets, and one of groups.
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, AddSubnetIds=[two])
    assert read()[1] == {one, two}
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, RemoveSubnetIds=[two])
    assert read()[1] == {one}
    default = ec2.describe_security_groups(
        Filters=[
            {"Name": "group-name", "Values": ["default"]},
            {"Name": "vpc-id", "Values": [vpc]},
        ]
    )["SecurityGroups"][0]["GroupId"]
    for add, remove in ((default, group), (group, default)):
        ec2.modify_vpc_endpoint(
            VpcEndpointId=endpoint, AddSecurityGroupIds=[add], RemoveSecurityGroupIds=[remove]
        )
        assert [it["GroupId"] for it in read()[0]["Groups"]] == [add]

    # aws_vpc_endpoint_policy, which goes back to the default one at its end.
    statement = {"Action": "sts:Get*", "Effect": "Allow", "Principal": "*", "Resource": "*"}
    policy = {"Statement": [statement], "Version": "2012-10-17"}
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, PolicyDocument=json.dumps(policy))
    assert json.loads(read()[0]["PolicyDocument"]) == policy
    ec2.modify_vpc_endpoint(VpcEndpointId=endpoint, ResetPolicy=True)
    assert json.loads(read()[0]["PolicyDocument"]) == usual

    # Destroy: the endpoint until it is not found, then what it stood in.
    assert code_of(ec2.delete_security_group, GroupId=group) == "DependencyViolation"
    assert ec2.delete_vpc_endpoints(**by_id)["Unsuccessful"] == []
    assert code_of(ec2.describe_vpc_endpoints, **by_id) == "InvalidVpcEndpointId.NotFound"
    ec2.delete_security_group(GroupId=group)
    for subnet in (one, two):
        ec2.delete_subnet(SubnetId=subnet)
