"""Every operation that is served, allowed and denied (see matrix/__init__.py)."""

import importlib
import json
import os
import pkgutil
import subprocess

import botocore
import botocore.exceptions
import pytest

import matrix

for module in pkgutil.iter_modules(matrix.__path__):
    importlib.import_module(f"matrix.{module.name}")

DENIALS = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}


def operations():
    listed = subprocess.run(
        [os.environ["SAGEGATE"], "operations", "--json"], capture_output=True, check=True
    )
    return [(row["service"], row["operation"]) for row in json.loads(listed.stdout)]


@pytest.fixture(scope="module")
def world(module_server):
    return matrix.World(module_server)


def allow(world, user, actions):
    """Makes these actions all that a user may do: one statement each."""
    statements = [
        {"Effect": "Allow", "Action": action, "Resource": "*"} for action in actions
    ]
    if not statements:
        # A policy has at least one statement; this one is about nothing that is called here.
        statements = [{"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}]
    document = json.dumps({"Version": "2012-10-17", "Statement": statements})
    world.iam.put_user_policy(UserName=user, PolicyName="matrix", PolicyDocument=document)


def permitted(call, given, refused):
    """Makes a call that is permitted: it succeeds, or is refused by the operation itself."""
    if refused is None:
        call(**given)
        return
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**given)
    assert caught.value.response["Error"]["Code"] == refused


@pytest.mark.parametrize(("service", "operation"), operations())
def test_operation(world, service, operation):
    assert (service, operation) in matrix.ENTRIES, (
        f"{service}:{operation} is served and has no entry in tests/matrix/{service}.py"
    )
    prepare, needs, refused = matrix.ENTRIES[service, operation]
    user = world.user()
    client = world.server.principal(f"user/{user}").client(service)
    call = getattr(client, botocore.xform_name(operation))

    allow(world, user, needs)
    permitted(call, prepare(world), refused)
    for missing in needs:
        allow(world, user, [action for action in needs if action != missing])
        given = prepare(world)
        with pytest.raises(botocore.exceptions.ClientError) as caught:
            call(**given)
        error = caught.value.response["Error"]
        assert error["Code"] in DENIALS, f"without {missing}: {error}"
        assert f"not authorized to perform: {missing}" in error["Message"]
    allow(world, user, needs)
    permitted(call, prepare(world), refused)


def test_no_entry_is_for_what_is_not_served():
    unserved = sorted(set(matrix.ENTRIES) - set(operations()))
    assert not unserved
