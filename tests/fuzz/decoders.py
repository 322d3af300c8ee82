"""The fuzz target of all decoders: any bytes are a message, or a `ProtocolViolation`, and nothing else happens.

`python -m tests.fuzz.decoders [CORPUS...]` runs it under atheris until something breaks; `-max_total_time=60` bounds it. The
first two bytes choose the message, the third its version, the rest is the input. What decodes must encode again, and decode
to the same message.
"""

from __future__ import annotations

import inspect
import sys
from contextlib import suppress
from importlib import import_module
from types import ModuleType

from odradek.base.errors import ProtocolViolation
from odradek.protocol.headers import decode_request_header
from odradek.protocol.message import encode_message
from odradek.wire import reading, varint
from tests.protocol.catalogue import CATALOGUE

ENTRIES = [CATALOGUE[name] for name in sorted(CATALOGUE)]
# Two bytes for the message, since one cannot tell all of them apart, and one for its version.
CHOICE_SIZE = 3


def atheris_or_none() -> ModuleType | None:
    """The fuzzer, where it is installed; it has no wheels for some platforms."""
    try:
        return import_module("atheris")
    except ImportError:
        return None


def choice(name: str, version: int) -> bytes:
    """The bytes that make the target decode this message in this version."""
    place = [entry.name for entry in ENTRIES].index(name)
    return place.to_bytes(2, "big") + bytes([version - ENTRIES[place].versions.start])


def decode_anything(data: bytes) -> bool:
    """One round of the target; whether the bytes were a message."""
    if len(data) < CHOICE_SIZE:
        return False
    entry = ENTRIES[int.from_bytes(data[:2], "big") % len(ENTRIES)]
    version = entry.versions[data[2] % len(entry.versions)]
    body = data[CHOICE_SIZE:]
    with suppress(ProtocolViolation):
        decode_request_header(body, 0)
    try:
        message, position = entry.type.decode(body, 0, version)
    except ProtocolViolation:
        return False
    assert position <= len(body), f"{entry.name} version {version} was read beyond its end"
    again, _ = entry.type.decode(encode_message(message, version), 0, version)
    # Not-a-number differs from itself; its text does not.
    assert repr(again) == repr(message), f"{entry.name} version {version} changes when it is written"
    return True


def main() -> None:
    atheris = atheris_or_none()
    if atheris is None:
        sys.exit("atheris is not installed")
    # Only the code under test is watched: to watch the whole interpreter takes minutes before the first input.
    for module in (reading, varint):
        for function in vars(module).values():
            if inspect.isfunction(function):
                atheris.instrument_func(function)
    with atheris.instrument_imports(include=["odradek.protocol"]):
        for entry in ENTRIES:
            import_module(entry.module)
    atheris.Setup(sys.argv, decode_anything_once)
    atheris.Fuzz()


def decode_anything_once(data: bytes) -> None:
    """What atheris calls: it wants no result."""
    decode_anything(data)


if __name__ == "__main__":
    main()
