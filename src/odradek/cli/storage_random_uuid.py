"""`odradek storage random-uuid`: a new id for a cluster or a directory, as `kafka-storage random-uuid` prints it."""

from __future__ import annotations

import argparse
import random

from odradek.base.identifiers import random_uuid, uuid_to_text
from odradek.cli.problems import ExitCode


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """There are none."""


def run(options: argparse.Namespace) -> int:
    print(uuid_to_text(random_uuid(random.SystemRandom())))
    return ExitCode.DONE
