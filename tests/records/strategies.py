"""What Hypothesis draws for this room: records as clients write them, and batches of them."""

from __future__ import annotations

from hypothesis import strategies as st

from odradek.records.compression import Codec
from odradek.records.record import Header, Record

TIMESTAMPS = st.integers(min_value=0, max_value=2**45) | st.just(-1)
HEADERS = st.lists(st.builds(Header, st.text(max_size=12), st.none() | st.binary(max_size=12)), max_size=3).map(tuple)
CODECS = st.sampled_from(list(Codec))


def records(*, keys: st.SearchStrategy[bytes | None] | None = None, count_max: int = 8) -> st.SearchStrategy[list[Record]]:
    """Lists of records numbered from 0."""
    part = st.none() | st.binary(max_size=300)
    drawn = st.lists(st.tuples(TIMESTAMPS, part if keys is None else keys, part, HEADERS), min_size=1, max_size=count_max)
    return drawn.map(lambda parts: [Record(offset, *part) for offset, part in enumerate(parts)])
