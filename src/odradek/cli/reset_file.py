"""The file of a plan of offsets: lines of CSV, `topic,partition,offset` or `group,topic,partition,offset`, as Kafka's tools write and
read.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from odradek.base.identifiers import TopicPartition
from odradek.cli.problems import CommandFailed, ExitCode

# A plan names each partition of a cluster once for each group; what is larger than this is another file.
PLAN_BYTES_MAX: Final = 256 << 20

OffsetsByGroup = Mapping[str, Mapping[TopicPartition, int]]


def read_plan(path: Path, groups: Sequence[str]) -> OffsetsByGroup:
    """The offsets by group; lines that name no group are for the only one there is.

    Raises:
        CommandFailed: the file cannot be read, or a line is neither form, or it does not say for which of several groups it is.
    """
    try:
        if path.stat().st_size > PLAN_BYTES_MAX:
            raise CommandFailed(f"{path} is larger than {PLAN_BYTES_MAX} bytes", code=ExitCode.WRONG_USAGE)
        with path.open(encoding="utf-8", newline="") as file:
            return _parsed(path, [row for row in csv.reader(file) if row], groups)
    except OSError as error:
        raise CommandFailed(f"{path} cannot be read", why=error.strerror) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise CommandFailed(f"{path} is no CSV", why=str(error)) from error


def _parsed(path: Path, rows: Sequence[Sequence[str]], groups: Sequence[str]) -> OffsetsByGroup:
    plan: dict[str, dict[TopicPartition, int]] = {}
    for number, row in enumerate(rows, start=1):
        fields = [field.strip() for field in row]
        if len(fields) == 3 and len(groups) == 1:
            fields = [groups[0], *fields]
        if len(fields) != 4 or not fields[0] or not fields[1] or not _is_number(fields[2]) or not _is_number(fields[3]):
            expected = "topic,partition,offset" if len(groups) == 1 else "group,topic,partition,offset"
            raise CommandFailed(f"{path}, line {number} is not {expected}: {','.join(row)}", code=ExitCode.WRONG_USAGE)
        plan.setdefault(fields[0], {})[TopicPartition(fields[1], int(fields[2]))] = int(fields[3])
    return plan


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def plan_line(group: str, partition: TopicPartition, offset: int) -> str:
    """One line of a plan for several groups, without its end."""
    # Names of topics have none of the characters that CSV quotes; names of groups may.
    name = f'"{group.replace(chr(34), chr(34) * 2)}"' if any(character in group for character in ',"\n\r') else group
    return f"{name},{partition.topic},{partition.partition},{offset}"
