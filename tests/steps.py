"""Applies the set-ups in examples/ through boto3: the same files that `sagegate demo` applies."""

import re
import tomllib

import botocore

from conftest import ACCOUNT, REGION, REPOSITORY


def apply(principal, name):
    """Makes the calls of an example; the values that its steps saved."""
    place = REPOSITORY / "examples" / name
    steps = tomllib.loads((place / "steps.toml").read_text())["step"]
    saved = {"account": ACCOUNT, "region": REGION}
    clients = {}
    for step in steps:
        service, operation = step["call"].split(".")
        if service not in clients:
            clients[service] = principal.client(service)
        call = getattr(clients[service], botocore.xform_name(operation))
        given = fill(step.get("input", {}), saved, place)
        answer = call(**given)
        for _ in range(50):
            if all(at(answer, path) == value for path, value in step.get("until", {}).items()):
                break
            answer = call(**given)
        else:
            raise AssertionError(f"{step}: not reached: {answer}")
        for key, path in step.get("save", {}).items():
            saved[key] = at(answer, path)
    return saved


def fill(value, saved, place):
    if isinstance(value, str):
        if value.startswith("policy:"):
            value = (place / "policies" / f"{value.removeprefix('policy:')}.json").read_text()
        return re.sub(r"\{\{(\w+)\}\}", lambda found: saved[found.group(1)], value)
    if isinstance(value, list):
        return [fill(item, saved, place) for item in value]
    if isinstance(value, dict):
        return {key: fill(item, saved, place) for key, item in value.items()}
    return value


def at(answer, path):
    for name, index in re.findall(r"(\w+)(?:\[(\d+)\])?", path):
        answer = answer[name]
        if index:
            answer = answer[int(index)]
    return answer
