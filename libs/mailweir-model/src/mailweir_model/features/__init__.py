"""What a message is made of, as numbers: one extractor for judging and for learning."""

from .extract import VERSION, Features, View, extract
from .hashing import Hashes, Keys, hash_words

__all__ = ["VERSION", "Features", "Hashes", "Keys", "View", "extract", "hash_words"]
