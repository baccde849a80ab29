"""Spaces inside of a VPC: an account with a domain that is VpcOnly, and real clients in its spaces."""

import io
import json
import pathlib
import tarfile

import pytest

from conftest import ACCOUNT, REGION
from remote import Site
from studio import close, profile

HTTPS = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
STUDIO = [{"Name": "description", "Values": ["[DO NOT DELETE] ENI managed by SageMaker*"]}]
WHO = f"arn:aws:sts::{ACCOUNT}:assumed-role/studio/SageMaker"
STS = f"sts.{REGION}.amazonaws.com"
#: The clients that are put into spaces: pure Python, and of botocore's models those that are used.
PACKAGES = ["awscli", "boto3", "botocore", "colorama", "dateutil", "docutils", "jmespath", "pyasn1",
            "rsa", "s3transfer", "six.py", "urllib3", "yaml"]
#: The aws CLI renames commands of some services, and wants to find them.
MODELS = {"codedeploy", "config", "s3", "sagemaker", "sagemaker-runtime", "sdb", "sms-voice", "sts"}

#: One call of STS; what came of it, and how.
CALL = """
import json, sys
sys.path.insert(0, "clients")
import boto3, botocore.config, botocore.exceptions
config = botocore.config.Config(
    connect_timeout=int(sys.argv[1]), read_timeout=20, retries={"total_max_attempts": 1}
)
try:
    answer = boto3.client("sts", config=config).get_caller_identity()
    said = {"arn": answer["Arn"]}
except botocore.exceptions.ClientError as refusal:
    answer, said = refusal.response, {"refused": str(refusal)}
except botocore.exceptions.BotoCoreError as error:
    answer, said = {}, {"failed": type(error).__name__}
said["id"] = answer.get("ResponseMetadata", {}).get("RequestId")
print(json.dumps(said))
"""

#: The addresses of the interface, and of a name.
LOOK = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
    one.connect(("198.18.0.1", 9))
    print(one.getsockname()[0])
for name in sys.argv[1:]:
    try:
        print(*sorted({it[4][0] for it in socket.getaddrinfo(name, 443, socket.AF_INET)}))
    except OSError as error:
        print(type(error).__name__)
"""


class Closed(Site):
    """A domain that is VpcOnly, in a VPC with an endpoint of STS."""

    def __init__(self, place):
        super().__init__(place)
        #: The domain that has the internet.
        self.open = self.domain
        ec2 = self.ec2
        self.vpc = ec2.create_vpc(CidrBlock="10.40.0.0/16")["Vpc"]["VpcId"]
        ec2.modify_vpc_attribute(VpcId=self.vpc, EnableDnsHostnames={"Value": True})
        make = lambda block: ec2.create_subnet(VpcId=self.vpc, CidrBlock=block)["Subnet"]["SubnetId"]
        self.subnet, self.outer = make("10.40.1.0/24"), make("10.40.2.0/24")
        self.apps, self.endpoints = self.group("apps"), self.group("endpoints")
        self.let_in()
        self.endpoint = ec2.create_vpc_endpoint(
            VpcId=self.vpc,
            ServiceName=f"com.amazonaws.{REGION}.sts",
            VpcEndpointType="Interface",
            SubnetIds=[self.outer],
            SecurityGroupIds=[self.endpoints],
            PrivateDnsEnabled=True,
        )["VpcEndpoint"]["VpcEndpointId"]
        self.domain = self.sagemaker.create_domain(
            DomainName="closed",
            AuthMode="IAM",
            VpcId=self.vpc,
            SubnetIds=[self.subnet],
            AppNetworkAccessType="VpcOnly",
            DefaultUserSettings={"ExecutionRole": self.role, "SecurityGroups": [self.apps]},
        )["DomainArn"].rsplit("/", 1)[1]
        for name in ("ann", "ben"):
            profile(self.root, self.domain, name)

    def group(self, name):
        made = self.ec2.create_security_group(GroupName=name, Description="-", VpcId=self.vpc)
        return made["GroupId"]

    def let_in(self):
        self.ec2.authorize_security_group_ingress(
            GroupId=self.endpoints,
            IpPermissions=[{**HTTPS, "UserIdGroupPairs": [{"GroupId": self.apps}]}],
        )

    def shut_out(self):
        self.ec2.revoke_security_group_ingress(
            GroupId=self.endpoints,
            IpPermissions=[{**HTTPS, "UserIdGroupPairs": [{"GroupId": self.apps}]}],
        )

    def interfaces(self):
        return self.ec2.describe_network_interfaces(Filters=STUDIO)["NetworkInterfaces"]

    def policy(self, document):
        self.ec2.modify_vpc_endpoint(
            VpcEndpointId=self.endpoint,
            **({"PolicyDocument": json.dumps(document)} if document else {"ResetPolicy": True}),
        )


def clients():
    """The clients, as an archive."""
    from importlib.util import find_spec

    place = pathlib.Path(find_spec("botocore").origin).parent.parent
    packed = io.BytesIO()

    def wanted(entry):
        words = pathlib.PurePath(entry.name).parts
        model = entry.name.partition("botocore/data/")[2].partition("/")[0]
        skipped = "__pycache__" in words or words[1:3] == ("awscli", "examples")
        return None if skipped or (model and "." not in model and model not in MODELS) else entry

    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name in PACKAGES:
            archive.add(place / name, f"clients/{name}", filter=wanted)
    return packed.getvalue()


def call(client, space, patience=2):
    """Calls STS by boto3 in a space."""
    return json.loads(client.python(space, CALL, str(patience)))


def skip_without_networks(site, client, space):
    if "nameserver" not in client.said(space, "cat /etc/resolv.conf"):
        close(site.server)
        pytest.skip("this machine cannot carry the VPC")


def address_of(site, client, space):
    return client.python(space, LOOK).split()[0]
