"""kafkajs: unmaintained for years, and in very many services. `tests/conformance/setup` installs it."""

from tests.conformance.clients.client import Ability, Codec
from tests.conformance.clients.json_lines import JsonLinesClient
from tests.conformance.clients.toolchain import kafkajs_command


class Kafkajs(JsonLinesClient):
    name = "kafkajs"
    abilities = frozenset(Ability)
    codecs = frozenset(Codec)

    def __init__(self, bootstrap: str) -> None:
        super().__init__(self.name, [*kafkajs_command(), bootstrap], self.abilities, self.codecs)
