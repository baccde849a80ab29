#!/usr/bin/env python3
"""Holds the codecs against botocore: its serializers' requests must decode to what was asked for, and its parsers must
read what is answered.

Started by codecs_botocore.rs, which answers on standard input what is asked on standard output. Each difference is a
line on standard error; the exit status is 0 where there is none. The argument is the number of rounds.
"""

import base64
import datetime
import json
import random
import re
import sys
from urllib.parse import urlencode

import botocore.parsers
import botocore.serialize
import botocore.session
from botocore.awsrequest import HeadersDict

SERVICES = ["ec2", "iam", "route53", "sagemaker", "sts"]
POOL = [
    "a", "abc", "example", "a.b@example.com", "/", "/path/", "d-abcdefgh1234", "default-1", "subnet-0123456789abcdef0",
    "arn:aws:iam::123456789012:role/example", "arn:aws:iam::123456789012:policy/example", "123456789012",
    "arn:aws:sagemaker:eu-west-1:123456789012:domain/d-abcdefgh1234", "AKIAIOSFODNN7EXAMPLE", "vpc-1", "123456",
    "arn:aws:kms:eu-west-1:123456789012:key/1", "v1", "iam.amazonaws.com", "sso.amazonaws.com", "True", "1000", "None",
    "UserName", "s3://bucket/key", "example.amazonaws.com", "example-alias", "app/path", "jupyterserver", "éà 1",
    "arn:aws:sagemaker:eu-west-1:123456789012:studio-lifecycle-config/a", "https://example.com/a.git",
    "arn:aws:sagemaker:eu-west-1:123456789012:app-image-config/a", "iam:GetUser", "ssm.amazonaws.com",
    "arn:aws:sagemaker:eu-west-1:123456789012:image/a", "arn:aws:sagemaker:eu-west-1:123456789012:image-version/a/1",
    "arn:aws:license-manager:eu-west-1:123456789012:license:l-1", "{\"Version\": \"2012-10-17\"}", "eni-1", "pl-1",
    "arn:aws:elasticfilesystem:eu-west-1:123456789012:access-point/fsap-1", "fs-0123456789abcdef0", "1.2.3", "/a/b",
    "arn:aws:s3:::bucket", "arn:aws:iam::123456789012:mfa/example", "task/12345678-1234-1234-1234-123456789012/a",
    "arn:aws:fsx:eu-west-1:123456789012:file-system/fs-0123456789abcdef0", "eu-west-1", "12345678901234567890",
    "12345678-1234-1234-1234-123456789012", "12.5",
]


def usable(pattern, text):
    pattern = (pattern.replace(r"\p{L}", "a-zA-Zà-ÿ").replace(r"\p{Z}", " ").replace(r"\p{N}", "0-9")
               .replace(r"\p{M}", "").replace(r"\p{S}", "+").replace(r"\p{P}", "."))
    try:
        return re.fullmatch(pattern, text, re.ASCII) is not None
    except re.error:
        return False


class Impossible(Exception):
    pass


def make(shape, rng, depth=0):
    kind, meta = shape.type_name, shape.metadata
    if kind == "structure":
        value = {}
        # a query request cannot carry a structure without members, and a union has exactly one
        names = list(shape.members)
        sure = rng.choice(names) if names and (shape.is_tagged_union or depth) else None
        for name, member in shape.members.items():
            required = name in shape.required_members
            if name != sure and (shape.is_tagged_union or not required and (depth > 5 or rng.random() < 0.4)):
                continue
            try:
                value[name] = make(member, rng, depth + 1)
            except Impossible:
                if required or name == sure:
                    raise
        return value
    if kind == "list":
        least, most = meta.get("min", 0), meta.get("max", 3)
        count = min(most, max(least, 1, rng.randint(0, 3)))
        return [make(shape.member, rng, depth + 1) for _ in range(count)]
    if kind == "map":
        return {make(shape.key, rng): make(shape.value, rng, depth + 1) for _ in range(max(1, meta.get("min", 0)))}
    if kind == "boolean":
        return rng.random() < 0.5
    if kind in ("integer", "long"):
        return rng.randint(int(meta.get("min", -1000)), int(meta.get("max", 100000)))
    if kind in ("float", "double"):
        return rng.randint(int(meta.get("min", 0)), int(meta.get("max", 100))) + 0.0
    if kind == "timestamp":
        return datetime.datetime.fromtimestamp(rng.randint(0, 4_000_000_000), datetime.timezone.utc)
    if kind == "blob":
        return bytes(rng.randrange(256) for _ in range(5))
    if kind == "string":
        if shape.enum:
            return rng.choice(shape.enum)
        least, most = meta.get("min", 0), meta.get("max", 10**6)
        fits = [text for text in POOL if least <= len(text) <= most]
        if meta.get("pattern"):
            fits = [text for text in fits if usable(meta["pattern"], text)]
        else:
            fits.append("x" * max(1, least))
            fits.append(("<&>'\" +%é\t😀" + "y" * least)[:max(least, min(most, 40))])
        if not fits:
            raise Impossible
        return rng.choice(fits)
    raise AssertionError(kind)


def plain(shape, value):
    """A value as the oracle shows it."""
    kind = shape.type_name
    if kind == "structure":
        return {name: plain(shape.members[name], item) for name, item in value.items() if name in shape.members}
    if kind == "list":
        return [plain(shape.member, item) for item in value]
    if kind == "map":
        return {key: plain(shape.value, item) for key, item in value.items()}
    if kind == "timestamp":
        return round(value.timestamp() * 1000)
    if kind == "blob":
        return base64.b64encode(value).decode()
    return value


def main():
    rounds = int(sys.argv[1])

    def ask(**question):
        print(json.dumps(question), flush=True)
        return json.loads(sys.stdin.readline())

    def differ(text):
        nonlocal differences
        differences += 1
        print(text, file=sys.stderr)

    session = botocore.session.get_session()
    differences, requests, answers, skipped = 0, 0, 0, set()
    for name in SERVICES:
        service = session.get_service_model(name)
        protocol = service.metadata["protocol"]
        serializer = botocore.serialize.create_serializer(protocol, include_validation=True)
        parser = botocore.parsers.create_parser(protocol)
        for operation in ask(service=name, operations=True):
            model = service.operation_model(operation)
            for round_number in range(rounds):
                rng = random.Random(f"{operation}{round_number}")
                try:
                    wanted = make(model.input_shape, rng) if model.input_shape else {}
                except Impossible:
                    skipped.add(f"{name}:{operation}")
                else:
                    request = serializer.serialize_to_request(wanted, model)
                    body = request["body"]
                    body = urlencode(body).encode() if isinstance(body, dict) else body
                    path = request["url_path"]
                    if isinstance(request["query_string"], dict) and request["query_string"]:
                        path += "?" + urlencode(request["query_string"])
                    found = ask(service=name, body=base64.b64encode(body).decode(), path=path,
                                method=request["method"], target=request["headers"].get("X-Amz-Target"))
                    if model.input_shape:
                        wanted = plain(model.input_shape, wanted)
                    requests += 1
                    if found.get("members") != wanted:
                        error = base64.b64decode(found.get("body", "")).decode()
                        differ(f"{name}:{operation}: asked for {wanted}, found {found} {error}")
                found = ask(service=name, operation=operation, seed=round_number)
                response = {"status_code": 200, "headers": HeadersDict(found["headers"]),
                            "body": base64.b64decode(found["body"])}
                answers += 1
                parsed = parser.parse(response, model.output_shape)
                meta = parsed.pop("ResponseMetadata")
                if meta.get("RequestId") != "id-1":
                    differ(f"{name}:{operation}: no request id in {meta}")
                if model.output_shape and (parsed := plain(model.output_shape, parsed)) != found["members"]:
                    differ(f"{name}:{operation}: answered {found['members']}, botocore read {parsed}")
        found = ask(service=name, body=base64.b64encode(b"{").decode(), target="No.Such")
        parsed = parser.parse({"status_code": found["status"], "headers": {},
                               "body": base64.b64decode(found["body"])}, None)
        if not parsed["Error"]["Code"] or not parsed["Error"]["Message"]:
            differ(f"{name}: botocore read the error {parsed}")
    # where no request could be made at random, nothing was compared
    if skipped:
        differ(f"no request could be made for {', '.join(sorted(skipped))}")
    if not requests or not answers:
        differ("nothing was compared")
    return 1 if differences else 0


sys.exit(main())
