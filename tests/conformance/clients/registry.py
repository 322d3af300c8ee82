"""Every judge by name: how it is made, and why it may be missing on a machine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tests.conformance.clients import toolchain
from tests.conformance.clients.aiokafka_client import Aiokafka
from tests.conformance.clients.client import Ability, Client, Codec
from tests.conformance.clients.franz_go import FranzGo
from tests.conformance.clients.java_tools import JavaTools
from tests.conformance.clients.kafka_python import KafkaPython
from tests.conformance.clients.kafkajs_client import Kafkajs
from tests.conformance.clients.kcat import Kcat
from tests.conformance.clients.librdkafka import Librdkafka


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    name: str
    abilities: frozenset[Ability]
    codecs: frozenset[Codec]
    connect: Callable[[str], Client]
    missing_reason: Callable[[], str | None]


JUDGES: Final[Mapping[str, Judge]] = {
    client.name: Judge(name=client.name, abilities=client.abilities, codecs=client.codecs, connect=client, missing_reason=missing_reason)
    for client, missing_reason in (
        (Librdkafka, toolchain.nothing_missing),
        (KafkaPython, toolchain.nothing_missing),
        (Aiokafka, toolchain.nothing_missing),
        (FranzGo, toolchain.missing_franz_go),
        (Kafkajs, toolchain.missing_kafkajs),
        (Kcat, toolchain.missing_kcat),
        (JavaTools, toolchain.missing_java_tools),
    )
}

# The judge that makes the topics of a scenario whose own client cannot.
STEWARD: Final = Librdkafka.name


def judges_that(*abilities: Ability) -> list[str]:
    return [judge.name for judge in JUDGES.values() if judge.abilities.issuperset(abilities)]
