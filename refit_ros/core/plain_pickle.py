"""A machine for pickles that only makes plain values.

A pickle is a program. This machine knows its stack and its plain values (None, numbers, text, bytes, tuples, lists,
dictionaries with plain keys); everything else must be a name in a table, and the table holds functions of this package.
So nothing of a file reaches Python's own way of making objects, its memo cannot be blown up, and its keys cannot nest.
"""

from __future__ import annotations

import codecs
import os
import pickle
import pickletools
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from refit_ros.core import limits
from refit_ros.core.errors import InputError

Known = Callable[[str, str], Callable[..., Any]]
_OPCODES: dict[str, Any] = {opcode.code: opcode for opcode in pickletools.opcodes}
_MARK = object()
_PLAIN_ARGUMENT = {
    "INT",
    "BININT",
    "BININT1",
    "BININT2",
    "LONG",
    "LONG1",
    "LONG4",
    "STRING",
    "BINSTRING",
    "SHORT_BINSTRING",
    "BINBYTES",
    "SHORT_BINBYTES",
    "BINBYTES8",
    "UNICODE",
    "SHORT_BINUNICODE",
    "BINUNICODE",
    "BINUNICODE8",
    "FLOAT",
    "BINFLOAT",
}
_CONSTANT = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_WIDE = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_KEYS = (str, int, bytes, float, bool, type(None))


class Stateful:
    """What a table's function may return where the pickle gives it a state afterwards."""

    def set_state(self, state: Any) -> None:
        raise NotImplementedError


class _Clipped:
    """A file of which nobody can ask for more bytes than it has: a pickle's lengths are believed by who reads them."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size
        self.readline, self.tell = file.readline, file.tell

    def read(self, count: int) -> bytes:
        return self._file.read(max(0, min(count, self._size - self._file.tell())))


def read_pickle(file: BinaryIO, known: Known, persistent: Callable[[Any], Any] | None = None) -> Any:
    """The value that the pickle in `file` (seekable) describes.

    known: (module, name) -> the function that stands for it; raises InputError for a name that is refused.
    persistent: (id) -> value, for formats that use it. Raises InputError for a name that is not known,
    pickle.UnpicklingError for every damage.
    """
    begin = file.tell()
    size = file.seek(0, os.SEEK_END)
    file.seek(begin)
    machine = _Machine(known, persistent)
    steps = limits.limit("pickle_steps")
    try:
        for count, (name, argument) in enumerate(_steps(_Clipped(file, size))):
            if count > steps:
                limits.check(count, "pickle_steps", f"its pickle has {count} steps")
            if name == "STOP":
                return machine.pop()
            machine.step(name, argument)
    except InputError:
        raise
    except Exception as error:  # damaged bytes can raise anything in the reader
        raise pickle.UnpicklingError("its pickle is damaged or cut off") from error
    raise pickle.UnpicklingError("its pickle is cut off")


def _steps(file: _Clipped) -> Iterator[tuple[str, Any]]:
    """(opcode's name, its argument); text of Python 2 as latin-1, in which bytes survive."""
    while code := file.read(1):
        opcode = _OPCODES[code.decode("latin1")]
        if opcode.name == "STRING":  # pickletools reads it as ASCII, and Python 2 put arrays into it
            line = file.readline().rstrip(b"\n")
            yield opcode.name, codecs.escape_decode(line[1:-1])[0].decode("latin1")
        else:
            yield opcode.name, None if opcode.arg is None else opcode.arg.reader(file)


class _Machine:
    def __init__(self, known: Known, persistent: Callable[[Any], Any] | None) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.known, self.persistent = known, persistent

    def pop(self) -> Any:
        value = self.stack.pop()
        if value is _MARK:
            raise pickle.UnpicklingError("a mark where a value was expected")
        return value

    def to_mark(self) -> list[Any]:
        for index in range(len(self.stack) - 1, -1, -1):
            if self.stack[index] is _MARK:
                values = self.stack[index + 1 :]
                del self.stack[index:]
                return values
        raise pickle.UnpicklingError("no mark")

    def step(self, name: str, argument: Any) -> None:
        if name in _PLAIN_ARGUMENT:
            self.stack.append(argument)
        elif name in _CONSTANT:
            self.stack.append(_CONSTANT[name])
        elif name in _WIDE:
            values = [self.pop() for _ in range(_WIDE[name])]
            self.stack.append(tuple(reversed(values)))
        elif name in ("PROTO", "FRAME"):
            pass
        else:
            handler = getattr(self, f"_{name.lower()}", None)
            if handler is None:
                raise InputError(f"its pickle uses {name}, which no file of arrays needs")
            handler(argument)

    def _mark(self, _) -> None:
        self.stack.append(_MARK)

    def _pop(self, _) -> None:
        self.stack.pop()

    def _pop_mark(self, _) -> None:
        self.to_mark()

    def _dup(self, _) -> None:
        self.stack.append(self.stack[-1])

    def _empty_tuple(self, _) -> None:
        self.stack.append(())

    def _empty_list(self, _) -> None:
        self.stack.append([])

    def _empty_dict(self, _) -> None:
        self.stack.append({})

    def _empty_set(self, _) -> None:
        self.stack.append([])  # nobody needs its meaning, and a set would hash what is put in

    def _tuple(self, _) -> None:
        self.stack.append(tuple(self.to_mark()))

    def _list(self, _) -> None:
        self.stack.append(self.to_mark())

    def _frozenset(self, _) -> None:
        self.stack.append(self.to_mark())

    def _dict(self, _) -> None:
        values = self.to_mark()
        self.stack.append({})
        self._set_items(values)

    def _append(self, _) -> None:
        self._extend([self.pop()])

    def _appends(self, _) -> None:
        self._extend(self.to_mark())

    _additems = _appends

    def _setitem(self, _) -> None:
        value, key = self.pop(), self.pop()
        self._set_items([key, value])

    def _setitems(self, _) -> None:
        self._set_items(self.to_mark())

    def _put(self, argument: Any) -> None:
        self.memo[int(argument)] = self.stack[-1]

    _binput = _long_binput = _put

    def _memoize(self, _) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _get(self, argument: Any) -> None:
        self.stack.append(self.memo[int(argument)])

    _binget = _long_binget = _get

    def _global(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.stack.append(_Named(self.known(module, name)))

    def _stack_global(self, _) -> None:
        name, module = self.pop(), self.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise pickle.UnpicklingError("a name that is no text")
        self.stack.append(_Named(self.known(module, name)))

    def _reduce(self, _) -> None:
        arguments, function = self.pop(), self.pop()
        self._call(function, arguments)

    _newobj = _reduce

    def _inst(self, argument: str) -> None:
        arguments = tuple(self.to_mark())
        module, _, name = argument.partition(" ")
        self._call(_Named(self.known(module, name)), arguments)

    def _obj(self, _) -> None:
        function, *arguments = self.to_mark()
        self._call(function, tuple(arguments))

    def _build(self, _) -> None:
        state = self.pop()
        if isinstance(self.stack[-1], Stateful):
            self.stack[-1].set_state(state)
        elif not isinstance(self.stack[-1], dict):  # an OrderedDict of PyTorch's carries a version, which nobody needs
            raise pickle.UnpicklingError("a state for what has none")

    def _binpersid(self, _) -> None:
        if self.persistent is None:
            raise InputError("its pickle refers to another file")
        self.stack.append(self.persistent(self.pop()))

    def _extend(self, values: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise pickle.UnpicklingError("items for what is no list")
        self.stack[-1].extend(values)

    def _set_items(self, values: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is not dict or len(values) % 2:
            raise pickle.UnpicklingError("items for what is no dictionary")
        for key, value in zip(values[::2], values[1::2], strict=True):
            # A tuple as a key could nest so deeply that hashing it ends the process.
            target[key if isinstance(key, _KEYS) else f"<{type(key).__name__}>"] = value

    def _call(self, function: Any, arguments: Any) -> None:
        if not isinstance(function, _Named) or not isinstance(arguments, tuple):
            raise pickle.UnpicklingError("a call of what is no function")
        self.stack.append(function.call(*(each.call if isinstance(each, _Named) else each for each in arguments)))


class _Named:
    """A name of the table on the stack: it can be called, and handed to another as an argument."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self.call = call
