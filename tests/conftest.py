"""What every test shares: Hypothesis without wall-clock deadlines (machines differ), and seeds that are printed on failure."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("odradek", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("odradek")
