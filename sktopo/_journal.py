"""What a checkpoint keeps of a run.

A run is a function of the data, the parameters and a generator's state. The file holds what identifies them and the
state after the last epoch that was kept, so that a new process goes on where the old one was killed and ends at the
same map.
"""

import hashlib
import json
import os
from dataclasses import fields
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from sktopo import persistence
from sktopo._sources import Source
from sktopo._statistics import UnitStatistics
from sktopo.checkpoint import Checkpoint
from sktopo.lattices import CoarseLattice, Lattice
from sktopo.solvers import State


class Journal:
    """What a checkpoint keeps of one run.

    Parameters
    ----------
    checkpoint : Checkpoint
        Where and how often.
    fingerprint : str
        What identifies the data and the parameters.
    generator : torch.Generator
        The run's randomness, as it is at the start; it is set back to the start of the run that is resumed.

    Raises
    ------
    ValueError
        If the file belongs to another run.
    """

    def __init__(self, checkpoint: Checkpoint, fingerprint: str, generator: torch.Generator) -> None:
        self._checkpoint = checkpoint
        self._fingerprint = fingerprint
        self._generator = generator
        self._path = persistence.check_place(checkpoint.path)
        self._record = persistence.read(self._path).content if self._path.exists() else None
        if self._record is not None:
            if self._record.get("fingerprint") != fingerprint:
                raise ValueError(
                    f"The checkpoint {os.fspath(checkpoint.path)!r} belongs to other data or parameters, or was made "
                    "by other versions of sktopo, NumPy or torch: remove the file to start anew, or fit with what it "
                    "was made with. Fits of a search need a file each."
                )
            generator.set_state(torch.from_numpy(self._record["begin"]))
        self._begin = generator.get_state().numpy()

    def resumed(self, lattice: Lattice) -> State | None:
        """The state to go on from, if there is one; the generator is as it was then."""
        if self._record is None:
            return None
        self._generator.set_state(torch.from_numpy(self._record["now"]))
        return state_from(self._record["state"], lattice)

    def keep(self, state: State, lattice: Lattice) -> None:
        """An epoch has ended."""
        if len(state.losses) % self._checkpoint.every == 0:
            record = {
                "fingerprint": self._fingerprint,
                "begin": self._begin,
                "now": self._generator.get_state().numpy(),
                "state": values_of(state, lattice),
            }
            persistence.write(self._path, record)

    def close(self) -> None:
        """The run has ended well."""
        self._path.unlink(missing_ok=True)


def fingerprint_of(parameters: dict[str, Any], source: Source) -> str:
    """What identifies parameters, rows with their weights, and the versions that compute.

    Randomness is identified by a seed; entropy or a generator's state is kept as it was when the run began.
    """
    digest = hashlib.blake2b(json.dumps(persistence.versions()).encode())
    arrays: list[Any] = []
    relevant = {name: value for name, value in parameters.items() if name != "output"}
    if not isinstance(relevant["random_state"], Integral):
        relevant["random_state"] = None
    digest.update(json.dumps(persistence.encoded(relevant, arrays)).encode())
    for array in arrays:
        digest.update(f"{array.dtype} {array.shape}".encode() + array.tobytes())
    digest.update(f"{source.dtype} {source.n_rows} {source.n_features}".encode())
    for of_chunk in source.map_chunks(_digest):
        digest.update(of_chunk)
    return digest.hexdigest()


def _digest(x: Tensor, weight: Tensor) -> bytes:
    """What identifies a chunk."""
    digest = hashlib.blake2b()
    for tensor in (*((x.indices(), x.values()) if x.is_sparse else (x,)), weight):
        digest.update(tensor.cpu().contiguous().numpy())
    return digest.digest()


def values_of(state: State, lattice: Lattice) -> dict[str, Any]:
    """A state as values that a file can hold; `lattice` is the map's own."""
    statistics = {field.name: getattr(state.statistics, field.name) for field in fields(state.statistics)}
    coarse = None
    if state.lattice != lattice:
        coarse = {field.name: getattr(state.lattice, field.name) for field in fields(state.lattice)}
    return {**state._asdict(), "statistics": statistics, "lattice": coarse}


def state_from(values: dict[str, Any], lattice: Lattice) -> State:
    """The state that `values_of` made values of."""
    statistics, coarse = UnitStatistics(**values["statistics"]), values["lattice"]
    if coarse is not None:
        pairs = {name: tuple(coarse[name]) for name in ("extent", "corner")}
        lattice = CoarseLattice(**{**coarse, **pairs})
    return State(**{**values, "statistics": statistics, "lattice": lattice, "losses": tuple(values["losses"])})
