"""Documented errors: for every operation that is served, calls that fail, and how.

An entry names the operation, the code, the HTTP status and the essential part of the text. The text
may name arguments of the call in braces: `{UserName}` stands for what was given as UserName. Texts
are AWS's own where they are known; where it is not known how AWS words an error, the entry holds
only the part that must be right (what was wrong, and with which value).
"""

from dataclasses import dataclass
from typing import Any, Callable

CASES = []

# Operations without an entry, and why.
WITHOUT = {}


@dataclass
class Case:
    service: str
    operation: str
    code: str
    status: int
    text: str
    prepare: Callable[[Any], dict]

    def message(self, arguments):
        return self.text.format_map(arguments)


def case(service, operation, code, status, text, /, **arguments):
    """A call whose arguments need no preparation."""
    CASES.append(Case(service, operation, code, status, text, lambda world: arguments))


def prepared(service, operation, code, status, text):
    """Registers a function that prepares a call which fails, and answers the call's arguments. What
    the text alone needs it leaves in `_NAME`."""

    def register(prepare):
        CASES.append(Case(service, operation, code, status, text, prepare))
        return prepare

    return register


def without(service, reason, *operations):
    for operation in operations:
        WITHOUT[service, operation] = reason
