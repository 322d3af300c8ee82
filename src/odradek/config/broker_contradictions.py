"""Settings that are each allowed and cannot hold together (`KafkaConfig.validateValues`), and what this version cannot be yet.

Each check is one function and one sentence that names the settings, their values and what would be allowed. Order is from the node itself
to its edges, so that the first sentence is about the cause and not about a consequence.
"""

from __future__ import annotations

from odradek.base.errors import SettingError
from odradek.config import broker_log_settings as log
from odradek.config import broker_network_settings as network
from odradek.config import broker_node_settings as node
from odradek.config import broker_replication_settings as replication
from odradek.config.broker_group_settings import GROUP_COORDINATOR_REBALANCE_PROTOCOLS
from odradek.config.listeners import (
    SecurityProtocol,
    advertised_listeners,
    inter_broker_listener_name,
    listeners,
    security_protocols,
)
from odradek.config.precedence import log_directories, retention_ms, segment_jitter_ms, segment_ms
from odradek.config.quorum_addresses import parse_voters
from odradek.config.setting import Setting
from odradek.config.settings import Settings

NON_ROUTABLE_HOST = "0.0.0.0"
_CLEANER_BUFFER_SIZE_MIN = 1 << 20


def refuse_contradictions(settings: Settings) -> None:
    """Refuse settings that cannot hold together.

    Raises:
        SettingError: the sentence says which, and what is allowed.
    """
    _check_roles(settings)
    _check_quorum(settings)
    _check_listeners(settings)
    _check_advertised(settings)
    _check_logs(settings)
    _check_limits(settings)


def _check_roles(settings: Settings) -> None:
    node_id, broker_id = settings[node.NODE_ID], settings[node.BROKER_ID]
    if node_id != broker_id:
        raise SettingError(f"node.id={node_id} and broker.id={broker_id} are two names of one number and have to be equal.")
    roles = settings[node.PROCESS_ROLES]
    if set(roles) != {"broker", "controller"}:
        raise SettingError(
            f"Invalid value {','.join(roles)} for configuration process.roles: "
            "a node that is broker or controller alone is not supported in this version; set broker,controller"
        )


def _check_quorum(settings: Settings) -> None:
    node_id = settings[node.NODE_ID]
    voters = parse_voters(settings[node.CONTROLLER_QUORUM_VOTERS])
    if not voters and not settings[node.CONTROLLER_QUORUM_BOOTSTRAP_SERVERS]:
        raise SettingError(
            "Neither controller.quorum.bootstrap.servers nor controller.quorum.voters is set: one of them has to say where controllers are."
        )
    text = ",".join(settings[node.CONTROLLER_QUORUM_VOTERS])
    if voters and node_id not in voters:
        raise SettingError(f"controller.quorum.voters={text} does not contain node.id={node_id}, which is a controller.")
    if len(voters) > 1:
        raise SettingError(
            f"Invalid value {text} for configuration controller.quorum.voters: "
            f"a quorum of several voters is not supported in this version; only node {node_id} can be one"
        )


def _check_listeners(settings: Settings) -> None:
    _check_protocols(settings)
    names = [endpoint.name for endpoint in listeners(settings)]
    controller_names = settings[node.CONTROLLER_LISTENER_NAMES]
    for name in controller_names:
        if name not in names:
            raise SettingError(
                f"Invalid value {','.join(controller_names)} for configuration controller.listener.names: "
                f"a controller has to listen on {name}; listeners has {', '.join(names)}"
            )
    if not set(names) - set(controller_names):
        raise SettingError(
            f"Invalid value {','.join(settings[network.LISTENERS])} for configuration listeners: no listener is left for clients, "
            f"because controller.listener.names={','.join(controller_names)} takes them all"
        )
    for name in settings[node.EARLY_START_LISTENERS] or ():
        if name.upper() not in names:
            raise SettingError(
                f"Invalid value {name} for configuration early.start.listeners: no such listener; listeners has {', '.join(names)}"
            )


def _check_protocols(settings: Settings) -> None:
    protocols = security_protocols(settings)
    for entry in settings[network.LISTENERS]:
        protocol = protocols.get(entry.partition(":")[0].upper(), SecurityProtocol.PLAINTEXT)
        if protocol is not SecurityProtocol.PLAINTEXT:
            raise SettingError(
                f"Invalid value {entry} for configuration listeners: the security protocol of this listener is {protocol.name}, "
                "which is not supported in this version; only PLAINTEXT is"
            )


def _check_advertised(settings: Settings) -> None:
    names = {endpoint.name for endpoint in listeners(settings)}
    broker_names = names - set(settings[node.CONTROLLER_LISTENER_NAMES])
    advertised = advertised_listeners(settings)
    advertised_names = {endpoint.name for endpoint in advertised}
    for endpoint in advertised:
        if endpoint.host == NON_ROUTABLE_HOST:
            raise SettingError(
                f"Invalid value {endpoint} for configuration advertised.listeners: nobody can dial {NON_ROUTABLE_HOST}; "
                "name an address that reaches this node, or leave the listener out to advertise the address that each client dialled"
            )
        if endpoint.name not in names:
            raise SettingError(
                f"Invalid value {endpoint} for configuration advertised.listeners: "
                f"this node has no listener {endpoint.name}; listeners has {', '.join(sorted(names))}"
            )
    if settings.is_given(network.ADVERTISED_LISTENERS) and not advertised_names & broker_names:
        raise SettingError(
            f"Invalid value {','.join(map(str, advertised))} for configuration advertised.listeners: "
            f"no listener for clients is among them; there are {', '.join(sorted(broker_names))}"
        )
    inter_broker = inter_broker_listener_name(settings)
    reachable = advertised_names & broker_names or broker_names
    # A node alone never dials itself, so a listener that was not named may have any name; one that was named has to be there.
    naming = next(
        (row for row in (network.INTER_BROKER_LISTENER_NAME, network.SECURITY_INTER_BROKER_PROTOCOL) if settings.is_given(row)), None
    )
    if naming is not None and inter_broker not in reachable:
        raise SettingError(
            f"Invalid value {inter_broker} for configuration {naming.name}: "
            f"it has to be one of the listeners {', '.join(sorted(reachable))}"
        )


def _check_logs(settings: Settings) -> None:
    _at_least(segment_ms(settings), 1, log.LOG_ROLL_MS)
    _at_least(segment_jitter_ms(settings), 0, log.LOG_ROLL_JITTER_MS)
    if retention_ms(settings) == 0:
        raise SettingError("Invalid value 0 for configuration log.retention.ms: it is -1 for ever, or at least 1")
    if not all(log_directories(settings)):
        raise SettingError("Invalid value for configuration log.dirs: at least one log directory has to be named")
    lag_min, lag_max = settings[log.LOG_CLEANER_MIN_COMPACTION_LAG_MS], settings[log.LOG_CLEANER_MAX_COMPACTION_LAG_MS]
    if lag_min > lag_max:
        raise SettingError(f"log.cleaner.min.compaction.lag.ms={lag_min} is above log.cleaner.max.compaction.lag.ms={lag_max}.")
    buffer_size, threads = settings[log.LOG_CLEANER_DEDUPE_BUFFER_SIZE], settings[log.LOG_CLEANER_THREADS]
    if threads > 0 and buffer_size // threads <= _CLEANER_BUFFER_SIZE_MIN:
        raise SettingError(
            f"log.cleaner.dedupe.buffer.size={buffer_size} is too small for log.cleaner.threads={threads}: "
            f"each needs more than {_CLEANER_BUFFER_SIZE_MIN} bytes."
        )
    _check_cordoned(settings)


def _check_cordoned(settings: Settings) -> None:
    cordoned = settings[log.CORDONED_LOG_DIRS] or ()
    directories = log_directories(settings)
    if log.ALL_LOG_DIRS in cordoned:
        if len(cordoned) > 1:
            raise SettingError(f"Invalid value {','.join(cordoned)} for configuration cordoned.log.dirs: * stands alone")
        return
    for directory in cordoned:
        if directory not in directories:
            raise SettingError(f"Invalid value {directory} for configuration cordoned.log.dirs: log.dirs has {', '.join(directories)}")


def _check_limits(settings: Settings) -> None:
    _not_above(settings, replication.REPLICA_FETCH_WAIT_MAX_MS, replication.REPLICA_SOCKET_TIMEOUT_MS)
    _not_above(settings, replication.REPLICA_FETCH_WAIT_MAX_MS, replication.REPLICA_LAG_TIME_MAX_MS)
    queued_bytes_max = settings[network.QUEUED_MAX_REQUEST_BYTES]
    if queued_bytes_max > 0:
        _not_above(settings, network.SOCKET_REQUEST_MAX_BYTES, network.QUEUED_MAX_REQUEST_BYTES)
    if settings[network.MAX_CONNECTIONS_PER_IP] == 0 and not settings[network.MAX_CONNECTIONS_PER_IP_OVERRIDES]:
        raise SettingError(
            "Invalid value 0 for configuration max.connections.per.ip: "
            "nobody could connect; it can be 0 only together with max.connections.per.ip.overrides"
        )
    connections_per_address(settings[network.MAX_CONNECTIONS_PER_IP_OVERRIDES])
    idle_ms = settings[network.CONNECTIONS_MAX_IDLE_MS]
    if 0 <= idle_ms <= settings[network.CONNECTION_FAILED_AUTHENTICATION_DELAY_MS]:
        delay_ms = settings[network.CONNECTION_FAILED_AUTHENTICATION_DELAY_MS]
        raise SettingError(f"connection.failed.authentication.delay.ms={delay_ms} has to be below connections.max.idle.ms={idle_ms}.")
    if "classic" not in settings[GROUP_COORDINATOR_REBALANCE_PROTOCOLS]:
        protocols = ",".join(settings[GROUP_COORDINATOR_REBALANCE_PROTOCOLS])
        raise SettingError(f"Invalid value {protocols} for configuration group.coordinator.rebalance.protocols: classic cannot be left out")


def connections_per_address(text: str) -> dict[str, int]:
    """How many connections each address may hold, by the text of `max.connections.per.ip.overrides`.

    Raises:
        SettingError: an entry is not of the form address:count.
    """
    limits = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        address, separator, count = entry.rpartition(":")
        if not separator or not address.strip() or not count.strip().isdecimal():
            raise SettingError(
                f"Invalid value {text} for configuration max.connections.per.ip.overrides: {entry!r} is not of the form address:count"
            )
        limits[address.strip().strip("[]")] = int(count)
    return limits


def _at_least(value: int, minimum: int, setting: Setting[int | None]) -> None:
    if value < minimum:
        raise SettingError(f"Invalid value {value} for configuration {setting.name}: Value must be at least {minimum}")


def _not_above(settings: Settings, lower: Setting[int], upper: Setting[int]) -> None:
    if settings[lower] > settings[upper]:
        raise SettingError(f"{lower.name}={settings[lower]} has to be at most {upper.name}={settings[upper]}.")
