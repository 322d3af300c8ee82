"""`odradek storage format`: makes the directories of a server.properties into those of a node, as `kafka-storage format` does.

The flags are Kafka's. What a file on disk gets from them is decided in `broker.formatting`; here is only what they mean: which cluster,
who votes, and with which metadata version a new cluster begins.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from odradek.base.clock import SystemClock
from odradek.broker.formatting import FormatRequest, InitialQuorum, format_directories
from odradek.cli.node_properties import parse_assignments, read_properties_file
from odradek.cli.problems import CommandFailed, ExitCode
from odradek.config.broker_settings_file import load_broker_settings
from odradek.metadata.feature_levels import METADATA_VERSION, METADATA_VERSION_LATEST, METADATA_VERSION_NAMES
from odradek.storage.filesystem import RealFileSystem


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-t", "--cluster-id", required=True, metavar="ID", help="of `odradek storage random-uuid`; one for all nodes")
    parser.add_argument("-c", "--config", required=True, type=Path, metavar="FILE", help="the server.properties of the node")
    voters = parser.add_mutually_exclusive_group()
    voters.add_argument("-s", "--standalone", action="store_true", help="this node alone is the quorum of a new cluster")
    voters.add_argument("-N", "--no-initial-controllers", action="store_true", help="the node joins a quorum that is there")
    parser.add_argument("-g", "--ignore-formatted", action="store_true", help="leave directories that are formatted, format the others")
    version = parser.add_mutually_exclusive_group()
    version.add_argument("-r", "--release-version", metavar="VERSION", help="begin with the metadata of an earlier Kafka, as 4.0")
    version.add_argument("-f", "--feature", metavar="NAME=LEVEL", help=f"the same as a level: {METADATA_VERSION}={METADATA_VERSION_LATEST}")


def run(options: argparse.Namespace) -> int:
    settings = load_broker_settings(read_properties_file(options.config))
    request = FormatRequest(
        cluster_id=options.cluster_id,
        quorum=_quorum(options),
        metadata_version=_metadata_version(options),
        ignore_formatted=options.ignore_formatted,
    )
    sentences = format_directories(settings, request, filesystem=RealFileSystem(), clock=SystemClock(), dice=random.SystemRandom())
    for sentence in sentences:
        print(sentence)
    return ExitCode.DONE


def _quorum(options: argparse.Namespace) -> InitialQuorum:
    if options.standalone:
        return InitialQuorum.STANDALONE
    return InitialQuorum.NONE if options.no_initial_controllers else InitialQuorum.STATIC


def _metadata_version(options: argparse.Namespace) -> int:
    """The level that was asked for: by the release that brought it, by its name, or by its number."""
    if options.feature is not None:
        return _level_of_feature(options.feature)
    if options.release_version is None:
        return METADATA_VERSION_LATEST
    release = options.release_version
    # A release may have brought several levels, `4.0-IV0` to `4.0-IV3`; its own is the last.
    levels = [level for level, name in METADATA_VERSION_NAMES.items() if release in (name, name.partition("-")[0])]
    if not levels:
        raise CommandFailed(f"--release-version {release} is unknown; there are {_names()}", code=ExitCode.WRONG_USAGE)
    return max(levels)


def _level_of_feature(assignment: str) -> int:
    ((name, text),) = parse_assignments([assignment], option="--feature").items()
    if name != METADATA_VERSION:
        raise CommandFailed(
            f"--feature {name} cannot be chosen in this version; it follows from {METADATA_VERSION}", code=ExitCode.WRONG_USAGE
        )
    if not text.isdecimal() or int(text) not in METADATA_VERSION_NAMES:
        lowest, highest = min(METADATA_VERSION_NAMES), max(METADATA_VERSION_NAMES)
        raise CommandFailed(f"--feature {name}={text}: the level is a number from {lowest} to {highest}", code=ExitCode.WRONG_USAGE)
    return int(text)


def _names() -> str:
    return ", ".join(dict.fromkeys(name.partition("-")[0] for name in METADATA_VERSION_NAMES.values()))
