"""The page of promises names its proofs: its tests are there, its commands can be given, and no promise goes without a test."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
PAGE = PROJECT / "docs" / "promises.md"
# `name` and the file it is linked to, as the page writes them.
LINK = re.compile(r"\[`(?:class )?(\w+)`\]\(\.\./(tests/[\w/]+\.py)\)")


def text() -> str:
    return PAGE.read_text(encoding="utf-8")


def chapters() -> dict[str, str]:
    """What stands below each heading."""
    parts = re.split(r"^## (.+)$", text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_test_that_the_page_names_exists() -> None:
    links = LINK.findall(text())
    assert len(links) > 50, "the page has lost its proofs"

    missing = [
        f"{name} in {path}"
        for name, path in links
        if not (PROJECT / path).is_file()
        or not re.search(rf"^(?:def|class|async def) {name}\b", (PROJECT / path).read_text(), re.MULTILINE)
    ]
    assert missing == []


def test_every_link_is_to_a_test_or_to_a_file_that_is_there() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", text())

    assert [target for target in targets if not (PAGE.parent / target).exists()] == []


def test_every_file_that_the_page_names_exists() -> None:
    named = re.findall(r"`((?:src|tests|docs)/[\w/.]+)`", text())

    assert [name for name in named if not (PROJECT / name).exists()] == []


def test_no_promise_goes_without_a_test() -> None:
    """Every point of a list is a promise, but for those that say what is not promised."""
    promises = [
        point
        for heading, chapter in chapters().items()
        if heading != "What is not promised"
        for point in re.split(r"^- ", chapter, flags=re.MULTILINE)[1:]
    ]

    assert len(promises) > 20
    assert [promise.splitlines()[0] for promise in promises if not LINK.search(promise)] == []


def test_every_command_of_the_page_can_be_given() -> None:
    commands = re.findall(r"^\| `([^`]+)` \|", chapters()["How to see for yourself"], re.MULTILINE)
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    assert commands

    for command in commands:
        words = [word for word in command.split() if "=" not in word]
        if words[0] == "make":
            assert set(words[1:]) <= targets, command
        else:
            assert words[0] == "pytest", command
            assert all((PROJECT / path).exists() for path in words[1:]), command
