"""franz-go: the Go client that follows the newest protocol closest. `tests/conformance/setup` builds it."""

from tests.conformance.clients.client import Ability, Codec
from tests.conformance.clients.json_lines import JsonLinesClient
from tests.conformance.clients.toolchain import franz_go_program


class FranzGo(JsonLinesClient):
    name = "franz-go"
    abilities = frozenset(Ability)
    codecs = frozenset(Codec)

    def __init__(self, bootstrap: str) -> None:
        super().__init__(self.name, [str(franz_go_program()), bootstrap], self.abilities, self.codecs)
