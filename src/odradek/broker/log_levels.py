"""The levels of this node's loggers as a resource, BROKER_LOGGER: seen and changed by clients, never stored (KIP-412).

Loggers are those of `base.structured_log`, named after modules; `root` is the one above them all. A level that is deleted is the parent's
again. All of a request is checked before any of it is done.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from odradek.base.error_codes import ErrorCode
from odradek.base.errors import RequestRefused
from odradek.base.structured_log import LEVEL_BY_NAME, ROOT_LOGGER_NAME, level_by_logger, set_level
from odradek.config.resource_type import AlterOperation
from odradek.protocol.messages.incremental_alter_configs import AlterableConfig

log = logging.getLogger("odradek.broker.log_levels")

ROOT = "root"


def levels() -> dict[str, str]:
    """Kafka's name of the level at which each logger acts now."""
    by_logger = level_by_logger()
    by_logger[ROOT] = by_logger.pop(ROOT_LOGGER_NAME)
    return by_logger


def change_levels(node_id: int, resource_name: str, changes: Sequence[AlterableConfig], *, is_validation: bool) -> None:
    """Carry out `changes`, all of them or none.

    Raises:
        RequestRefused: the resource is another node, a logger does not exist, or a level or an operation is not allowed.
    """
    _check_resource_name(node_id, resource_name)
    existing = levels()
    for change in changes:
        _check(change, existing)
    if is_validation:
        return
    for change in changes:
        name = ROOT_LOGGER_NAME if change.name == ROOT else change.name
        level = change.value if change.config_operation == AlterOperation.SET else None
        set_level(name, level)
        log.warning("log level changed", extra={"logger": change.name, "level": level or "its parent's"})


def _check_resource_name(node_id: int, resource_name: str) -> None:
    try:
        asked_id = int(resource_name)
    except ValueError:
        raise RequestRefused(ErrorCode.INVALID_REQUEST, f"Node id must be an integer, but it is: {resource_name}") from None
    if asked_id != node_id:
        raise RequestRefused(ErrorCode.INVALID_REQUEST, f"Unexpected node id. Expected {node_id}, but received {asked_id}")


def _check(change: AlterableConfig, existing: dict[str, str]) -> None:
    match change.config_operation:
        case AlterOperation.SET:
            _check_existence(change.name, existing)
            if change.value not in LEVEL_BY_NAME:
                raise RequestRefused(
                    ErrorCode.INVALID_CONFIG,
                    f"Cannot set the log level of {change.name} to {change.value} as it is not a supported log level. "
                    f"Valid log levels are {', '.join(sorted(LEVEL_BY_NAME))}",
                )
        case AlterOperation.DELETE:
            _check_existence(change.name, existing)
            if change.name == ROOT:
                raise RequestRefused(ErrorCode.INVALID_REQUEST, f"Removing the log level of the {ROOT} logger is not allowed")
        case AlterOperation.APPEND | AlterOperation.SUBTRACT:
            operation = AlterOperation(change.config_operation).name
            raise RequestRefused(ErrorCode.INVALID_REQUEST, f"{operation} operation is not allowed for the BROKER_LOGGER resource")
        case unknown:
            message = f"Unknown operation type {unknown} is not allowed for the BROKER_LOGGER resource"
            raise RequestRefused(ErrorCode.INVALID_REQUEST, message)


def _check_existence(name: str, existing: dict[str, str]) -> None:
    if name not in existing:
        raise RequestRefused(ErrorCode.INVALID_CONFIG, f"Logger {name} does not exist!")
