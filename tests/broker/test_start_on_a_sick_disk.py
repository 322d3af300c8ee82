"""A node does not start on a disk that would make its next start believe a lie."""

from __future__ import annotations

import pytest

from odradek.base.errors import StorageFailure
from odradek.broker.formatting import format_if_empty
from odradek.config.broker_settings_file import load_broker_settings
from odradek.storage.clean_shutdown import CLEAN_SHUTDOWN_FILE
from odradek.testing.disk_faults import FailFrom, FailOnce
from odradek.testing.disk_operations import Operation
from odradek.testing.simulated_disk import SimulatedDisk
from tests.support.node_in_process import SETTINGS, NodeInProcess


def test_node_does_not_write_where_the_mark_of_a_clean_stop_cannot_be_removed() -> None:
    """Else the crash that may follow would be taken for a clean stop, and a torn metadata log for a whole one."""
    disk = SimulatedDisk(lambda: 1_700_000_000_000)
    with NodeInProcess(filesystem=disk.mount()):
        pass
    mark = f"/data/{CLEAN_SHUTDOWN_FILE}"
    assert disk.mount().exists(mark)

    with (
        pytest.raises(StorageFailure, match="cannot be used"),
        NodeInProcess(filesystem=disk.mount(FailOnce(0, only={Operation.UNLINK}, under=mark))),
    ):
        pass

    assert disk.mount().exists(mark)
    with NodeInProcess(filesystem=disk.mount()):
        pass


def test_no_new_cluster_is_made_where_a_disk_cannot_be_looked_at() -> None:
    """It may hold the cluster that there was. The other directory is empty because it was put in anew."""
    disk = SimulatedDisk(lambda: 1_700_000_000_000)
    disk.mount().make_directories("/old")
    settings = load_broker_settings(SETTINGS | {"log.dirs": "/new,/old"})

    assert format_if_empty(settings, filesystem=disk.mount(FailFrom(0, under="/old"))) is None
    assert not disk.mount().exists("/new")
