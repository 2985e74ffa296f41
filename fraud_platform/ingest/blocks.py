"""SHA-256 of a file's blocks: a copy is gone on with behind whole ones, and verified by all.

Here: cutting a stream at block boundaries, digests while writing, comparing what is read back.
Not here: reading, writing, and when to note how far a copy is (`copying`).

A hash under way cannot be stored, so a copy that is resumed has no digest of the whole file. That
one comes from the bytes that are read back, after their blocks proved equal to the source's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence


class BlockDigests:
    """The digests of a file's blocks, in order.

    Args:
        block_bytes: size of every block but the last.
        digests: of blocks that are done already.
    """

    def __init__(self, block_bytes: int, digests: Sequence[str] = ()) -> None:
        self.block_bytes = block_bytes
        self.digests = list(digests)
        self._block, self._filled = hashlib.sha256(), 0
        self._whole = None if digests else hashlib.sha256()

    @property
    def sha256(self) -> str | None:
        """SHA-256 of all that came, in hex; None where earlier blocks were only noted."""
        return None if self._whole is None else self._whole.hexdigest()

    def cut(self, data: bytes) -> Iterator[tuple[bytes, bool]]:
        """Yield data in pieces, and whether each piece ends a block, whose digest is then noted."""
        left = memoryview(data)
        while left:
            piece = left[: self.block_bytes - self._filled]
            left = left[len(piece) :]
            self._block.update(piece)
            if self._whole is not None:
                self._whole.update(piece)
            self._filled += len(piece)
            ends_block = self._filled == self.block_bytes
            if ends_block:
                self.finish()
            yield bytes(piece), ends_block

    def finish(self) -> None:
        """Note the digest of the last block, if it is not empty."""
        if self._filled:
            self.digests.append(self._block.hexdigest())
            self._block, self._filled = hashlib.sha256(), 0

    def verified(self, chunks: Iterable[bytes]) -> str | None:
        """Return the SHA-256 of a file's bytes, or None where they have other blocks."""
        found = BlockDigests(self.block_bytes)
        for chunk in chunks:
            for _ in found.cut(chunk):
                pass
        found.finish()
        return found.sha256 if found.digests == self.digests else None
