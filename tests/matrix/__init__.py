"""The operation matrix: for every operation that is served, a call that succeeds and exactly the
permissions that it needs.

An entry is a function that prepares what its call works on, as the root user, and answers the call's
arguments. It runs anew before every attempt, so it must make fresh resources for calls that use
theirs up.
"""

import itertools
import json

ENTRIES = {}


def entry(service, operation, needs=None, refused=None):
    """Registers an entry. `needs` are the actions, `service:operation` if it is not given; an empty
    list says that the call needs no permission. `refused` is the code by which the operation itself
    refuses the call once it is permitted, where a call that succeeds takes more than calls to prepare."""

    def register(prepare):
        wanted = [f"{service}:{operation}"] if needs is None else needs
        assert (service, operation) not in ENTRIES, f"{service}:{operation} is there twice"
        ENTRIES[service, operation] = (prepare, wanted, refused)
        return prepare

    return register


SAGEMAKER_TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "sagemaker.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)

READ_S3 = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
    }
)


class World:
    """What entries make their resources with: root's clients and fresh names."""

    numbers = itertools.count(1)

    def __init__(self, server):
        self.server = server
        self.root = server.principal()
        self.clients = {}
        self.kept = {}

    def __getattr__(self, service):
        if service not in ("iam", "sts", "ec2", "route53", "sagemaker"):
            raise AttributeError(service)
        if service not in self.clients:
            self.clients[service] = self.root.client(service)
        return self.clients[service]

    def name(self, prefix="x"):
        return f"{prefix}-{next(self.numbers)}"

    # IAM

    def user(self, **more):
        name = self.name("user")
        self.iam.create_user(UserName=name, **more)
        return name

    def group(self):
        name = self.name("group")
        self.iam.create_group(GroupName=name)
        return name

    def role(self, trust=SAGEMAKER_TRUST, **more):
        name = self.name("role")
        self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, **more)
        return name

    def role_arn(self, **more):
        return f"arn:aws:iam::123456789012:role/{self.role(**more)}"

    def policy(self, document=READ_S3):
        return self.iam.create_policy(PolicyName=self.name("policy"), PolicyDocument=document)[
            "Policy"
        ]["Arn"]

    def profile(self):
        name = self.name("profile")
        self.iam.create_instance_profile(InstanceProfileName=name)
        return name

    # EC2. An account has few VPCs and domains, so those of earlier entries go first.

    def clear(self):
        """Removes all VPCs and domains but those that are kept."""
        for domain in self.sagemaker.list_domains()["Domains"]:
            if domain["DomainId"] != self.kept.get("domain"):
                self.clear_profiles(domain["DomainId"])
                self.sagemaker.delete_domain(DomainId=domain["DomainId"])
        for notebook in self.sagemaker.list_notebook_instances(StatusEquals="Failed")[
            "NotebookInstances"
        ]:
            name = notebook["NotebookInstanceName"]
            self.sagemaker.delete_notebook_instance(NotebookInstanceName=name)
        own = [{"Name": "is-default", "Values": ["false"]}]
        for vpc in self.ec2.describe_vpcs(Filters=own)["Vpcs"]:
            if vpc["VpcId"] != self.kept.get("vpc"):
                self.clear_vpc(vpc["VpcId"])
        for gateway in self.ec2.describe_internet_gateways()["InternetGateways"]:
            if not gateway["Attachments"]:
                self.ec2.delete_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"])

    def clear_profiles(self, domain):
        of_domain = {"DomainIdEquals": domain}
        for profile in self.sagemaker.list_user_profiles(**of_domain)["UserProfiles"]:
            self.sagemaker.delete_user_profile(
                DomainId=domain, UserProfileName=profile["UserProfileName"]
            )
        for _ in range(100):
            if not self.sagemaker.list_user_profiles(**of_domain)["UserProfiles"]:
                return
        raise AssertionError(f"the user profiles of {domain} are not deleted")

    def clear_vpc(self, vpc):
        within = [{"Name": "vpc-id", "Values": [vpc]}]
        endpoints = self.ec2.describe_vpc_endpoints(Filters=within)["VpcEndpoints"]
        if endpoints:
            self.ec2.delete_vpc_endpoints(
                VpcEndpointIds=[endpoint["VpcEndpointId"] for endpoint in endpoints]
            )
        for gateway in self.ec2.describe_nat_gateways(Filters=within)["NatGateways"]:
            if gateway["State"] != "deleted":
                self.ec2.delete_nat_gateway(NatGatewayId=gateway["NatGatewayId"])
        for gateway in self.ec2.describe_egress_only_internet_gateways()[
            "EgressOnlyInternetGateways"
        ]:
            if gateway["Attachments"][0]["VpcId"] == vpc:
                self.ec2.delete_egress_only_internet_gateway(
                    EgressOnlyInternetGatewayId=gateway["EgressOnlyInternetGatewayId"]
                )
        connections = self.ec2.describe_vpc_peering_connections()["VpcPeeringConnections"]
        for connection in connections:
            ends = (connection["RequesterVpcInfo"], connection["AccepterVpcInfo"])
            joined = vpc in [end["VpcId"] for end in ends]
            if joined and connection["Status"]["Code"] == "active":
                self.ec2.delete_vpc_peering_connection(
                    VpcPeeringConnectionId=connection["VpcPeeringConnectionId"]
                )
        for interface in self.ec2.describe_network_interfaces(Filters=within)["NetworkInterfaces"]:
            self.ec2.delete_network_interface(NetworkInterfaceId=interface["NetworkInterfaceId"])
        groups = [
            group
            for group in self.ec2.describe_security_groups(Filters=within)["SecurityGroups"]
            if group["GroupName"] != "default"
        ]
        for group in groups:
            # Groups that name each other cannot be deleted before their rules are.
            for way in ("ingress", "egress"):
                rules = group["IpPermissions" if way == "ingress" else "IpPermissionsEgress"]
                if rules:
                    revoke = getattr(self.ec2, f"revoke_security_group_{way}")
                    revoke(GroupId=group["GroupId"], IpPermissions=rules)
        for group in groups:
            self.ec2.delete_security_group(GroupId=group["GroupId"])
        for subnet in self.ec2.describe_subnets(Filters=within)["Subnets"]:
            self.ec2.delete_subnet(SubnetId=subnet["SubnetId"])
        for table in self.ec2.describe_route_tables(Filters=within)["RouteTables"]:
            if not table["Associations"]:
                self.ec2.delete_route_table(RouteTableId=table["RouteTableId"])
        for acl in self.ec2.describe_network_acls(Filters=within)["NetworkAcls"]:
            if not acl["IsDefault"]:
                self.ec2.delete_network_acl(NetworkAclId=acl["NetworkAclId"])
        attached = [{"Name": "attachment.vpc-id", "Values": [vpc]}]
        for gateway in self.ec2.describe_internet_gateways(Filters=attached)["InternetGateways"]:
            given = {"InternetGatewayId": gateway["InternetGatewayId"]}
            self.ec2.detach_internet_gateway(VpcId=vpc, **given)
            self.ec2.delete_internet_gateway(**given)
        self.ec2.delete_vpc(VpcId=vpc)

    def vpc(self):
        self.clear()
        number = next(self.numbers) % 200
        vpc = self.ec2.create_vpc(CidrBlock=f"10.{number}.0.0/16")["Vpc"]["VpcId"]
        self.ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
        return vpc, f"10.{number}"

    def subnet(self):
        vpc, base = self.vpc()
        subnet = self.ec2.create_subnet(
            VpcId=vpc, CidrBlock=f"{base}.1.0/24", AvailabilityZone="us-west-2a"
        )["Subnet"]["SubnetId"]
        return vpc, subnet

    def security_group(self):
        vpc, _ = self.vpc()
        return self.ec2.create_security_group(
            VpcId=vpc, GroupName=self.name("group"), Description="matrix"
        )["GroupId"]

    def endpoint(self):
        vpc, subnet = self.subnet()
        return self.ec2.create_vpc_endpoint(
            VpcEndpointType="Interface",
            VpcId=vpc,
            ServiceName="com.amazonaws.us-west-2.sagemaker.api",
            SubnetIds=[subnet],
        )["VpcEndpoint"]["VpcEndpointId"]

    # SageMaker

    def domain(self):
        vpc, subnet = self.subnet()
        answer = self.sagemaker.create_domain(
            DomainName=self.name("domain"),
            AuthMode="IAM",
            VpcId=vpc,
            SubnetIds=[subnet],
            DefaultUserSettings={"ExecutionRole": self.role_arn()},
        )
        return answer["DomainArn"].rsplit("/", 1)[1]

    def shared_domain(self):
        """A domain that entries may use and leave as it is."""
        if "domain" not in self.kept:
            domain = self.domain()
            self.kept["domain"] = domain
            self.kept["vpc"] = self.sagemaker.describe_domain(DomainId=domain)["VpcId"]
        return self.kept["domain"]

    def user_profile(self):
        domain, name = self.shared_domain(), self.name("profile")
        self.sagemaker.create_user_profile(DomainId=domain, UserProfileName=name)
        return {"DomainId": domain, "UserProfileName": name}
