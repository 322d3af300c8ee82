"""Turn a folder of Kafka's message definitions into our notation: `import_definitions.py FOLDER`.

Needed once for each Kafka release. Only facts cross over: names, types, versions, tags, defaults. Two facts that the
definitions do not hold are added here: which APIs a broker forwards to the controller, and which lowest version is
advertised where it is not the lowest that is served. Definitions without any valid version (what ZooKeeper needed) are left out.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping
from pathlib import Path

from tools.schema_notation import NO_VERSIONS, Field, Message, Schema, SharedStruct, Versions, format_schema, parse_versions

SCHEMA_FOLDER = Path(__file__).parent.parent / "src" / "odradek" / "protocol" / "schema"

# `ApiKeys.forwardable`: a broker hands these to the active controller in an Envelope.
FORWARDED_KEYS = frozenset({19, 20, 30, 31, 33, 37, 38, 39, 40, 43, 44, 45, 46, 49, 51, 55, 57, 64, 67, 80, 81})
# librdkafka takes a missing Produce 0 for a broker without compression, so 4.x advertises it and refuses 0 to 2 (KAFKA-18659).
ADVERTISED_LOW = {0: 0}

# Where each record lives: folder of the definitions, or name of the message, to our family.
FAMILY_BY_FOLDER = {
    "metadata": "metadata", "group-coordinator": "group", "transaction-coordinator": "transaction",
    "share-coordinator": "share", "storage": "storage", "raft": "raft",
}  # fmt: skip
FAMILY_BY_NAME = {
    "ConsumerProtocolAssignment": "consumer_protocol", "ConsumerProtocolSubscription": "consumer_protocol",
    "DefaultPrincipalData": "principal", "RequestHeader": "header", "ResponseHeader": "header",
}  # fmt: skip

JsonObject = Mapping[str, object]


def snake_case(name: str) -> str:
    """`KRaftVersionFeature` becomes `kraft_version_feature`."""
    name = name.replace("KRaft", "Kraft")
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()


def _text(source: JsonObject, key: str, default: str = "") -> str:
    value = source.get(key, default)
    assert isinstance(value, str)
    return value


def _objects(source: JsonObject, key: str) -> list[JsonObject]:
    value = source.get(key, [])
    assert isinstance(value, list)
    return value


def _default(source: JsonObject, kind: str) -> str | None:
    raw = source.get("default")
    # A JSON null is no default at all to Kafka's generator (it means the type's own); only the text "null" is null.
    if raw is None or kind == "records":
        return None
    text = str(raw).lower() if isinstance(raw, bool) else str(raw)
    if kind in ("string",) and text != "null":
        return None if text == "" else json.dumps(text)
    own = {"bool": "false", "float64": "0.0"}.get(kind, "0")
    if text in ("", own):
        return None
    return str(int(text, 16)) if text.startswith("0x") else text


def convert_field(source: JsonObject, enclosing: Versions) -> Field | None:
    """One field, with its versions cut to those of what encloses it; None when nothing is left."""
    tagged = parse_versions(_text(source, "taggedVersions", "none"))
    versions = parse_versions(_text(source, "versions")) if "versions" in source else tagged
    versions = versions.intersect(enclosing)
    if versions.is_empty:
        return None
    assert tagged.is_empty or tagged.intersect(enclosing) == versions, f"{source['name']} is tagged in some of its versions only"
    kind = _text(source, "type")
    nullable = parse_versions(_text(source, "nullableVersions", "none")).intersect(versions)
    tag = source.get("tag")
    assert tag is None or isinstance(tag, int)
    return Field(
        name=_text(source, "name"),
        type=kind,
        versions=versions,
        nullable=NO_VERSIONS if nullable.is_empty else nullable,
        tag=tag,
        default=_default(source, kind),
        is_ignorable=source.get("ignorable") is True,
        is_key=source.get("mapKey") is True,
        is_plain=source.get("flexibleVersions") == "none",
        entity=_text(source, "entityType") or None,
        fields=convert_fields(_objects(source, "fields"), versions),
    )


def convert_fields(sources: list[JsonObject], enclosing: Versions) -> list[Field]:
    """The fields that exist in any of the enclosing versions."""
    return [converted for source in sources if (converted := convert_field(source, enclosing)) is not None]


def convert_message(source: JsonObject) -> Message | None:
    """One definition; None when no version of it is valid."""
    versions = parse_versions(_text(source, "validVersions"))
    if versions.is_empty:
        return None
    kind = _text(source, "type")
    kind = {"metadata": "record", "coordinator-key": "key", "coordinator-value": "value"}.get(kind, kind)
    structs = []
    for shared in _objects(source, "commonStructs"):
        shared_versions = parse_versions(_text(shared, "versions")).intersect(versions)
        structs.append(SharedStruct(_text(shared, "name"), shared_versions, convert_fields(_objects(shared, "fields"), shared_versions)))
    return Message(
        name=_text(source, "name"),
        kind=kind,
        versions=versions,
        flexible=parse_versions(_text(source, "flexibleVersions")),
        is_latest_unstable=source.get("latestVersionUnstable") is True,
        structs=structs,
        fields=convert_fields(_objects(source, "fields"), versions),
    )


def _strip_comments(text: str) -> str:
    return re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE)


def convert_folder(folder: Path) -> dict[Path, Schema]:
    """Every schema, by its path below the schema folder."""
    schemas: dict[Path, Schema] = {}
    for path in sorted(folder.glob("*/*.json")):
        source = json.loads(_strip_comments(path.read_text()))
        message = convert_message(source)
        if message is None:
            continue
        key = int(source.get("apiKey", -1))
        is_api = message.kind in ("request", "response")
        name = re.sub(r"(Request|Response)$", "", message.name) if is_api else message.name
        if message.kind in ("key", "value"):
            name = re.sub(r"(Key|Value)$", "", message.name)
        if is_api:
            place = Path(f"{snake_case(name)}.schema")
        else:
            family = FAMILY_BY_NAME.get(message.name) or FAMILY_BY_FOLDER.get(path.parent.name, "raft")
            place = Path("internal_records") / family / f"{snake_case(name)}.schema"
        schema = schemas.setdefault(place, Schema("api" if is_api else "record", name, key))
        schema.messages.append(message)
        if message.kind == "request":
            listeners = source.get("listeners", [])
            schema.listeners = tuple(one for one in ("broker", "controller") if one in listeners)
            schema.is_forwarded = key in FORWARDED_KEYS
            schema.advertised_low = ADVERTISED_LOW.get(key)
    return schemas


def main() -> None:
    parser = argparse.ArgumentParser(description="Convert Kafka's message definitions to our notation.")
    parser.add_argument("folder", type=Path, help="holds messages/, metadata/, group-coordinator/, ... with JSON files")
    folder: Path = parser.parse_args().folder
    schemas = convert_folder(folder)
    for old in SCHEMA_FOLDER.rglob("*.schema"):
        old.unlink()
    for place, schema in schemas.items():
        target = SCHEMA_FOLDER / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(format_schema(schema))
    print(f"{len(schemas)} files written")


if __name__ == "__main__":
    main()
