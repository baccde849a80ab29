"""`sagegate policy decide`: requests with their policies, one to a line, and no server."""

import json
import os
import subprocess

import pytest

from conftest import shared

POLICY = {"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}}
CASE = {
    "action": "s3:GetObject",
    "resource": "arn:aws:s3:::bucket/key",
    "principal": "arn:aws:iam::123456789012:role/reader",
    "context": {},
    "identityPolicies": [POLICY],
}
ALLOWED = json.dumps(CASE)
DENIED = json.dumps({**CASE, "action": "s3:PutObject"})


def decide(*arguments, given=b""):
    """The exit status and the lines that were printed."""
    if isinstance(given, str):
        given = given.encode()
    done = subprocess.run(
        [os.environ["SAGEGATE"], "policy", "decide", *arguments],
        input=given,
        capture_output=True,
        timeout=60,
    )
    return done.returncode, done.stdout.decode().splitlines(), done.stderr.decode()


def decided():
    """The decided cases beside the checkout, or a skip."""
    place = shared() / "policy-cases" / "decisions.jsonl"
    if not place.exists():
        pytest.skip(f"{place} is not there")
    return place, [json.loads(line) for line in place.read_text().splitlines()]


def test_the_decided_cases_are_decided_as_expected():
    place, cases = decided()
    status, lines, _ = decide(str(place))
    assert len(lines) == len(cases)
    wrong = [
        f"{case['id']}: {case['rule']}: {line}, not {case['expect']}"
        for case, line in zip(cases, lines)
        if line != case["expect"]
    ]
    assert not wrong, "\n".join(wrong)
    assert status == 0


@pytest.mark.parametrize("form", ["--json", "--explain"])
def test_the_forms_agree_on_the_decided_cases(form):
    place, cases = decided()
    status, lines, _ = decide(form, str(place))
    assert [json.loads(line)["outcome"] for line in lines] == [case["expect"] for case in cases]
    assert status == 0


def test_a_line_for_every_line():
    status, lines, _ = decide("-", given=f"{ALLOWED}\n{DENIED}\n{ALLOWED}")
    assert lines == ["allowed", "denied", "allowed"]
    assert status == 0


def test_nothing_is_nothing():
    assert decide("-") == (0, [], "")


BROKEN = [
    (b"{", "line 2: "),
    (b"[]", "line 2: "),
    (b"", "line 2: the line is empty"),
    (b'{"action": "s3:GetObject"}', "line 2: "),
    (b'{"action": "\xff"}', "line 2: column 13: the line is not UTF-8"),
    (json.dumps({**CASE, "identityPolicies": [{"Statement": "all"}]}).encode(), "line 2: "),
    (json.dumps({**CASE, "context": []}).encode(), "line 2: "),
    (b"[" * 100_000, "line 2: "),
    (b"x" * (1 << 20) + b"x", "line 2: the line is longer than 1048576 bytes"),
]


@pytest.mark.parametrize(("line", "cause"), BROKEN, ids=[str(n) for n in range(len(BROKEN))])
def test_the_lines_around_a_broken_one_are_decided(line, cause):
    given = b"\n".join([ALLOWED.encode(), line, DENIED.encode()]) + b"\n"
    status, lines, _ = decide("-", given=given)
    assert (lines[0], lines[2]) == ("allowed", "denied")
    assert lines[1].startswith(f"error: {cause}")
    assert len(lines) == 3
    assert status == 1

    status, lines, _ = decide("--json", "-", given=given)
    outcomes = [json.loads(line) for line in lines]
    assert [outcome["outcome"] for outcome in outcomes] == ["allowed", "error", "denied"]
    assert outcomes[1]["error"].startswith(cause)
    assert status == 1


def test_json_gives_the_outcome_and_its_reason():
    _, lines, _ = decide("--json", "-", given=f"{ALLOWED}\n{DENIED}\n")
    allowed, denied = (json.loads(line) for line in lines)
    assert allowed["outcome"] == "allowed"
    assert allowed["reason"]["policyKind"] == "identity"
    assert allowed["reason"]["statement"] == 0
    assert denied["outcome"] == "denied"
    assert denied["reason"]["text"] == (
        "because no identity-based policy allows the s3:PutObject action"
    )


def test_explain_gives_the_conditions_that_do_not_hold():
    condition = {"StringEquals": {"aws:SourceVpc": "vpc-1"}}
    policy = {"Statement": {**POLICY["Statement"], "Condition": condition}}
    case = {**CASE, "identityPolicies": [policy], "context": {"aws:SourceVpc": "vpc-2"}}
    _, lines, _ = decide("--explain", "-", given=json.dumps(case))
    trace = json.loads(lines[0])
    assert trace["outcome"] == "denied"
    [statement] = trace["policies"][0]["statements"]
    assert not statement["applies"]
    assert statement["conditions"] == [
        {
            "operator": "StringEquals",
            "key": "aws:SourceVpc",
            "policyValues": ["vpc-1"],
            "request": "vpc-2",
            "holds": False,
        }
    ]


def test_only_what_is_in_the_context_exists():
    condition = {"StringEquals": {"aws:PrincipalAccount": "123456789012"}}
    policy = {"Statement": {**POLICY["Statement"], "Condition": condition}}
    case = {**CASE, "identityPolicies": [policy]}
    _, lines, _ = decide("-", given=json.dumps(case))
    assert lines == ["denied"]
    case["context"] = {"AWS:principalaccount": "123456789012"}
    _, lines, _ = decide("-", given=json.dumps(case))
    assert lines == ["allowed"]


def test_a_file_that_is_not_there_is_named():
    status, lines, said = decide("nothing.jsonl")
    assert status == 1
    assert lines == []
    assert "nothing.jsonl" in said
