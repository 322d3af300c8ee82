"""The errors of generated code, made in one place so that the generated modules stay small.

A decoder raises `ProtocolViolation` and nothing else; whatever Python itself raises on malformed data (`MALFORMED`) is
caught once, at the outermost `decode`. An encoder raises `Misuse`, since its input comes from our own code.
"""

from __future__ import annotations

from struct import error as struct_error

from odradek.base.errors import Misuse, ProtocolViolation

# Data that ends early, invalid UTF-8. IndexError is a subscript behind the end.
MALFORMED = (struct_error, IndexError, UnicodeDecodeError)
# A number that does not fit its field, a value of a wrong type, text with a lone surrogate.
UNENCODABLE = (struct_error, TypeError, AttributeError, UnicodeEncodeError)


def unknown_version(name: str, version: int) -> ProtocolViolation:
    """A peer used a version that the schema does not have."""
    return ProtocolViolation(f"{name} has no version {version}")


def malformed(name: str, version: int, error: Exception) -> ProtocolViolation:
    """The bytes are not a message of this version."""
    return ProtocolViolation(f"{name} version {version} is malformed: {error}")


def tag_size_mismatch(name: str, tag: int) -> ProtocolViolation:
    """A tagged field announced another size than its value has."""
    return ProtocolViolation(f"{name} tag {tag} has another size than it announces")


def unencodable_version(name: str, version: int) -> Misuse:
    """We tried to write a version that the schema does not have."""
    return Misuse(f"{name} has no version {version}")


def unencodable(name: str, version: int, error: Exception) -> Misuse:
    """A field holds what its type cannot carry."""
    return Misuse(f"{name} version {version} cannot be encoded: {error}")


def unsupported_field(name: str, field: str, version: int) -> Misuse:
    """A field was set that this version lacks and that Kafka does not allow to drop silently."""
    return Misuse(f"{name}.{field} is set, version {version} cannot carry it")
