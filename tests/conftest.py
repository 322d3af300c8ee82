"""What every test shares: Hypothesis without wall-clock deadlines (machines differ), seeds that are printed on failure, and no stale code.

A compiled module wins over its source. Tests of a source that was changed after it was compiled would judge something else than what one
reads, so such a run is refused.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from odradek.base.interpreted import stale_modules

settings.register_profile("odradek", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("odradek")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Refuse to test compiled modules that are older than their source."""
    stale = stale_modules()
    if stale:
        raise pytest.UsageError(f"{', '.join(stale)}: compiled before the source was changed; run `make compile`, or set ODRADEK_PURE=1")
