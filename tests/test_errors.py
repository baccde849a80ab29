"""Every operation that is served, failing in its documented ways (see errors/__init__.py)."""

import collections
import importlib
import pkgutil

import botocore
import botocore.exceptions
import pytest

import errors
import matrix
from test_matrix import operations

SERVICES = ("ec2", "iam", "route53", "sagemaker", "sts")
for package in (matrix, errors):
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")


@pytest.fixture(scope="module")
def world(module_server):
    return matrix.World(module_server)


@pytest.fixture(scope="module")
def clients(module_server):
    """Clients that leave all validation to the server."""
    root = module_server.principal()
    return {name: root.client(name, parameter_validation=False) for name in SERVICES}


def named(cases):
    """The cases with ids such as iam-GetUser-NoSuchEntity."""
    seen = collections.Counter()
    for case in cases:
        name = f"{case.service}-{case.operation}-{case.code}"
        seen[name] += 1
        yield pytest.param(case, id=name if seen[name] == 1 else f"{name}-{seen[name]}")


@pytest.mark.parametrize("case", list(named(errors.CASES)))
def test_error(world, clients, case):
    arguments = case.prepare(world)
    given = {name: value for name, value in arguments.items() if not name.startswith("_")}
    client = arguments.get("_client") or clients[case.service]
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        getattr(client, botocore.xform_name(case.operation))(**given)
    answer = caught.value.response
    error = answer["Error"]
    assert error["Code"] == case.code, error
    assert case.message(arguments) in error["Message"]
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == case.status


@pytest.mark.parametrize(("service", "operation"), operations())
def test_every_operation_has_an_error(service, operation):
    listed = any(
        (case.service, case.operation) == (service, operation) for case in errors.CASES
    )
    reason = errors.WITHOUT.get((service, operation))
    assert listed or reason, f"{service}:{operation} has no entry in tests/errors"
    assert not (
        listed and reason
    ), f"{service}:{operation} has an entry and a reason to have none"


def test_no_error_is_for_what_is_not_served():
    served = set(operations())
    mentioned = {(case.service, case.operation) for case in errors.CASES} | set(errors.WITHOUT)
    assert sorted(mentioned - served) == []


def dry_runs():
    """Operations of EC2 that can be tried without being carried out."""
    model = botocore.session.get_session().get_service_model("ec2")
    for service, operation in operations():
        if (
            service == "ec2"
            and "DryRun" in model.operation_model(operation).input_shape.members
        ):
            yield operation


@pytest.mark.parametrize("operation", list(dry_runs()))
def test_a_dry_run_says_what_would_happen(world, operation):
    prepare, needs, _ = matrix.ENTRIES["ec2", operation]
    call = botocore.xform_name(operation)
    given = prepare(world)
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        getattr(world.ec2, call)(**given, DryRun=True)
    answer = caught.value.response
    assert answer["Error"]["Code"] == "DryRunOperation"
    assert answer["Error"]["Message"] == "Request would have succeeded, but DryRun flag is set."
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 412

    nobody = world.server.principal(f"user/{world.user()}").client("ec2")
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        getattr(nobody, call)(**given, DryRun=True)
    answer = caught.value.response
    assert answer["Error"]["Code"] == "UnauthorizedOperation"
    assert f"not authorized to perform: {needs[0]}" in answer["Error"]["Message"]
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 403
    # Neither did anything: the call can still be made with the same resources.
    getattr(world.ec2, call)(**given)
