"""kio, an independent implementation, reads our bytes of every API and version it knows, and writes the same bytes back."""

from __future__ import annotations

import dataclasses
import io

import pytest
from hypothesis import given, settings
from kio.index import load_entity_module
from kio.schema.index import LoadableEntityType, schema_name_map
from kio.serial import entity_reader, entity_writer
from kio.static.constants import EntityType

from odradek.protocol.message import encode_message
from tests.protocol.catalogue import CATALOGUE, Entry, messages
from tools.import_definitions import snake_case
from tools.protocol_code.structure import structs_of

KINDS: dict[str, LoadableEntityType] = {
    "request": EntityType.request,
    "response": EntityType.response,
    "data": EntityType.data,
    "header": EntityType.header,
}


def kio_name(entry: Entry) -> str:
    """The name under which kio files a schema."""
    message = entry.struct.owner
    name = message.name.removesuffix("Request").removesuffix("Response") if message.kind in ("request", "response") else message.name
    return snake_case(name).replace("kraft_", "k_raft_")


def plain_name(field: str) -> str:
    """A field's name without the unit, which kio puts into the type."""
    return field.removesuffix("_ms").replace("k_raft", "kraft").replace("_", "")


def known_to_kio() -> list[tuple[str, int]]:
    """Messages and versions that both sides have."""
    known = []
    for entry in CATALOGUE.values():
        kind = KINDS.get(entry.struct.owner.kind)
        versions = schema_name_map.get(kio_name(entry), {})
        known += [(entry.name, version) for version in entry.versions if kind in versions.get(version, {})]
    return known


PAIRS = known_to_kio()


def test_kio_knows_every_api_in_every_version() -> None:
    """The comparison below would otherwise shrink unnoticed."""
    missing = {
        (entry.name, version)
        for entry in CATALOGUE.values()
        if entry.struct.owner.kind in KINDS
        for version in entry.versions
        if (entry.name, version) not in set(PAIRS)
    }
    # Both live in files, not on the wire.
    assert missing == {("ProducerSnapshot", 1), ("QuorumStateData", 0), ("QuorumStateData", 1)}


@pytest.mark.parametrize(("name", "version"), [pytest.param(*pair, id=f"{pair[0]}-{pair[1]}") for pair in PAIRS])
def test_kio_has_the_same_fields_in_the_same_order(name: str, version: int) -> None:
    """Equal bytes alone would not notice two neighbours of one type whose names are swapped."""
    entry = CATALOGUE[name]
    module = load_entity_module(kio_name(entry), version, KINDS[entry.struct.owner.kind])
    owner = entry.struct.owner
    for struct_name, versions, fields in [*structs_of(owner), (name, owner.versions, owner.fields)]:
        if version not in versions or not hasattr(module, struct_name):
            continue
        theirs = [field.name for field in dataclasses.fields(getattr(module, struct_name))]
        ours = [snake_case(field.name) for field in fields if version in field.versions]
        assert [plain_name(field) for field in ours] == [plain_name(field) for field in theirs]


@pytest.mark.parametrize(("name", "version"), [pytest.param(*pair, id=f"{pair[0]}-{pair[1]}") for pair in PAIRS])
def test_kio_reads_and_rewrites_our_bytes(name: str, version: int) -> None:
    entry = CATALOGUE[name]
    theirs = getattr(load_entity_module(kio_name(entry), version, KINDS[entry.struct.owner.kind]), name)
    read, write = entity_reader(theirs), entity_writer(theirs)

    @settings(max_examples=4)
    @given(messages(name, version, is_tame=True))
    def compare(message: object) -> None:
        assert isinstance(message, entry.type)
        ours = encode_message(message, version)
        value, size = read(ours, 0)
        assert size == len(ours)
        written = io.BytesIO()
        write(written, value)
        assert written.getvalue() == ours

    compare()
