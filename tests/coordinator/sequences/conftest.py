"""`pytest tests/coordinator/sequences --rewrite-diagrams` draws the pictures of the pages anew; a reviewer reads the diff."""

from __future__ import annotations

import pytest

OPTION = "--rewrite-diagrams"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(OPTION, action="store_true", help="draw the sequence diagrams of docs/ anew")


@pytest.fixture(scope="session")
def is_rewriting(pytestconfig: pytest.Config) -> bool:
    return bool(pytestconfig.getoption(OPTION, default=False))
