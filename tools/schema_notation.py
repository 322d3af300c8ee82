"""Our notation for Kafka's messages: what it can say, how it is read, how it is written.

One file holds what belongs together: the request and the response of one API, or the key and the value of one record. The first line
names it; every message begins at the margin; a field is a line, and the fields of its struct are the lines indented below it:

    api 18 ApiVersions on broker controller

    ApiVersionsRequest request 0-4 flexible 3+
        ClientSoftwareName string 3+ ignorable
    ApiVersionsResponse response 0-4 flexible 3+
        ErrorCode int16
        FinalizedFeatures []FinalizedFeatureKey 3+ tag 2 ignorable
            Name string key

After the type come the versions of the field (none: all versions of what encloses it), and then words:
`?` behind a type: null is allowed (`?2+`: from version 2); `tag N`: a tagged field; `key`: part of the key of its array;
`ignorable`: may be dropped silently where a version lacks it; `entity X`: what the value names; `plain`: keeps the old form in flexible
versions; `= value`: the default, when it is not the type's own. `struct Name` declares a struct that several fields of the message share.
Names and types are Kafka's, so that they can be looked up in Kafka's documentation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

FOREVER = 32767
INDENT = "    "
FIXED_TYPES = {
    "bool": 1, "int8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8, "float64": 8, "uuid": 16,
}  # fmt: skip
PLAIN_TYPES = frozenset(FIXED_TYPES) | {"string", "bytes", "records"}


@dataclass(frozen=True, slots=True)
class Versions:
    """A range, both ends included."""

    low: int
    high: int

    def __contains__(self, version: object) -> bool:
        return isinstance(version, int) and self.low <= version <= self.high

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.low, self.high + 1))

    @property
    def is_empty(self) -> bool:
        return self.high < self.low

    def intersect(self, other: Versions) -> Versions:
        """The versions in both; may be empty."""
        return Versions(max(self.low, other.low), min(self.high, other.high))

    def text_within(self, enclosing: Versions) -> str:
        """`3+`, `3-5` or `3`: short where the end of the range is the end of what encloses it."""
        if self.high == enclosing.high:
            return f"{self.low}+"
        return f"{self.low}" if self.low == self.high else f"{self.low}-{self.high}"


NO_VERSIONS = Versions(0, -1)


def parse_versions(text: str, *, high: int = FOREVER) -> Versions:
    """The range that `text` spells, in Kafka's form or ours; `high` ends an open one."""
    if text == "none":
        return NO_VERSIONS
    if text.endswith("+"):
        return Versions(int(text[:-1]), high)
    low, _, last = text.partition("-")
    return Versions(int(low), int(last or low))


@dataclass(slots=True)
class Field:
    """One field. `default` is None for the type's own, the text `null`, or a literal in Kafka's spelling."""

    name: str
    type: str
    versions: Versions
    nullable: Versions = NO_VERSIONS
    tag: int | None = None
    default: str | None = None
    is_ignorable: bool = False
    is_key: bool = False
    is_plain: bool = False
    entity: str | None = None
    fields: list[Field] = field(default_factory=list)

    @property
    def is_array(self) -> bool:
        return self.type.startswith("[]")

    @property
    def element_type(self) -> str:
        """The type without the mark of an array."""
        return self.type.removeprefix("[]")

    @property
    def is_struct(self) -> bool:
        """Whether the value, or each element, is a struct."""
        return self.element_type not in PLAIN_TYPES


@dataclass(slots=True)
class SharedStruct:
    """A struct that several fields of one message have."""

    name: str
    versions: Versions
    fields: list[Field]


@dataclass(slots=True)
class Message:
    """One message: `kind` is request, response, key, value, record, header or data."""

    name: str
    kind: str
    versions: Versions
    flexible: Versions
    is_latest_unstable: bool = False
    structs: list[SharedStruct] = field(default_factory=list)
    fields: list[Field] = field(default_factory=list)


@dataclass(slots=True)
class Schema:
    """One file. `kind` is api or record; `key` is -1 for what has none."""

    kind: str
    name: str
    key: int
    listeners: tuple[str, ...] = ()
    is_forwarded: bool = False
    advertised_low: int | None = None
    messages: list[Message] = field(default_factory=list)


class NotationError(Exception):
    """A line that the notation does not allow."""


def format_schema(schema: Schema) -> str:
    """The text of one file."""
    heading = f"{schema.kind} {schema.key} {schema.name}"
    if schema.listeners:
        heading += " on " + " ".join(schema.listeners)
    if schema.is_forwarded:
        heading += " forwarded"
    if schema.advertised_low is not None:
        heading += f" advertised {schema.advertised_low}+"
    lines = [heading]
    for message in schema.messages:
        flexible = "never" if message.flexible.is_empty else f"{message.flexible.low}+"
        versions = message.versions
        text = str(versions.low) if versions.low == versions.high else f"{versions.low}-{versions.high}"
        unstable = " unstable" if message.is_latest_unstable else ""
        lines += ["", f"{message.name} {message.kind} {text} flexible {flexible}{unstable}"]
        for struct in message.structs:
            words = ["struct", struct.name]
            if struct.versions != versions:
                words.append(struct.versions.text_within(versions))
            lines.append(INDENT + " ".join(words))
            lines += _format_fields(struct.fields, struct.versions, 2)
        lines += _format_fields(message.fields, versions, 1)
    return "\n".join(lines) + "\n"


def _format_fields(fields: list[Field], enclosing: Versions, depth: int) -> Iterator[str]:
    for one in fields:
        kind = one.type
        if not one.nullable.is_empty:
            kind += "?" if one.nullable == one.versions else "?" + one.nullable.text_within(one.versions)
        words = [one.name, kind]
        if one.versions != enclosing:
            words.append(one.versions.text_within(enclosing))
        if one.tag is not None:
            words += ["tag", str(one.tag)]
        words += [word for word, is_set in (("key", one.is_key), ("ignorable", one.is_ignorable), ("plain", one.is_plain)) if is_set]
        if one.entity is not None:
            words += ["entity", one.entity]
        if one.default is not None:
            words += ["=", one.default]
        yield INDENT * depth + " ".join(words)
        yield from _format_fields(one.fields, one.versions, depth + 1)


def parse_schema(text: str) -> Schema:
    """What one file says.

    Raises:
        NotationError: a line is not in the notation.
    """
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip() and not line.lstrip().startswith("#")]
    schema = _parse_heading(lines[0][1].split())
    cursor = 1
    while cursor < len(lines):
        number, line = lines[cursor]
        words = line.split()
        if line.startswith(" ") or len(words) < 5 or words[3] != "flexible":
            raise NotationError(f"line {number}: a message should begin here: {line!r}")
        message = Message(
            name=words[0],
            kind=words[1],
            versions=parse_versions(words[2]),
            flexible=NO_VERSIONS if words[4] == "never" else parse_versions(words[4]),
            is_latest_unstable="unstable" in words[5:],
        )
        cursor = _parse_message_body(lines, cursor + 1, message)
        schema.messages.append(message)
    return schema


def _parse_heading(words: list[str]) -> Schema:
    schema = Schema(kind=words[0], key=int(words[1]), name=words[2])
    rest = words[3:]
    if "advertised" in rest:
        place = rest.index("advertised")
        schema.advertised_low = parse_versions(rest[place + 1]).low
        del rest[place : place + 2]
    if "forwarded" in rest:
        schema.is_forwarded = True
        rest.remove("forwarded")
    if rest:
        if rest[0] != "on":
            raise NotationError(f"unknown words {rest} in the heading")
        schema.listeners = tuple(rest[1:])
    return schema


def _parse_message_body(lines: list[tuple[int, str]], cursor: int, message: Message) -> int:
    while cursor < len(lines):
        _, line = lines[cursor]
        if not line.startswith(" "):
            break
        if _depth(lines[cursor]) != 1:
            raise NotationError(f"line {lines[cursor][0]}: indented too far")
        words = line.split()
        if words[0] == "struct":
            versions = parse_versions(words[2], high=message.versions.high) if len(words) > 2 else message.versions
            fields: list[Field] = []
            cursor = _parse_fields(lines, cursor + 1, 2, versions, fields)
            message.structs.append(SharedStruct(words[1], versions, fields))
        else:
            message.fields.append(_parse_field(lines[cursor], message.versions))
            cursor = _parse_fields(lines, cursor + 1, 2, message.fields[-1].versions, message.fields[-1].fields)
    return cursor


def _parse_fields(lines: list[tuple[int, str]], cursor: int, depth: int, enclosing: Versions, into: list[Field]) -> int:
    while cursor < len(lines) and _depth(lines[cursor]) >= depth:
        if _depth(lines[cursor]) > depth:
            raise NotationError(f"line {lines[cursor][0]}: indented too far")
        into.append(_parse_field(lines[cursor], enclosing))
        cursor = _parse_fields(lines, cursor + 1, depth + 1, into[-1].versions, into[-1].fields)
    return cursor


def _depth(numbered_line: tuple[int, str]) -> int:
    number, line = numbered_line
    spaces = len(line) - len(line.lstrip(" "))
    if spaces % len(INDENT):
        raise NotationError(f"line {number}: indentation is four spaces a level")
    return spaces // len(INDENT)


def _parse_field(numbered_line: tuple[int, str], enclosing: Versions) -> Field:
    number, line = numbered_line
    declaration, has_default, default = line.strip().partition(" = ")
    words = iter(declaration.split())
    name = next(words)
    kind, is_nullable, nullable = next(words).partition("?")
    parsed = Field(name, kind, enclosing, default=default if has_default else None)
    for word in words:
        match word:
            case "tag":
                parsed.tag = int(next(words))
            case "key":
                parsed.is_key = True
            case "ignorable":
                parsed.is_ignorable = True
            case "plain":
                parsed.is_plain = True
            case "entity":
                parsed.entity = next(words)
            case _ if word[0].isdigit():
                parsed.versions = parse_versions(word, high=enclosing.high)
            case _:
                raise NotationError(f"line {number}: unknown word {word!r}")
    if is_nullable:
        parsed.nullable = parse_versions(nullable, high=parsed.versions.high) if nullable else parsed.versions
    return parsed
