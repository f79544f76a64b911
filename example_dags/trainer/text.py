"""Text as numbers and back.

One vocabulary for every corpus: a model can be fine-tuned on text it was not made for.
"""

from __future__ import annotations

import numpy as np

CHARACTERS = "\n" + "".join(map(chr, range(32, 127)))
UNKNOWN = CHARACTERS.index("?")


def encode(text: str) -> np.ndarray:
    """The text as numbers, one a character; what the vocabulary lacks becomes "?"."""
    table = {character: number for number, character in enumerate(CHARACTERS)}
    return np.fromiter((table.get(character, UNKNOWN) for character in text), np.uint8, len(text))


def decode(tokens: np.ndarray) -> str:
    return "".join(CHARACTERS[token] for token in tokens)
