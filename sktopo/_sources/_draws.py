"""Rows drawn in random order, in proportion to their weights."""

from bisect import bisect_right
from collections.abc import Callable
from functools import lru_cache
from itertools import accumulate

import torch
from torch import Tensor

# Positions of so many rows are made at once.
MOST_AT_ONCE = 2**18

RowsAt = Callable[[Tensor], Tensor]


def strata(n_rows: int, n: int) -> list[int]:
    """Numbers of strata, pass by pass: in a whole one rows that count alike are drawn once each."""
    return [min(n_rows, n - start) for start in range(0, n, n_rows)]


class DrawnPositions:
    """Positions of drawn rows, made block by block when they are wanted, so that they take no memory to speak of.

    A pass of m rows draws one from each of m strata of equal weight. Where that is too much at once, block t takes the
    strata ``k T + (t + r_k) mod T`` of all T blocks, with random shifts r_k: each block covers all of the data evenly,
    and together they take each stratum once.

    Parameters
    ----------
    rows_at : callable
        Positions (n,) of the rows at which fractions (n,), in [0, 1), of the total weight are reached.
    n_rows, n : int
        Rows that there are, and that are drawn.
    generator : torch.Generator
        Source of randomness: two numbers are taken from it.
    """

    def __init__(self, rows_at: RowsAt, n_rows: int, n: int, generator: torch.Generator) -> None:
        self.n = n
        self._rows_at = rows_at
        self._blocks: list[tuple[int, int, int, int]] = []  # (pass, strata, blocks of the pass, which of them)
        for number, m in enumerate(strata(n_rows, n)):
            n_blocks = -(-m // MOST_AT_ONCE)
            self._blocks += [(number, m, n_blocks, t) for t in range(n_blocks)]
        self._stops = list(accumulate(_block_length(*block[1:]) for block in self._blocks))
        self._seeds = torch.randint(2**62, (2,), generator=generator, device="cpu").tolist()
        # a part may reach from one block into the next
        self._block = lru_cache(maxsize=2)(self._make)

    def positions(self, start: int, stop: int) -> Tensor:
        """Those of the rows from `start` to `stop` in the order in which they were drawn."""
        first, last = bisect_right(self._stops, start), bisect_right(self._stops, stop - 1)
        begin = self._stops[first - 1] if first else 0
        return torch.cat([self._block(i) for i in range(first, last + 1)])[start - begin : stop - begin]

    def _make(self, index: int) -> Tensor:
        number, m, n_blocks, t = self._blocks[index]
        k = torch.arange(_block_length(m, n_blocks, t), device="cpu")
        shifts = torch.randint(n_blocks, (len(k),), generator=_seeded(self._seeds[0] + number), device="cpu")
        shifts[m // n_blocks :] = 0  # what is left over at the end, one stratum for each of the first blocks
        own = _seeded(self._seeds[1] + index)
        jitter = torch.rand(len(k), generator=own, dtype=torch.float64, device="cpu")
        fractions = (k * n_blocks + (t + shifts) % n_blocks + jitter) / m
        return self._rows_at(fractions)[torch.randperm(len(k), generator=own, device="cpu")]


def _block_length(m: int, n_blocks: int, t: int) -> int:
    """Strata of block t, if m are dealt out to so many blocks."""
    return len(range(t, m, n_blocks))


def _seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
