"""Settings of a client metrics subscription: which clients push which metrics, and how often (KIP-714)."""

from __future__ import annotations

from odradek.config.declaration import INERT, integer, listing

INTERVAL_MS = integer("interval.ms", 300_000, "How often a client pushes its metrics.", effect=INERT)

MATCH = listing("match", (), "Which clients are meant, each pattern as name=expression; empty is all of them.", effect=INERT)

METRICS = listing("metrics", (), "Prefixes of the names of the metrics a client pushes; * is all of them.", effect=INERT)
