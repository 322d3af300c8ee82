"""Options whose value is one or several of some words, separated by commas, whatever their case."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import final


@final
class OneOf:
    """The type of such an option, for argparse; gives the words as they are spelt in the list of all, and goes with `action="extend"`."""

    def __init__(self, words: Iterable[str]) -> None:
        self._word_by_lower = {word.lower(): word for word in words}

    def __call__(self, text: str) -> list[str]:
        """Raises ArgumentTypeError when a word is none of them."""
        words = [part.strip().lower() for part in text.split(",")]
        unknown = [word for word in words if word not in self._word_by_lower]
        if unknown:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)!r} is none of {', '.join(self._word_by_lower.values())}")
        return [self._word_by_lower[word] for word in words]
