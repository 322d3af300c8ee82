"""COMPATIBILITY.md says what the sources say."""

from __future__ import annotations

from pathlib import Path

import pytest

from odradek.protocol.apis import API_BY_KEY
from tools.generate_compatibility import FACTS, FactsError, answering_path, compatibility_text, parse_facts

METADATA = API_BY_KEY[3]
EVERY_API_WAITS = "later nothing: " + " ".join(entry.name for entry in API_BY_KEY.values())


def test_facts_name_only_apis_that_exist() -> None:
    facts = parse_facts(FACTS.read_text())
    assert {"Produce", "Fetch"} <= facts.hot.keys()


def test_api_is_served_once_its_handler_is_there(tmp_path: Path) -> None:
    facts = parse_facts(EVERY_API_WAITS)
    assert answering_path(METADATA, facts, tmp_path) is None
    assert "| 3 | Metadata | 0–13 | broker | not yet: waits for nothing |" in compatibility_text(facts, tmp_path)

    handler = tmp_path / "src/odradek/broker/handlers/metadata.py"
    handler.parent.mkdir(parents=True)
    handler.touch()

    assert "| 3 | Metadata | 0–13 | broker | served by `broker/handlers/metadata.py` |" in compatibility_text(facts, tmp_path)


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ("note Metadata x", "nothing says what it waits for"),
        (f"{EVERY_API_WAITS}\nhot Fetch src/odradek/nowhere.py", "does not exist"),
        ("later groups: Metadatum", "no such API"),
        ("perhaps Metadata x", "unknown kind"),
    ],
)
def test_facts_that_contradict_the_sources_are_refused(tmp_path: Path, lines: str, complaint: str) -> None:
    with pytest.raises(FactsError, match=complaint):
        compatibility_text(parse_facts(lines), tmp_path)


def test_proof_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    handler = tmp_path / "src/odradek/broker/handlers/metadata.py"
    handler.parent.mkdir(parents=True)
    handler.touch()
    with pytest.raises(FactsError, match="proved by"):
        compatibility_text(parse_facts(f"{EVERY_API_WAITS}\nproof Metadata tests/gone.py"), tmp_path)
