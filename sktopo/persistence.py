"""Fitted maps as files: arrays and JSON in a zip archive, and nothing that could run.

The archive holds one ``.npy`` member an array and a member ``sktopo.json`` with everything else. Members are stored,
not compressed, and guarded by checksums; sizes that headers claim are compared with what is there before it is read.
Files are written beside their place and moved there whole (``os.replace``), so a crash leaves the old file as it was.
"""

import errno
import io
import json
import math
import os
import secrets
import stat
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from sktopo._device import is_available
from sktopo._version import __version__

FORMAT = 1
HEADER = "sktopo.json"
# A header of parameters, names and numbers is small (arrays are members of their own), and takes up to fifty times as
# much memory when it is read.
LARGEST_HEADER = 16 * 2**20
KINDS = "fiub"
# What an archive starts with; what the last record of one without a comment starts with, and its size.
BEGIN, END, END_BYTES = b"PK\x03\x04", b"PK\x05\x06", 22
# What reading a file that is cut off, changed or something else altogether may raise.
DAMAGE = (
    *(ValueError, KeyError, IndexError, TypeError, AttributeError, EOFError, OverflowError, RecursionError),
    *(NotImplementedError, RuntimeError, SyntaxError, struct.error, tokenize.TokenError),
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error),
)


def write(path: str | os.PathLike[str], content: dict[str, Any]) -> None:
    """Write a dictionary of values to a file, replacing an older one at once or not at all.

    Parameters
    ----------
    path : path-like
        Exactly this file is written, or the one that a symbolic link points to.
    content : dict of str to object
        Nested dictionaries and lists of numbers, strings, None, arrays, tensors, devices and random states. What NumPy
        can make an array of, such as a frame, comes back as that array.

    Raises
    ------
    TypeError
        If a value is of a type that cannot be stored.
    ValueError
        If names and numbers, without the arrays, take more than 16 MB.
    OSError
        If the file cannot be written; an older file is then as it was.
    """
    target = check_place(path)
    beside = target.with_name(f".sktopo.{secrets.token_hex(8)}")  # the file's own name may be as long as names can be
    try:
        with _errors_that_name(target):
            with open(beside, "xb") as file:
                _pack(file, content)
                file.flush()
                os.fsync(file.fileno())
            if target.exists():
                os.chmod(beside, target.stat().st_mode & 0o777)
            os.replace(beside, target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def check_place(path: str | os.PathLike[str]) -> Path:
    """Where a file would be written.

    Parameters
    ----------
    path : path-like
        A file that may be there or not.

    Returns
    -------
    Path
        The file, or the one that a symbolic link points to.

    Raises
    ------
    OSError
        If there is no such folder, if it may not be written to, or if something else than a file has that name.
    """
    target = Path(os.path.realpath(os.fsdecode(path)))
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "There is no such folder", str(target.parent))
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, "A folder has this name", str(target))
    if target.exists() and not target.is_file():
        raise FileExistsError(errno.EEXIST, "Something that is no ordinary file has this name", str(target))
    if not os.access(target.parent, os.W_OK):
        raise PermissionError(errno.EACCES, "The folder may not be written to", str(target.parent))
    return target


@contextmanager
def _errors_that_name(target: Path) -> Iterator[None]:
    """Let errors of the system name the file that is wanted, not the one beside it."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(target), None
        raise


def read(path: str | os.PathLike[str]) -> "Stored":
    """Read what `write` wrote; nothing in the file is ever run.

    Parameters
    ----------
    path : path-like
        A file.

    Returns
    -------
    Stored
        The values; a tensor whose device is not here comes back on the CPU.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a whole sktopo file, or was written by a newer version of the format.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError(f"{os.fspath(path)!r} is a folder or a device, not a sktopo file.")
    with open(path, "rb") as file:
        try:
            return _unpack(file, os.fstat(file.fileno()).st_size)
        except NewerFormatError as error:
            raise ValueError(f"{os.fspath(path)!r} {error}") from None
        except DAMAGE as error:
            raise ValueError(f"{os.fspath(path)!r} is not a whole sktopo file: {error!s:.200}.") from error
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            # the archive's directory points to before the file's start
            raise ValueError(f"{os.fspath(path)!r} is not a whole sktopo file: {error!s:.200}.") from error


class Stored(NamedTuple):
    """What a file holds.

    Parameters
    ----------
    content : dict of str to object
        The values.
    missing : frozenset of str
        Devices that are not here, whose tensors are on the CPU now.
    """

    content: dict[str, Any]
    missing: frozenset[str]


class NewerFormatError(ValueError):
    """The file is whole, but of a format that this version does not know."""


def _pack(file: BinaryIO, content: dict[str, Any]) -> None:
    arrays: list[NDArray[Any]] = []
    header = json.dumps({"format": FORMAT, "versions": versions(), "content": encoded(content, arrays)})
    if len(header) > LARGEST_HEADER:
        raise ValueError(f"Names and numbers of {len(header):,} bytes cannot be saved: at most {LARGEST_HEADER:,} can.")
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(HEADER, header)
        for number, array in enumerate(arrays):
            with archive.open(f"{number}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def versions() -> dict[str, str]:
    """Versions of what made a file.

    Returns
    -------
    dict of str to str
        By the names of the packages.
    """
    others = ("numpy", "scikit-learn", "torch")
    return {"sktopo": __version__, **{name: version(name) for name in others}}


def encoded(value: Any, arrays: list[NDArray[Any]]) -> Any:
    """A value as JSON; arrays are put aside and referred to by number.

    Parameters
    ----------
    value : object
        What `write` takes.
    arrays : list of ndarray
        Grows by the arrays that the value holds.

    Returns
    -------
    object
        Dictionaries, lists, numbers and strings.

    Raises
    ------
    TypeError
        If a value is of a type that cannot be stored.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        return {"dict": [[key, encoded(item, arrays)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return [encoded(item, arrays) for item in value]
    for tag, (kind, encode, _) in CODECS.items():
        if isinstance(value, kind):
            return {tag: encoded(encode(value), arrays)}
    if hasattr(value, "__array__") or hasattr(value, "__dlpack__"):
        value = _numeric(np.asarray(value))  # of a frame, for example, or of another library
        if value.dtype.kind not in KINDS:
            if value.ndim != 1:
                raise TypeError(f"An array of dtype {value.dtype} and shape {value.shape} cannot be saved.")
            return {"strings": [str(item) for item in value.ravel()]}
        arrays.append(value)
        return {"array": len(arrays) - 1}
    raise TypeError(f"A value of type {type(value).__name__} cannot be saved: {value!r}.")


def _numeric(values: NDArray[Any]) -> NDArray[Any]:
    """Numbers that stand in an array of objects, as float64; everything else as it is."""
    if values.dtype != object or values.ndim < 2:  # names are one in a row
        return values
    try:
        return values.astype(np.float64)
    except (TypeError, ValueError):
        return values


def _decoded(value: Any, arrays: Callable[[int], NDArray[Any]]) -> Any:
    """The value that `encoded` made JSON of."""
    if isinstance(value, list):
        return [_decoded(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    ((tag, item),) = value.items()
    if tag == "dict":
        return {key: _decoded(entry, arrays) for key, entry in item if isinstance(key, str | int)}
    if tag == "array":
        return arrays(int(item))
    if tag == "strings":
        return np.array([str(entry) for entry in item], dtype=object)
    _, _, decode = CODECS[tag]
    return decode(_decoded(item, arrays))


def _placed(value: Any, missing: set[str]) -> Any:
    """Values with tensors on their devices, as far as these are here; those that are not are written down."""
    if isinstance(value, dict):
        return {key: _placed(item, missing) for key, item in value.items()}
    if isinstance(value, list):
        return [_placed(item, missing) for item in value]
    if not isinstance(value, StoredTensor):
        return value
    if is_available(value.device):
        return value.values.to(value.device)
    missing.add(str(value.device))
    return value.values


class StoredTensor(NamedTuple):
    """A tensor on the CPU, and where it belongs.

    Parameters
    ----------
    device : torch.device
        Where it lived.
    values : Tensor
        A copy on the CPU.
    """

    device: torch.device
    values: torch.Tensor


def _stored_state(state: np.random.RandomState) -> dict[str, Any]:
    if state.get_state(legacy=False)["bit_generator"] != "MT19937":
        raise TypeError(f"A RandomState over another generator than MT19937 cannot be saved: {state!r}.")
    return {"state": list(state.get_state())}


def _restored_state(state: dict[str, Any]) -> np.random.RandomState:
    restored = np.random.RandomState()
    name, keys, position, *rest = state["state"]
    if not 0 <= position <= len(keys):  # NumPy takes any position, and then reads beyond its keys
        raise ValueError("a random state's position is outside its keys")
    restored.set_state((name, np.asarray(keys, dtype=np.uint32), position, *rest))
    return restored


# tag -> type, a value as simpler values, and back
CODECS: dict[str, tuple[type, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "device": (torch.device, str, torch.device),
    "random_state": (np.random.RandomState, _stored_state, _restored_state),
    "tensor": (
        torch.Tensor,
        lambda tensor: {"device": str(tensor.device), "values": tensor.detach().cpu().numpy()},
        lambda parts: StoredTensor(torch.device(parts["device"]), torch.from_numpy(parts["values"])),
    ),
}


def _unpack(file: BinaryIO, size: int) -> Stored:
    begin = file.read(len(BEGIN))
    file.seek(max(0, size - END_BYTES))
    if begin != BEGIN or not file.read().startswith(END):
        raise ValueError("it is cut short, or was written by another program")
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if any(m.compress_type != zipfile.ZIP_STORED or m.file_size != m.compress_size for m in members):
            raise ValueError("a member is compressed")
        if sum(m.file_size for m in members) > size:
            raise ValueError("a member claims to be larger than the file")
        if archive.getinfo(HEADER).file_size > LARGEST_HEADER:
            raise ValueError("its header is too large")
        header = json.loads(archive.read(HEADER))
        if type(header["format"]) is not int or header["format"] < 1:
            raise ValueError("its format is unknown")
        if header["format"] > FORMAT:
            raise NewerFormatError(f"has format {header['format']}; this sktopo reads up to {FORMAT}. Upgrade sktopo.")
        # each array once: a short header that asks for one many times would fill the memory
        unread = {member.filename for member in members}
        content = _decoded(header["content"], lambda number: _read_array(archive, _taken(unread, f"{number}.npy")))
    if not isinstance(content, dict):
        raise TypeError("it holds no dictionary")
    missing: set[str] = set()
    return Stored(_placed(content, missing), frozenset(missing))


def _taken(names: set[str], name: str) -> str:
    """A name that is there, and no more."""
    names.remove(name)
    return name


def _read_array(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """An array whose claimed size is the size of its member."""
    data = archive.read(name)  # checked against its checksum
    stream = io.BytesIO(data)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError(f"{name} has an unknown header")
    try:
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    except MemoryError:  # what Python's parser says of an expression that is nested too deeply
        raise ValueError(f"{name} has an unknown header") from None
    if dtype.kind not in KINDS or math.prod(shape) * dtype.itemsize != len(data) - stream.tell():
        raise ValueError(f"{name} is not what its header says")
    array: NDArray[Any] = np.frombuffer(data, dtype=dtype, offset=stream.tell()).astype(dtype.newbyteorder("="))
    return array.reshape(shape, order="F" if fortran else "C")
