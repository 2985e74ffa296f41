"""SHA-256 digests of a file's blocks, with which a copy is resumed and verified.

Here: splitting a stream at block boundaries, digests while writing, verifying the written bytes.
Not here: reading, writing, and checkpoints of a copy (`copying`).

The state of a running hash cannot be stored, so a resumed copy has no digest of the whole file
while it is written. That digest is computed when the copy is read back and its blocks are compared
with the source's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence


class BlockDigests:
    """The digests of a file's blocks, in order.

    Args:
        block_bytes: size of every block except the last.
        digests: digests of blocks that are already copied.
    """

    def __init__(self, block_bytes: int, digests: Sequence[str] = ()) -> None:
        self.block_bytes = block_bytes
        self.digests = list(digests)
        self._block, self._filled = hashlib.sha256(), 0
        self._whole = None if digests else hashlib.sha256()

    @property
    def sha256(self) -> str | None:
        """SHA-256 of the whole file in hex; None for a resumed copy."""
        return None if self._whole is None else self._whole.hexdigest()

    def cut(self, data: bytes) -> Iterator[tuple[bytes, bool]]:
        """Yield (piece, whether it ends a block); a finished block's digest is recorded."""
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
        """Record the digest of the last block, if it is not empty."""
        if self._filled:
            self.digests.append(self._block.hexdigest())
            self._block, self._filled = hashlib.sha256(), 0

    def verified(self, chunks: Iterable[bytes]) -> str | None:
        """Return the SHA-256 of a file's bytes, or None if their block digests differ."""
        written = BlockDigests(self.block_bytes)
        for chunk in chunks:
            for _ in written.cut(chunk):
                pass
        written.finish()
        return written.sha256 if written.digests == self.digests else None
