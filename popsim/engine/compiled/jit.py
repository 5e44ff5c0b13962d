"""Compile kernels: the only place that imports numba.

``entry`` compiles a function that Python calls, ``helper`` one that only kernels call. Both run without
reference counting (kernels allocate nothing) and with numpy's division rules; helpers are inlined by LLVM.
Compiled code is cached on disk in a folder named by a hash of everything that shapes it, because numba's own cache does not
notice a change in an imported module.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Callable, Hashable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core.imputils import impl_ret_borrowed, lower_getattr_generic
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.extending import NativeValue, intrinsic, models, register_model, unbox
from numpy.typing import NDArray

F = TypeVar("F", bound=Callable[..., Any])
# What a kernel asks of Python: (object, class, site, ms) -> host. A kernel holds the interpreter's lock while it runs.
ASKED_FROM_KERNELS = ctypes.CFUNCTYPE(
    ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_double
)
ENGINE = Path(__file__).resolve().parent.parent


IMPORT = re.compile(r"^\s*from popsim\.engine(?:\.(\w+))? import (\([^)]*\)|[^\n]*)", re.MULTILINE)


def _sources() -> dict[str, bytes]:
    """Return the files that kernels are made of, by name: those of this folder, and the engine's that these import."""
    found, todo = {}, sorted(ENGINE.glob("compiled/*.py"))
    while todo:
        source = todo.pop()
        name = str(source.relative_to(ENGINE))
        if name in found or not source.exists():
            continue
        found[name] = source.read_bytes()
        for module, names in IMPORT.findall(found[name].decode()):
            words = [module] if module else re.findall(r"\w+", names)
            todo += [ENGINE / f"{word}.py" for word in words]
    return found


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for name, source in sorted(_sources().items()):
        digest.update(name.encode())
        digest.update(source)
    # the folder, too: numba finds what it has compiled by the path of its source
    for part in (ENGINE, numba.__version__, np.__version__, sys.version, numba.config.BOUNDSCHECK):
        digest.update(str(part).encode())
    return digest.hexdigest()[:16]


def _cache_folder() -> Path | None:
    """Return a writable folder for compiled code, or None."""
    root = os.environ.get("NUMBA_CACHE_DIR")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(root) if root else Path(base) / "popsim" / "kernels"
    folder = folder / _fingerprint()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError:
        return None
    return folder


CACHE_FOLDER = _cache_folder()
if CACHE_FOLDER is not None:
    numba.config.CACHE_DIR = str(CACHE_FOLDER)

IS_COMPILED = not numba.config.DISABLE_JIT
_COMMON: dict[str, Any] = {"_nrt": False, "error_model": "numpy"}


def entry(function: F) -> F:
    """Compile a kernel that is called from Python; cached on disk where that is possible."""
    return numba.njit(cache=CACHE_FOLDER is not None, **_COMMON)(function)  # type: ignore[no-any-return]


def rare_helper(function: F) -> F:
    """Compile a function that only kernels call and rarely: it stays out of the way of what is often done."""
    return numba.njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, **_COMMON)(function)  # type: ignore[no-any-return]


def helper(function: F) -> F:
    """Compile a function that only kernels call, inlined into them."""
    return numba.njit(  # type: ignore[no-any-return]
        no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True, **_COMMON
    )(function)


# --- the state, as kernels see it -----------------------------------------------------------------------------
#
# A tuple of a hundred arrays as an argument costs a minute of compiling: each function takes each array apart. So kernels
# get a pointer to a table of arrays. Nothing in it changes while a kernel runs, and LLVM is told so.


class Boxed:
    """The arrays of a state at an address: what kernels take in place of the state itself."""

    def __init__(self, state: Any) -> None:
        """Note where each array of a NamedTuple lies."""
        names, arrays = state._fields, tuple(state)
        self._numba_type_ = _state_type(
            tuple((n, _type_of(a)) for n, a in zip(names, arrays, strict=True))
        )
        words: list[int] = []
        for array in arrays:
            words += [
                0,
                0,
                array.size,
                array.itemsize,
                array.ctypes.data,
                *array.shape,
                *array.strides,
            ]
        self.table = np.array(words, dtype=np.int64)
        self.address = int(self.table.ctypes.data)
        self.state = state  # keeps the arrays alive


_types: dict[Hashable, Any] = {}


def _type_of(array: NDArray[Any]) -> Any:
    """Return numba's type of an array; remembered, because that of records takes half a millisecond to make."""
    key = array.dtype, array.ndim, array.flags.c_contiguous, array.flags.writeable
    if key not in _types:
        _types[key] = numba.typeof(array)
    return _types[key]


class StateType(types.Type):  # type: ignore[misc]
    """The type of a pointer to a table of arrays with names."""

    def __init__(self, fields: tuple[tuple[str, Any], ...]) -> None:
        self.fields = fields
        digest = hashlib.sha256(repr([(name, str(kind)) for name, kind in fields]).encode())
        super().__init__(name=f"State{digest.hexdigest()[:12]}")


@cache
def _state_type(fields: tuple[tuple[str, Any], ...]) -> StateType:
    return StateType(fields)


@register_model(StateType)  # type: ignore[untyped-decorator]
class _StateModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: StateType) -> None:
        arrays = [manager.lookup(array).get_value_type() for _, array in kind.fields]
        super().__init__(manager, kind, ir.LiteralStructType(arrays).as_pointer())


@infer_getattr
class _StateAttributes(AttributeTemplate):  # type: ignore[misc]
    key = StateType

    def generic_resolve(self, kind: StateType, name: str) -> Any:  # type: ignore[override]
        return dict(kind.fields).get(name)


@lower_getattr_generic(StateType)  # type: ignore[untyped-decorator]
def _load_array(context: Any, builder: Any, kind: StateType, pointer: Any, name: str) -> Any:
    """Load an array's members one by one, as what never changes."""
    row = [field for field, _ in kind.fields].index(name)
    array = dict(kind.fields)[name]
    whole = context.get_value_type(array)
    value = ir.Constant(whole, ir.Undefined)
    word = ir.IntType(32)
    unchanging = builder.module.add_metadata([])
    for member in range(len(whole.elements)):
        place = builder.gep(pointer, [word(0), word(row), word(member)], inbounds=True)
        loaded = builder.load(place)
        loaded.set_metadata("invariant.load", unchanging)
        value = builder.insert_value(value, loaded, member)
    return impl_ret_borrowed(context, builder, array, value)


@unbox(StateType)  # type: ignore[untyped-decorator]
def _unbox_state(kind: StateType, boxed: Any, call: Any) -> NativeValue:
    address = call.pyapi.object_getattr_string(boxed, "address")
    number = call.pyapi.number_as_ssize_t(address)
    call.pyapi.decref(address)
    return NativeValue(call.builder.inttoptr(number, call.context.get_value_type(kind)))


def _call_in_kernel(
    _typing: Any, _address: Any, _number: Any, _kind: Any, _site: Any, _time: Any
) -> Any:
    """Generate the call of a Python function at an address, made with ``ASKED_FROM_KERNELS``."""
    whole, real = types.int64, types.float64

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        word = ir.IntType(64)
        function = ir.FunctionType(word, [word, word, word, ir.DoubleType()])
        address = builder.inttoptr(arguments[0], function.as_pointer())
        return builder.call(address, arguments[1:])

    return whole(whole, whole, whole, whole, real), generate


def _call_in_python(address: int, number: int, kind: int, site: int, time: float) -> int:
    """Call the same, uncompiled."""
    return int(ASKED_FROM_KERNELS(int(address))(int(number), int(kind), int(site), float(time)))


call_back: Any = intrinsic(_call_in_kernel) if IS_COMPILED else _call_in_python


def _prefetch_in_kernel(_typing: Any, array: Any, index: Any) -> Any:
    """Generate a hint that a row of an array will be read."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        hint = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        function = builder.module.declare_intrinsic("llvm.prefetch", [byte], hint)
        place = builder.bitcast(builder.gep(rows, [arguments[1]]), byte)
        builder.call(function, [place, word(0), word(3), word(1)])  # to read, often, data
        return context.get_dummy_value()

    return types.void(array, index), generate


def _prefetch_in_python(_array: Any, _index: int) -> None:
    """Do nothing, uncompiled."""


prefetch: Any = intrinsic(_prefetch_in_kernel) if IS_COMPILED else _prefetch_in_python


def is_cached() -> bool:
    """Tell whether compiled kernels of this very code lie on disk."""
    return CACHE_FOLDER is not None and any(CACHE_FOLDER.rglob("*.nbc"))
