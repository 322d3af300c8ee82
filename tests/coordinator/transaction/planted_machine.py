"""Runs the machine of transactions with a bug in the coordinator, in a process of the sources: machine code cannot be patched.

    ODRADEK_PURE=1 python -m tests.coordinator.transaction.planted_machine NAME

says "found", and exits with 1 if no rule of the machine was broken. The steps are the same every time.
"""

from __future__ import annotations

import sys

from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from odradek.base.interpreted import is_compiled
from tests.coordinator.transaction.test_transaction_machine import TransactionMachine
from tests.simulation.planted_coordinator_bugs import PLANTED_COORDINATOR_BUGS

# It ends with the first that shows the bug.
EXAMPLES_MAX = 5_000
STEPS = 50


def main(name: str) -> int:
    assert not is_compiled("odradek.coordinator.transaction.shard"), "a bug cannot be planted in machine code; set ODRADEK_PURE=1"
    (plant,) = (plant for plant in PLANTED_COORDINATOR_BUGS if plant.__name__ == name)
    few = settings(
        max_examples=EXAMPLES_MAX, stateful_step_count=STEPS, deadline=None, phases=[Phase.generate], database=None, derandomize=True
    )
    with plant():
        try:
            run_state_machine_as_test(TransactionMachine, settings=few)
        except AssertionError:
            print("found")
            return 0
    print(f"{EXAMPLES_MAX} runs went by without noticing")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
