"""The list of scenarios that pass against Odradek, which only grows.

A listed scenario that fails is a failure of the run. An unlisted one that passes is too: it has to be listed, so that it can never be lost
again without notice. An unlisted one that fails is a known gap, shown as an expected failure and explained in FINDINGS.md. `--list-passing`
adds what passes; nothing removes a line but a person.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

LEDGER_FILE: Final = Path(__file__).with_name("expected.txt")

_TARGET: Final = re.compile(r"odradek-|-odradek|odradek")
_HEAD: Final = """# Scenarios that pass against Odradek, one a line. A line leaves only with a reason in FINDINGS.md.
# `pytest tests/conformance --target odradek --list-passing` adds what passes now.
"""


def scenario_id(module_name: str, function_name: str, parameters: str) -> str:
    """The name of a scenario, the same for every target: `records/reads_from_the_end[kcat]`."""
    subject = module_name.rpartition(".")[2].removeprefix("test_")
    told = _TARGET.sub("", parameters)
    return f"{subject}/{function_name.removeprefix('test_')}" + (f"[{told}]" if told else "")


def read_ledger(file: Path = LEDGER_FILE) -> frozenset[str]:
    if not file.exists():
        return frozenset()
    return frozenset(line for line in file.read_text().splitlines() if line and not line.startswith("#"))


def extend_ledger(passing: Iterable[str], file: Path = LEDGER_FILE) -> None:
    listed = sorted(read_ledger(file) | set(passing))
    file.write_text(_HEAD + "\n".join(listed) + "\n")


def lost_scenarios(listed: Iterable[str], collected: Iterable[str]) -> list[str]:
    """Listed scenarios that no longer exist, among the subjects that were collected."""
    present = set(collected)
    subjects = {name.partition("/")[0] for name in present}
    return sorted(name for name in listed if name.partition("/")[0] in subjects and name not in present)
