"""What the documents at the root say is so: snippets run, files that are named exist, examples of the command line are understood."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from odradek.cli.commands import COMMANDS, Entry
from odradek.cli.main import argument_parser
from tests.support.odradek_node import OdradekNode

PROJECT = Path(__file__).resolve().parents[2]
ROOMS = sorted(path.name for path in (PROJECT / "src" / "odradek").iterdir() if (path / "__init__.py").is_file())


def text_of(document: str) -> str:
    return (PROJECT / document).read_text(encoding="utf-8")


def indented_block_with(document: str, word: str) -> str:
    """The one indented block of a document that holds `word`."""
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", text_of(document), re.MULTILINE)
    (block,) = [block for block in blocks if word in block]
    return textwrap.dedent(block)


def examples(entry: Entry) -> list[str]:
    return [*entry.examples, *(example for below in (entry.verbs or {}).values() for example in examples(below))]


def test_python_snippet_of_the_readme_reads_what_it_wrote(tmp_path: Path) -> None:
    pytest.importorskip("confluent_kafka")
    node = OdradekNode(tmp_path)
    node.start()
    try:
        snippet = indented_block_with("README.md", "import Consumer").replace("127.0.0.1:9092", node.bootstrap)
        done = subprocess.run([sys.executable, "-c", snippet], capture_output=True, text=True, check=True, timeout=60)
    finally:
        node.stop()

    assert done.stdout == "b'hello, world'\n"


@pytest.mark.parametrize("example", [example for entry in COMMANDS.values() for example in examples(entry)])
def test_example_in_the_help_is_understood(example: str) -> None:
    words = shlex.split(re.sub(r'"\$\([^)]*\)"', "5L6g3nShT-eMCtK--X86sw", example))

    options = argument_parser().parse_args(words[1:])

    assert words[0] == "odradek"
    assert callable(options.run)


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"])
def test_files_that_a_document_names_exist(document: str) -> None:
    named = set(re.findall(r"`((?:src|tests|tools|broker|protocol|cli|storage|records)/[\w/]+\.(?:py|txt))`", text_of(document)))

    missing = [name for name in sorted(named) if not (PROJECT / name).exists() and not (PROJECT / "src" / "odradek" / name).exists()]
    assert [name for name in missing if not name.endswith("/xyz.py")] == []


def test_every_room_and_every_module_in_the_architecture_exists() -> None:
    """`room.module` in a table is a module, and every room that exists has a line."""
    text = text_of("ARCHITECTURE.md")
    named = set(re.findall(rf"`((?:{'|'.join(ROOMS)})(?:\.(?!py`)\w+)+)`", text))

    def exists(name: str) -> bool:
        path = PROJECT / "src" / "odradek" / Path(*name.split("."))
        return path.with_suffix(".py").is_file() or path.is_dir()

    begun_at = re.findall(r"^\| `(\w+)` \|.*\| `(\w+\.py)` \|$", text, re.MULTILINE)
    modules = [*named, *(f"{room}.{file.removesuffix('.py')}" for room, file in begun_at)]

    assert [name for name in sorted(modules) if not exists(name)] == []
    assert [room for room in ROOMS if f"| `{room}` |" not in text] == []
