"""The broker's settings: one table, written in eight modules by subject, and the constants under which code names its rows.

`settings[LOG_SEGMENT_BYTES]` and the like take the constants from here; DescribeConfigs, the parser and the reference page take
`BROKER_SETTINGS`. Order is Kafka's: by name.
"""

# ruff: noqa: F403
from __future__ import annotations

from collections.abc import Mapping

from odradek.config import (
    broker_group_settings,
    broker_log_settings,
    broker_network_settings,
    broker_node_settings,
    broker_remote_settings,
    broker_replication_settings,
    broker_security_settings,
    broker_transaction_settings,
)
from odradek.config.broker_group_settings import *
from odradek.config.broker_log_settings import *
from odradek.config.broker_network_settings import *
from odradek.config.broker_node_settings import *
from odradek.config.broker_remote_settings import *
from odradek.config.broker_replication_settings import *
from odradek.config.broker_security_settings import *
from odradek.config.broker_transaction_settings import *
from odradek.config.setting import Setting

_MODULES = (
    broker_group_settings,
    broker_log_settings,
    broker_network_settings,
    broker_node_settings,
    broker_remote_settings,
    broker_replication_settings,
    broker_security_settings,
    broker_transaction_settings,
)


def _table() -> dict[str, Setting[object]]:
    rows = [value for module in _MODULES for value in vars(module).values() if isinstance(value, Setting)]
    return {row.name: row for row in sorted(rows, key=lambda row: row.name)}


BROKER_SETTINGS: Mapping[str, Setting[object]] = _table()
