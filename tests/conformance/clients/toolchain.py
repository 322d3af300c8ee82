"""Where the programmes of the judges are, and why one is missing.

`tests/conformance/setup` fills the cache directory. A client that is not there is reported with the reason; in continuous integration that
is a failure, because a judge that is quietly absent judges nothing.
"""

import shutil
from pathlib import Path

from tests.support import reference_kafka

_CACHE_DIRECTORY = Path.home() / ".cache" / "odradek" / "conformance"
_SETUP_HINT = "run tests/conformance/setup"


def franz_go_program() -> Path:
    return _CACHE_DIRECTORY / "franz-go"


def sarama_program() -> Path:
    return _CACHE_DIRECTORY / "sarama"


def kafkajs_directory() -> Path:
    return _CACHE_DIRECTORY / "kafkajs"


def kafkajs_command() -> list[str]:
    """What runs kafkajs; the address of the node is to be added."""
    return ["node", str(kafkajs_directory() / "client.js")]


def missing_franz_go() -> str | None:
    return None if franz_go_program().exists() else f"franz-go is not built: {_SETUP_HINT}"


def missing_sarama() -> str | None:
    return None if sarama_program().exists() else f"sarama is not built: {_SETUP_HINT}"


def missing_kafkajs() -> str | None:
    if shutil.which("node") is None:
        return "there is no node on the path"
    return None if (kafkajs_directory() / "node_modules" / "kafkajs").exists() else f"kafkajs is not installed: {_SETUP_HINT}"


def missing_kcat() -> str | None:
    return None if shutil.which("kcat") else f"there is no kcat on the path: {_SETUP_HINT}"


def missing_java_tools() -> str | None:
    return reference_kafka.missing_reason()


def nothing_missing() -> str | None:
    """The clients from PyPI come with the development dependencies."""
    return None
