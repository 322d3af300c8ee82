"""Bounded runs of the fuzz target: seeded mutation everywhere, and coverage-guided where atheris is installed."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from odradek.protocol.message import encode_message
from tests.fuzz.decoders import ENTRIES, atheris_or_none, choice, decode_anything
from tests.protocol.catalogue import messages

ROUNDS = 20_000
ATHERIS_ROUNDS = 20_000
SEED = int(os.environ.get("ODRADEK_SEED", "20260731"))


def mutated(data: bytes, dice: random.Random) -> bytes:
    """`data` with a few bytes changed, taken out, doubled or cut off."""
    out = bytearray(data)
    for _ in range(dice.randint(1, 5)):
        place = dice.randint(3, max(3, len(out) - 1))
        match dice.randint(0, 4):
            case 0:
                out[place : place + 1] = dice.randbytes(1)
            case 1:
                del out[place : place + dice.randint(1, 4)]
            case 2:
                out[place:place] = out[place : place + dice.randint(1, 8)]
            case 3:
                out[place : place + 4] = dice.choice([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\x80\x80\x80\x01", b"\x00"])
            case _:
                del out[place:]
    return bytes(out)


def test_decoders_have_one_outcome_for_mutated_messages() -> None:
    """Set ODRADEK_SEED to run another sequence."""
    dice = random.Random(SEED)
    starts = [choice(entry.name, version) + encode_message(entry.type(), version) for entry in ENTRIES for version in entry.versions]
    decoded = 0
    for round_number in range(ROUNDS):
        data = mutated(dice.choice(starts), dice)
        try:
            decoded += decode_anything(data)
        except Exception as error:
            raise AssertionError(f"seed {SEED}, round {round_number}: {data.hex()}: {error!r}") from error
    assert 0 < decoded < ROUNDS


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data(), st.integers(0, 2**32))
def test_decoders_have_one_outcome_for_mutations_of_filled_messages(data: st.DataObject, seed: int) -> None:
    entry = data.draw(st.sampled_from(ENTRIES))
    version = data.draw(st.sampled_from(entry.versions))
    encoded = choice(entry.name, version) + encode_message(data.draw(messages(entry.name, version)), version)
    assert decode_anything(encoded)
    dice = random.Random(seed)
    for _ in range(20):
        decode_anything(mutated(encoded, dice))


def test_atheris_finds_nothing_within_a_bounded_run(tmp_path: Path) -> None:
    if atheris_or_none() is None:
        pytest.skip("atheris is not installed: it has no wheel for this platform; the mutations above still ran")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for entry in ENTRIES:
        version = entry.versions[-1]
        (corpus / f"{entry.name}-{version}").write_bytes(choice(entry.name, version) + encode_message(entry.type(), version))

    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.fuzz.decoders",
            f"-runs={ATHERIS_ROUNDS}",
            f"-seed={SEED % 2**31}",
            "-max_len=512",
            # The peak of a child's memory begins with what the process of the tests had, so only single pieces can be limited.
            "-rss_limit_mb=0",
            "-malloc_limit_mb=512",
            str(corpus),
        ],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent.parent.parent,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=110,
    )

    assert run.returncode == 0, run.stderr[-4000:]
    assert re.search(r"DONE|Done", run.stderr), run.stderr[-4000:]
