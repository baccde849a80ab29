"""Signatures made by botocore's signers: what is refused, and in each protocol's own words.

SageMaker speaks JSON, STS and IAM the query protocol, EC2 its own. An expired session is left to the
unit tests: none that a server hands out is shorter than 15 minutes.
"""

import datetime
import json

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.exceptions
import botocore.parsers
import pytest
import requests

import matrix
from matrix.sts import ACCOUNT_TRUST

JSON = {"Content-Type": "application/x-amz-json-1.1"}
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
CALLS = {
    "sagemaker": ({**JSON, "X-Amz-Target": "SageMaker.ListDomains"}, "{}", "json"),
    "sts": (FORM, "Action=GetCallerIdentity&Version=2011-06-15", "query"),
    "iam": (FORM, "Action=ListUsers&Version=2010-05-08", "query"),
    "ec2": (FORM, "Action=DescribeVpcs&Version=2016-11-15", "ec2"),
}
SERVICES = list(CALLS)
# Without a scope that can be read, it is the host name that tells the service.
HOSTS = {
    "sagemaker": "api.sagemaker.us-west-2.amazonaws.com",
    "sts": "sts.us-west-2.amazonaws.com",
    "iam": "iam.amazonaws.com",
    "ec2": "ec2.us-west-2.amazonaws.com",
}


@pytest.fixture(scope="module")
def root(module_server):
    return module_server.principal()


@pytest.fixture
def clock(monkeypatch):
    """Sets the signers' clock off by some seconds."""

    def off_by(seconds):
        at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
        monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_: at)

    return off_by


def credentials(principal, **other):
    given = {
        "access_key": principal.variables["AWS_ACCESS_KEY_ID"],
        "secret_key": principal.variables["AWS_SECRET_ACCESS_KEY"],
        "token": principal.variables.get("AWS_SESSION_TOKEN"),
        **other,
    }
    return botocore.credentials.Credentials(**given)


class Answer:
    def __init__(self, response, protocol):
        self.status = response.status_code
        self.request_id = response.headers["x-amzn-requestid"]
        self.text = response.text
        self.code = self.message = None
        if self.status >= 300:
            # As botocore reads it; an error has the same form in all operations.
            answer = {
                "status_code": self.status,
                "headers": response.headers,
                "body": response.content,
            }
            error = botocore.parsers.create_parser(protocol).parse(answer, None)["Error"]
            self.code, self.message = error["Code"], error["Message"]


def send(request, protocol):
    session = requests.Session()
    session.trust_env = False
    prepared = requests.Request(
        request.method, request.url, headers=dict(request.headers), data=request.data
    ).prepare()
    return Answer(session.send(prepared, timeout=30, allow_redirects=False), protocol)


def signed(principal, service, scope=None, region="us-west-2", tamper=None, **other):
    """Sends the service's call with a signature in the header; its answer."""
    headers, body, protocol = CALLS[service]
    request = botocore.awsrequest.AWSRequest(
        "POST", f"{principal.server.url}/", headers=dict(headers), data=body
    )
    signer = botocore.auth.SigV4Auth(credentials(principal, **other), scope or service, region)
    signer.add_auth(request)
    if tamper:
        tamper(request)
    return send(request, protocol)


def presigned(principal, service, expires=60, tamper=None, **other):
    """Sends the service's call as a GET that is signed in its query."""
    _, query, protocol = CALLS[service]
    url = f"{principal.server.url}/?{query}"
    request = botocore.awsrequest.AWSRequest("GET", url)
    signer = botocore.auth.SigV4QueryAuth(
        credentials(principal, **other), service, "us-west-2", expires=expires
    )
    signer.add_auth(request)
    if tamper:
        tamper(request)
    return send(request, protocol)


BY_PROTOCOL = {
    "wrong signature": {
        "sagemaker": ("InvalidSignatureException", 400),
        "sts": ("SignatureDoesNotMatch", 403),
        "iam": ("SignatureDoesNotMatch", 403),
        "ec2": ("AuthFailure", 401),
    },
    "unknown key": {
        "sagemaker": ("UnrecognizedClientException", 400),
        "sts": ("InvalidClientTokenId", 403),
        "iam": ("InvalidClientTokenId", 403),
        "ec2": ("AuthFailure", 401),
    },
    "wrong time": {
        "sagemaker": ("InvalidSignatureException", 400),
        "sts": ("SignatureDoesNotMatch", 403),
        "iam": ("SignatureDoesNotMatch", 403),
        "ec2": ("RequestExpired", 400),
    },
    "no signature": {
        "sagemaker": ("MissingAuthenticationTokenException", 400),
        "sts": ("MissingAuthenticationToken", 403),
        "iam": ("MissingAuthenticationToken", 403),
        "ec2": ("MissingParameter", 400),
    },
    "incomplete": {
        "sagemaker": ("IncompleteSignatureException", 400),
        "sts": ("IncompleteSignature", 400),
        "iam": ("IncompleteSignature", 400),
        "ec2": ("AuthFailure", 401),
    },
}


def check(answer, failure, service):
    assert (answer.code, answer.status) == BY_PROTOCOL[failure][service], answer.text


@pytest.mark.parametrize("service", SERVICES)
def test_good_signatures_are_accepted(root, service):
    assert signed(root, service).status == 200
    if service != "sagemaker":
        assert presigned(root, service).status == 200


@pytest.mark.parametrize("service", SERVICES)
def test_a_wrong_secret(root, service):
    check(signed(root, service, secret_key="x" * 40), "wrong signature", service)
    if service != "sagemaker":
        check(presigned(root, service, secret_key="x" * 40), "wrong signature", service)


@pytest.mark.parametrize("service", SERVICES)
def test_an_unknown_key(root, service):
    answer = signed(root, service, access_key="AKIAIOSFODNN7EXAMPLE")
    check(answer, "unknown key", service)
    if service != "ec2":
        assert answer.message == "The security token included in the request is invalid."
    if service != "sagemaker":
        check(
            presigned(root, service, access_key="AKIAIOSFODNN7EXAMPLE"), "unknown key", service
        )


@pytest.mark.parametrize("service", SERVICES)
def test_a_key_that_was_made_inactive_and_deleted(root, service):
    iam = root.client("iam")
    user = f"key-{service}"
    iam.create_user(UserName=user)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    own = {"access_key": key["AccessKeyId"], "secret_key": key["SecretAccessKey"]}
    named = {"UserName": user, "AccessKeyId": key["AccessKeyId"]}
    refused = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
    assert service == "sts" or signed(root, service, **own).code in refused
    iam.update_access_key(**named, Status="Inactive")
    check(signed(root, service, **own), "unknown key", service)
    iam.update_access_key(**named, Status="Active")
    assert service == "sts" or signed(root, service, **own).code in refused
    iam.delete_access_key(**named)
    check(signed(root, service, **own), "unknown key", service)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("minutes", [-20, -16, 16, 20])
def test_a_clock_that_is_off(root, clock, service, minutes):
    clock(minutes * 60)
    answer = signed(root, service)
    check(answer, "wrong time", service)
    if service != "ec2":
        words = "Signature expired: " if minutes < 0 else "Signature not yet current: "
        assert answer.message.startswith(words)


@pytest.mark.parametrize("minutes", [-14, 14])
def test_a_clock_that_is_off_by_less_than_a_quarter_of_an_hour(root, clock, minutes):
    clock(minutes * 60)
    assert signed(root, "sts").status == 200


@pytest.mark.parametrize("service", ["sts", "iam", "ec2"])
def test_a_presigned_url_that_is_too_old(root, clock, service):
    clock(-61)
    check(presigned(root, service, expires=60), "wrong time", service)
    assert presigned(root, service, expires=3_600).status == 200


@pytest.mark.parametrize("service", SERVICES)
def test_no_signature(root, service):
    def unsign(request):
        del request.headers["Authorization"]
        request.headers["Host"] = HOSTS[service]

    check(signed(root, service, tamper=unsign), "no signature", service)


@pytest.mark.parametrize("service", SERVICES)
def test_half_a_signature(root, service):
    def shorten(request):
        whole = request.headers["Authorization"]
        del request.headers["Authorization"]
        request.headers["Authorization"] = whole.split(", Signature=")[0]
        request.headers["Host"] = HOSTS[service]

    answer = signed(root, service, tamper=shorten)
    check(answer, "incomplete", service)
    assert "Signature" in answer.message


def changed_body(request):
    request.data = request.data + " "


def changed_path(request):
    request.url += "other"


def changed_header(request):
    del request.headers["X-Amz-Date"]
    request.headers["X-Amz-Date"] = datetime.datetime.now(datetime.UTC).strftime(
        "%Y%m%dT000000Z"
    )


def changed_token(request):
    request.headers["X-Amz-Security-Token"] = "bm90IG9mIG91cnM="


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("tamper", [changed_body, changed_path])
def test_what_was_changed_after_signing(root, service, tamper):
    check(signed(root, service, tamper=tamper), "wrong signature", service)


@pytest.mark.parametrize("service", SERVICES)
def test_an_amz_header_that_is_not_signed(root, service):
    answer = signed(
        root, service, tamper=lambda request: request.headers.add_header("X-Amz-Extra", "1")
    )
    check(answer, "wrong signature", service)
    assert "'x-amz-extra' must be a 'SignedHeader' in the AWS Authorization." in answer.message


@pytest.mark.parametrize("service", ["sts", "iam", "ec2"])
def test_a_query_that_was_changed_after_signing(root, service):
    def more(request):
        request.url += "&MaxItems=5"

    check(presigned(root, service, tamper=more), "wrong signature", service)


@pytest.mark.parametrize("service", ["sagemaker", "ec2"])
def test_a_scope_of_another_region(root, service):
    answer = signed(root, service, region="eu-west-1")
    check(answer, "wrong signature", service)
    assert "Credential should be scoped to a valid region." in answer.message


@pytest.mark.parametrize("service", ["sts", "iam"])
def test_global_services_take_any_region(root, service):
    assert signed(root, service, region="eu-west-1").status == 200


def test_the_scope_says_which_service_is_meant(root):
    # A signature for one service is no signature for another: the call is one of the service that
    # was signed for, which does not have it.
    answer = signed(root, "iam", scope="sts")
    assert (answer.code, answer.status) == ("InvalidAction", 400)
    answer = signed(root, "sts", scope="dynamodb")
    assert (answer.code, answer.status) == ("NotImplementedException", 501)


# Temporary credentials


@pytest.fixture(scope="module")
def world(module_server):
    return matrix.World(module_server)


@pytest.fixture
def session(world):
    """The name of a role that may do everything, and credentials of a session of it."""
    role = world.role(trust=ACCOUNT_TRUST)
    world.iam.attach_role_policy(
        RoleName=role, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess"
    )
    user = world.user()
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    world.iam.put_user_policy(UserName=user, PolicyName="assume", PolicyDocument=document)
    sts = world.server.principal(f"user/{user}").client("sts")
    given = sts.assume_role(
        RoleArn=f"arn:aws:iam::123456789012:role/{role}", RoleSessionName="test"
    )["Credentials"]
    return role, {
        "access_key": given["AccessKeyId"],
        "secret_key": given["SecretAccessKey"],
        "token": given["SessionToken"],
    }


@pytest.mark.parametrize("service", SERVICES)
def test_a_session(root, session, service):
    role, own = session
    answer = signed(root, service, **own)
    assert answer.status == 200, answer.text
    if service == "sts":
        assert f"arn:aws:sts::123456789012:assumed-role/{role}/test" in answer.text
    if service != "sagemaker":
        assert presigned(root, service, **own).status == 200


@pytest.mark.parametrize("service", SERVICES)
def test_a_session_without_its_token_or_with_another(root, session, service):
    _, own = session
    check(signed(root, service, **{**own, "token": None}), "unknown key", service)
    check(signed(root, service, **{**own, "token": "bm90IG9mIG91cnM="}), "unknown key", service)
    check(signed(root, service, **{**own, "secret_key": "x" * 40}), "wrong signature", service)


@pytest.mark.parametrize("service", SERVICES)
def test_a_token_of_another_key(root, session, service):
    _, own = session
    check(signed(root, service, token=own["token"]), "unknown key", service)


@pytest.mark.parametrize("service", SERVICES)
def test_a_session_ends_with_its_role(root, world, session, service):
    role, own = session
    world.iam.detach_role_policy(
        RoleName=role, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess"
    )
    world.iam.delete_role(RoleName=role)
    check(signed(root, service, **own), "unknown key", service)
    # Another role of the same name is another role.
    world.iam.create_role(RoleName=role, AssumeRolePolicyDocument=ACCOUNT_TRUST)
    check(signed(root, service, **own), "unknown key", service)


# Operations that are not implemented, and that are not there


@pytest.mark.parametrize(
    ("service", "operation", "code", "given"),
    [
        (
            "sagemaker",
            "create_endpoint",
            "NotImplementedException",
            {"EndpointName": "x", "EndpointConfigName": "x"},
        ),
        ("iam", "list_server_certificates", "NotImplemented", {}),
        (
            "sts",
            "assume_root",
            "NotImplemented",
            {
                "TargetPrincipal": "123456789012",
                "TaskPolicyArn": {"arn": "arn:aws:iam::aws:policy/x"},
            },
        ),
        ("ec2", "describe_instances", "UnsupportedOperation", {}),
    ],
)
def test_an_operation_that_is_not_implemented_is_named(root, service, operation, code, given):
    client = root.client(service)
    name = client.meta.method_to_api_mapping[operation]
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        getattr(client, operation)(**given)
    answer = caught.value.response
    assert answer["Error"]["Code"] == code
    assert answer["Error"]["Message"] == (
        f"The operation {service}:{name} is not implemented by Sagegate."
    )
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 501


@pytest.mark.parametrize(
    ("service", "code"),
    [
        ("sagemaker", "UnknownOperationException"),
        ("iam", "InvalidAction"),
        ("sts", "InvalidAction"),
        ("ec2", "InvalidAction"),
    ],
)
def test_an_operation_that_is_not_there(root, monkeypatch, service, code):
    headers, body, protocol = CALLS[service]
    if service == "sagemaker":
        headers = {**headers, "X-Amz-Target": "SageMaker.MakeCoffee"}
    body = body.replace(body.split("&")[0], "Action=MakeCoffee") if "&" in body else body
    monkeypatch.setitem(CALLS, service, (headers, body, protocol))
    answer = signed(root, service)
    assert (answer.code, answer.status) == (code, 400), answer.text
    assert "MakeCoffee" in answer.message


MALFORMED = [
    ("sagemaker", "{", "SerializationException"),
    ("sagemaker", '{"MaxResults": "many"}', "SerializationException"),
    ("sagemaker", "[" * 100_000, "SerializationException"),
    ("sagemaker", b"\xff\xfe", "SerializationException"),
    ("iam", "Version=2010-05-08", "MissingAction"),
    ("iam", "Action=ListUsers&Version=2010-05-08&MaxItems=many", "MalformedInput"),
    ("ec2", "Action=DescribeVpcs&Version=2016-11-15&Colour=red", "UnknownParameter"),
    ("ec2", "Action=DescribeVpcs&Version=1999-01-01", "NoSuchVersion"),
]


@pytest.mark.parametrize(("service", "body", "code"), MALFORMED)
def test_a_body_that_cannot_be_read(root, monkeypatch, service, body, code):
    headers, _, protocol = CALLS[service]
    monkeypatch.setitem(CALLS, service, (headers, body, protocol))
    answer = signed(root, service)
    assert (answer.code, answer.status) == (code, 400), answer.text
    # The signature is looked at first: nobody without one learns what the body is good for.
    check(signed(root, service, secret_key="x" * 40), "wrong signature", service)
