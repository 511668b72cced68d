"""The space of texts.

Gymnasium's own ``Text`` space has a character set (the default refuses a blank, full Unicode takes
seconds to build) and turns into zeros in shared memory; this one only bounds the length.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import Any

from gymnasium import Space

__all__ = ["TextSpace"]


class TextSpace(Space[str]):
    """Every text that can be encoded as UTF-8, up to a length.

    Args:
        max_length: Most characters.
        examples: What `sample` draws from; random printable text where there are none.
        seed: Seeds `sample`.
    """

    def __init__(
        self, max_length: int = 1 << 24, examples: Sequence[str] = (), seed: int | None = None
    ) -> None:
        self.max_length = max_length
        self.examples = tuple(examples)
        super().__init__(seed=seed)

    @property
    def is_np_flattenable(self) -> bool:
        """Tell that texts have no array form."""
        return False

    def sample(self, mask: Any | None = None, probability: Any | None = None) -> str:
        """Return one of the examples, or up to 40 printable characters."""
        if self.examples:
            return self.examples[int(self.np_random.integers(len(self.examples)))]
        length = int(self.np_random.integers(min(self.max_length, 40) + 1))
        picks = self.np_random.integers(len(string.printable), size=length)
        return "".join(string.printable[int(pick)] for pick in picks)

    def contains(self, x: Any) -> bool:
        """Tell whether ``x`` is text of allowed length without lone surrogates."""
        if not isinstance(x, str) or len(x) > self.max_length:
            return False
        try:
            x.encode("utf-8")
        except UnicodeEncodeError:
            return False
        return True

    def __repr__(self) -> str:
        return f"TextSpace(max_length={self.max_length})"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, TextSpace)
            and self.max_length == other.max_length
            and self.examples == other.examples
        )

    __hash__ = None  # type: ignore[assignment]  # mutable by seed, like every space
