"""The pictures of the protocols in docs/ are what the coordinators say: each is drawn anew from a story with a real shard, and compared.

On a page a picture is a block of text below `<!-- sequence: its name -->`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from tests.coordinator.sequences.diagram import Diagram
from tests.coordinator.sequences.group_sequences import GROUP_SEQUENCES
from tests.coordinator.sequences.transaction_sequences import TRANSACTION_SEQUENCES

_DOCS: Final = Path(__file__).resolve().parents[3] / "docs"
_SEQUENCES: Final = {
    "consumer-groups.md": GROUP_SEQUENCES,
    "transactions.md": TRANSACTION_SEQUENCES,
}
_PICTURE: Final = re.compile(r"(<!-- sequence: (\w+) -->\n```text\n)(.*?)(?=```\n)", re.DOTALL)


@pytest.mark.parametrize(("page", "name"), [(page, name) for page, sequences in _SEQUENCES.items() for name in sequences])
def test_picture_is_what_the_coordinator_says(page: str, name: str, is_rewriting: bool) -> None:
    drawn = _SEQUENCES[page][name]().text()
    file = _DOCS / page
    text = file.read_text(encoding="utf-8")
    if is_rewriting:
        text = _PICTURE.sub(lambda found: found[1] + (drawn if found[2] == name else found[3]), text)
        file.write_text(text, encoding="utf-8")

    assert {found[2]: found[3] for found in _PICTURE.finditer(text)}.get(name) == drawn


@pytest.mark.parametrize("page", _SEQUENCES)
def test_every_picture_of_a_page_is_drawn_by_a_story(page: str) -> None:
    shown = [found[2] for found in _PICTURE.finditer((_DOCS / page).read_text(encoding="utf-8"))]

    assert sorted(shown) == sorted(_SEQUENCES[page])


def test_arrows_lead_from_one_lifeline_to_another() -> None:
    diagram = Diagram(["a", "b", "c"], column_width=16)
    diagram.message("a", "b", "there")
    diagram.message("c", "a", "and back")
    diagram.note("later")

    assert diagram.text() == (
        "  a               b               c\n  |-- there ----->|               |\n  |<------------------ and back --|\n\n  (later)\n"
    )
