"""CRC-32C (Castagnoli), the checksum of Kafka's record batches, snapshots of producers and checkpoints of the quorum."""

from __future__ import annotations

from collections.abc import Callable
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec


def _native_crc32c() -> Callable[..., int]:
    """The function of the `crc32c` package, without the package around it.

    The package's own `__init__` looks up its version and with it loads `importlib.metadata` and the e-mail parser: a tenth of the time
    that a node takes to start. Where the extension is not found under its usual name, the package is imported as it is.
    """
    package = find_spec("crc32c")
    extension = None if package is None else PathFinder.find_spec("crc32c._crc32c", package.submodule_search_locations)
    if extension is None or extension.loader is None:
        from crc32c import crc32c as packaged

        return packaged
    module = module_from_spec(extension)
    extension.loader.exec_module(module)
    native: Callable[..., int] = module.crc32c
    return native


# The checksum of some bytes; a second argument is the checksum of what came before them.
crc32c = _native_crc32c()
