"""Whether an answer is right: judged by a brute-force search in float64 that knows no library."""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

# A row may be at a unit whose squared distance exceeds the least one by this share of |x - c|^2 + max |w - c|^2: a
# hundred times what sktopo promises in float32, so that no library is blamed for rounding.
TOLERANCE = 1e-4


class Verdict(StrEnum):
    """What came of a case."""

    RIGHT = "right"
    REFUSED = "refused"
    ERROR = "error"
    WRONG = "wrong"
    CRASHED = "crashed"
    NOT_OFFERED = "not offered"


def judge(
    truth: NDArray[np.float64] | None, codebook: NDArray[np.floating], labels: NDArray[np.integer], *, normalize: bool
) -> tuple[Verdict, str]:
    """Judge a codebook and the units of some rows; the second value says what is wrong."""
    if truth is None:
        return Verdict.WRONG, "answers, though no answer can be right"
    codebook = np.asarray(codebook).astype(np.float64)  # object arrays, too
    lost = int((~np.isfinite(codebook)).any(axis=1).sum())
    if lost:
        return Verdict.WRONG, f"{lost} of {len(codebook)} prototypes are not finite"
    if codebook.shape[1:] != truth.shape[1:] or len(labels) != len(truth):
        return Verdict.WRONG, f"{len(labels)} labels and {codebook.shape[1]} features for rows of shape {truth.shape}"
    excess = excesses(truth, codebook, np.asarray(labels).astype(np.int64), normalize=normalize)
    misplaced = int((excess > TOLERANCE).sum())
    if misplaced:
        return Verdict.WRONG, f"{misplaced} of {len(truth)} rows are not at the nearest prototype"
    return Verdict.RIGHT, ""


def excesses(
    rows: NDArray[np.float64], codebook: NDArray[np.float64], labels: NDArray[np.int64], *, normalize: bool
) -> NDArray[np.float64]:
    """By how much each row's squared distance exceeds the least one, as a share of ``|x - c|^2 + max |w - c|^2``.

    Missing values (NaN) count nowhere. All is scaled by a power of two first, so that no square overflows or vanishes.
    With `normalize`, rows and prototypes have unit length; rows of length zero are as near to one as to another.
    """
    known = ~np.isnan(rows)
    rows = np.where(known, rows, 0.0)
    if normalize:
        known &= rows.any(axis=1, keepdims=True)
        rows, codebook = unit_length(rows), unit_length(codebook)
    exponent = -int(np.frexp(max(np.abs(rows).max(initial=0.0), np.abs(codebook).max(initial=0.0)))[1])
    rows, codebook = np.ldexp(rows, exponent), np.ldexp(codebook, exponent)  # exact, as division would not be
    center = (codebook.min(axis=0) + codebook.max(axis=0)) / 2
    result = np.empty(len(rows))
    for i, (x, seen) in enumerate(zip(rows, known, strict=True)):
        # a second scale, for rows and prototypes that are close together and far from zero
        apart = np.where(seen, x - codebook, 0.0)
        around = np.where(seen, codebook - center, 0.0)
        spread = max(np.abs(apart).max(), np.abs(around).max(), np.finfo(float).tiny)
        squares = ((apart / spread) ** 2).sum(axis=1)
        least = squares.min()
        reach = (np.where(seen, (x - center) / spread, 0.0) ** 2).sum() + ((around / spread) ** 2).sum(axis=1).max()
        chosen = squares[labels[i]] if 0 <= labels[i] < len(squares) else np.inf if seen.any() else least
        result[i] = (chosen - least) / reach if chosen > least else 0.0
    return result


def unit_length(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows of Euclidean length 1; zero vectors stay."""
    largest = np.abs(rows).max(axis=1, keepdims=True)
    scaled = np.divide(rows, largest, out=np.zeros_like(rows), where=largest > 0)
    length = np.sqrt((scaled**2).sum(axis=1, keepdims=True))
    return np.divide(scaled, length, out=np.zeros_like(rows), where=length > 0)
