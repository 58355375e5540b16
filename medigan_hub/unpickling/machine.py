"""A machine for pickles that makes descriptions, and calls nothing that a pickle names.

All that a pickle can name stands in ``CALLS`` (what it may ask to be called),
``STORAGES``, ``DTYPES`` and ``TYPES`` (what it may name alone), beside the classes
that the caller names. The names are never looked up anywhere else: no module is
imported, and no attribute is read. So each is safe for the same reason, that it is
a word with a meaning given here:

===============================  =================================================
named by the pickle              what becomes of it
===============================  =================================================
``torch._utils._rebuild_tensor``  a node with storage, offset, sizes and strides;
(also v2, v3, ``_parameter``)     the hub checks that they lie inside the storage
``torch.FloatStorage`` and such   the type of a storage's numbers, from a list
``torch.float32`` and such        a word from a list
``torch.Size``, ``torch.device``  whole numbers; a short word that is checked
``OrderedDict``, ``Counter``,     a node with items; keys are checked by the hub
``set``
``_codecs.encode``, ``bytes``,    Latin-1 alone, within a budget of the pickle's
``bytearray``                     own length
``complex``                       two numbers
``numpy`` dtype, scalar, array    a word from a list, and bytes; the hub checks
                                  that their number is that of the shape
``torch.nn`` layers, and          a ``Shell``: a name, and attributes; only where
classes of the caller             the caller names any class
===============================  =================================================

Of what PyTorch's own list allows, these are left out, since weights of networks
don't need them: quantised, sparse, nested and "meta" tensors, subclasses of tensors
and wrappers of them, layouts, and NumPy arrays turned into tensors of a device. Of
NumPy: ``ndarray`` as a function, ``_frombuffer``, ``memmap``, and each dtype but
plain numbers.
"""

from __future__ import annotations

import struct
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Callable, Iterable
from re import compile as pattern
from typing import Any, BinaryIO

MAX_STEPS = 1_000_000
"""Steps of a pickle; those of the largest networks have some hundred thousand."""
MAX_NAME_BYTES = 500
MAX_AXES = 64
MAX_NUMBER_BYTES = 32
"""Bytes of one number."""
PROTOCOL = 2

STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexDoubleStorage": "complex128",
    "ComplexFloatStorage": "complex64",
}
"""Types of numbers, by PyTorch's classes for them."""
DTYPES = {
    *STORAGES.values(),
    *("uint16", "uint32", "uint64", "complex32"),
    *("float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"),
}
ITEM = {
    **dict.fromkeys(("int8", "uint8", "bool"), 1),
    **dict.fromkeys(("float16", "bfloat16", "int16"), 2),
    **dict.fromkeys(("float32", "int32"), 4),
    **dict.fromkeys(("float64", "int64", "complex64"), 8),
    "complex128": 16,
}
"""Bytes of a number in a storage."""
TYPES = ("torch.Tensor", "torch._tensor.Tensor", "torch.nn.parameter.Parameter", "numpy.ndarray")
"""Classes that are arguments, and mean nothing."""
NUMBERS = {
    *("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"),
}
"""NumPy's types of plain numbers."""
LAYER = pattern(r"torch\.nn\.(modules|parallel)\.[a-z_]+\.[A-Za-z_]\w*")
BACKEND = "torch.nn.backends.thnn._get_thnn_function_backend"
"""What modules hold that were saved before PyTorch 1.4."""


class RefusedError(Exception):
    """The pickle names something that is not in the list."""


class UnreadableError(Exception):
    """The pickle is damaged, or is none of a checkpoint."""


class Node:
    """Something that a pickle describes: its kind, and its parts, which may be nodes."""

    __slots__ = ("kind", "parts", "place")

    def __init__(self, kind: str, parts: list[Any], place: int) -> None:
        self.kind = kind
        self.parts = parts
        self.place = place
        """Its place in the order in which nodes were made."""


class Source:
    """Reads a part of a file, and never past its end."""

    def __init__(self, stream: BinaryIO, length: int) -> None:
        self._stream = stream
        self.left = length

    def read(self, count: int) -> bytes:
        """Return the next ``count`` bytes."""
        if count > self.left:
            raise UnreadableError("it ends too early")
        self.left -= count
        found = self._stream.read(count)
        if len(found) != count:
            raise UnreadableError("it ends too early")
        return found

    def skip(self, count: int) -> None:
        """Go past ``count`` bytes."""
        if not 0 <= count <= self.left:
            raise UnreadableError("it ends too early")
        self.left -= count
        self._stream.seek(count, 1)

    def line(self) -> str:
        """Return a name: what stands before the end of the line."""
        found = self._stream.readline(min(MAX_NAME_BYTES, self.left))
        self.left -= len(found)
        if not found.endswith(b"\n"):
            raise UnreadableError("it has a name without an end")
        return found[:-1].decode("utf-8")


class Machine:
    """Runs the pickles of one file.

    Parameters
    ----------
    source
        Where they stand.
    classes
        The full names of classes that become shells; with any, PyTorch's layers do.
    storage
        Returns the node of the storage with a key and a type of numbers.
    """

    def __init__(
        self,
        source: Source,
        classes: Iterable[str],
        storage: Callable[[Machine, str, str], Node],
    ) -> None:
        self._source = source
        self._classes = set(classes)
        self._storage = storage
        self._opcodes = MAX_STEPS
        self._room = 4 * source.left
        self.nodes: list[Node] = []

    def node(self, kind: str, *parts: Any) -> Node:
        """Make a node, and keep it in the order in which it was made."""
        made = Node(kind, list(parts), len(self.nodes))
        self.nodes.append(made)
        return made

    def load(self) -> Any:
        """Run one pickle to its end, and return what it describes."""
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        read = self._source.read
        while True:
            self._opcodes -= 1
            if self._opcodes < 0:
                raise UnreadableError(f"it has over {MAX_STEPS} steps")
            code = read(1)
            if code == b".":
                return self.pop()
            step = STEPS.get(code)
            if step is None:
                raise UnreadableError(f"it has a step that checkpoints don't need, {code!r}")
            step(self)

    # The stack

    def pop(self, kind: str | None = None) -> Any:
        """Take the last thing from the stack: a node of this ``kind``, where one is named."""
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise UnreadableError("it takes what is not there")
        found = self.stack.pop()
        if kind is not None:
            self._check(found, kind)
        return found

    def top(self) -> Any:
        """Return the last thing on the stack, and leave it there."""
        self.stack.append(found := self.pop())
        return found

    def since_mark(self) -> list[Any]:
        """Take from the stack all that came after the last mark."""
        if not self.marks:
            raise UnreadableError("it takes what is not there")
        mark = self.marks.pop()
        found = self.stack[mark:]
        del self.stack[mark:]
        return found

    def _check(self, value: Any, *kinds: str) -> Node:
        if not (isinstance(value, Node) and value.kind in kinds):
            found = value.kind if isinstance(value, Node) else type(value).__name__
            raise UnreadableError(f"it has {found} where {kinds[0]} belongs")
        return value

    # Steps that do more than put something on the stack

    def name(self) -> None:
        """Put a name on the stack; it is looked up in the lists, and nowhere else."""
        module, name = self._source.line(), self._source.line()
        # Names of Python 2, as pickles of protocol 2 have them.
        module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
        full = f"{module}.{name}"
        if not (full in CALLS or full in TYPES or dtype_of(full) or self.is_class(full)):
            raise RefusedError(full)
        self.stack.append(self.node("name", full))

    def is_class(self, full: str) -> bool:
        """Tell whether a name is that of a class which becomes a shell."""
        if not self._classes:
            return False
        return full in self._classes or LAYER.fullmatch(full) is not None or full == BACKEND

    def call(self) -> None:
        """Put on the stack what becomes of a call."""
        arguments = self.pop("tuple").parts
        function = self.pop("name").parts[0]
        self.stack.append(self.called(function, arguments))

    def called(self, function: str, arguments: list[Any]) -> Any:
        """Return what becomes of a call of a ``function`` that the pickle names."""
        if self.is_class(function):
            return self.node("shell", function, None)
        if function not in CALLS:
            raise RefusedError(function)
        try:
            return CALLS[function](self, *arguments)
        except TypeError as error:
            raise UnreadableError(f"it calls {function} with what that doesn't take") from error

    def build(self) -> None:
        """Give the thing on top of the stack its state."""
        state, value = self.pop(), self.top()
        node = self._check(value, "shell", "ordered", "numpy dtype", "array")
        if node.kind == "shell":
            node.parts[1] = state
        elif node.kind == "ordered":
            self._keep_versions(node, self._check(state, "dict"))
        elif node.kind == "numpy dtype":
            self._order(node, self._check(state, "tuple"))
        else:
            self._fill(node, self._check(state, "tuple"))

    def _keep_versions(self, node: Node, state: Node) -> None:
        """Keep which versions of layers a ``state_dict`` is of, the one attribute that it has."""
        pairs = state.parts
        for name, value in zip(pairs[::2], pairs[1::2], strict=True):
            if isinstance(name, Node) and name.kind == "text" and name.parts[0] == "_metadata":
                node.parts[0] = self._check(value, "ordered", "dict")

    def _order(self, node: Node, state: Node) -> None:
        _, order, *fields = [*state.parts, None, None, None, None, None][:5]
        if fields != [None, None, None]:
            raise UnreadableError("it has numbers of a type with fields")
        if self.word(order) not in ("<", ">", "=", "|"):
            raise UnreadableError("it has numbers of an unknown byte order")
        node.parts[1] = self.word(order).replace("|", "=")

    def _fill(self, node: Node, state: Node) -> None:
        if len(state.parts) != 5:
            raise UnreadableError("it has an array that is none")
        version, shape, dtype, fortran, content = state.parts
        if version != 1 or isinstance(version, bool):
            raise UnreadableError("it has an array of an unknown version")
        dtype = self._check(dtype, "numpy dtype")
        node.parts[:] = [*dtype.parts, self.numbers(shape), bool(fortran), self.octets(content)]

    def put(self, place: int) -> None:
        """Remember the thing on top of the stack."""
        self.memo[place] = self.top()

    def get(self, place: int) -> None:
        """Put on the stack what was remembered."""
        if place not in self.memo:
            raise UnreadableError("it takes what is not there")
        self.stack.append(self.memo[place])

    def append(self, items: list[Any]) -> None:
        """Add items to the list on top of the stack."""
        self._check(self.top(), "list").parts.extend(items)

    def set_items(self, pairs: list[Any]) -> None:
        """Add keys and values, by turns, to the table on top of the stack."""
        if len(pairs) % 2:
            raise UnreadableError("it has a key without a value")
        table = self._check(self.top(), "dict", "ordered", "counter")
        table.parts.extend(pairs)

    def persistent(self) -> None:
        """Put on the stack what a checkpoint keeps outside of the pickle: a storage."""
        parts = self.pop("tuple").parts
        kind = self.word(parts[0]) if parts else ""
        if kind == "module" and len(parts) == 4:
            # A class with its source, as PyTorch named it up to version 1.5.
            self.stack.append(self._check(parts[1], "name"))
        elif kind == "storage" and len(parts) in (5, 6):
            self.stack.append(self._stored(*parts[1:]))
        else:
            raise UnreadableError("it refers to what is none of a checkpoint")

    def _stored(self, kind: Any, key: Any, _place: Any, _count: Any, view: Any = None) -> Node:
        dtype = dtype_of(self._check(kind, "name").parts[0])
        if dtype is None:
            raise UnreadableError("it has a storage of what are no numbers")
        word = str(key) if isinstance(key, int) else self.word(key)
        first: Any = 0
        if view is not None:
            parts = self._check(view, "tuple").parts
            first = parts[1] if len(parts) == 3 else None
        node = self._storage(self, word, dtype)
        return self.node("storage", node, dtype, self.number(first))

    # Arguments

    def word(self, value: Any) -> str:
        """Return a short text, whichever of the two ways of Python 2 it is written in."""
        content = self._check(value, "text", "bytes").parts[0]
        if len(content) > MAX_NAME_BYTES:
            raise UnreadableError("it has a name without an end")
        return content.decode("latin-1") if isinstance(content, bytes) else str(content)

    def octets(self, value: Any) -> bytes:
        """Return bytes; Python 2 wrote them as a text."""
        node = self._check(value, "bytes", "text")
        content = node.parts[0]
        self.spend(len(content))
        return content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")

    def number(self, value: Any) -> int:
        """Return a size: a whole number, not negative."""
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**62:
            raise UnreadableError("it has a size that is none")
        return value

    def numbers(self, value: Any) -> list[int]:
        """Return a shape."""
        node = self._check(value, "tuple", "size", "list")
        if len(node.parts) > MAX_AXES:
            raise UnreadableError(f"it has a tensor of {len(node.parts)} axes")
        return [self.number(item) for item in node.parts]

    def spend(self, count: int) -> None:
        """Count what is copied; honest pickles need each of their bytes a few times at most."""
        self._room -= count
        if self._room < 0:
            raise UnreadableError("it makes more than it has")

    # What a pickle may ask to be called

    def tensor(self, storage: Any, offset: Any, size: Any, stride: Any, *more: Any) -> Node:
        """Return a tensor: where in a storage its numbers lie."""
        root, dtype, first = self._check(storage, "storage").parts
        grad, _, metadata = (*more, False, None, None)[: max(3, len(more))][:3]
        if len(more) > 3 or (isinstance(metadata, Node) and metadata.parts):
            raise UnreadableError("it has a tensor of a kind that weights don't have")
        place = first + self.number(offset)
        shape, steps = self.numbers(size), self.numbers(stride)
        return self.node("tensor", root, dtype, place, shape, steps, grad is True)

    def tensor_of(
        self, storage: Any, offset: Any, size: Any, stride: Any, grad: Any, hooks: Any, dtype: Any,
        metadata: Any = None,
    ) -> Node:  # fmt: skip
        """Return a tensor whose storage does not say what numbers it holds."""
        made = self.tensor(storage, offset, size, stride, grad, hooks, metadata)
        word = dtype_of(self._check(dtype, "name").parts[0])
        if word is None or made.parts[1] != "uint8":
            raise UnreadableError("it has a tensor of what are no numbers")
        made.parts[1] = word
        return made

    def parameter(self, tensor: Any, grad: Any = True, *_: Any) -> Node:
        """Return a parameter of a network."""
        return self.node("parameter", self._check(tensor, "tensor"), grad is True)

    def with_attributes(self, function: Any, kind: Any, arguments: Any, _: Any) -> Any:
        """Return a tensor without the attributes that were saved with it."""
        name = self._check(function, "name").parts[0]
        if self._check(kind, "name").parts[0] not in TYPES or "._rebuild_" not in name:
            raise RefusedError(name)
        if CALLS.get(name) is Machine.with_attributes:  # which may be nested without end
            raise RefusedError(name)
        return self.called(name, self._check(arguments, "tuple").parts)

    def ordered(self, items: Any = None) -> Node:
        """Return a table that keeps its order, such as a ``state_dict``."""
        made = self.node("ordered", None)
        if items is not None:
            self.spend(len(self._check(items, "list").parts))
            for pair in items.parts:
                pair = self._check(pair, "list", "tuple").parts
                if len(pair) != 2:
                    raise UnreadableError("it has a key without a value")
                made.parts += pair
        return made

    def counter(self, items: Any = None) -> Node:
        """Return a table of counts."""
        pairs = [] if items is None else self._check(items, "dict").parts
        self.spend(len(pairs))
        return self.node("counter", *pairs)

    def set_of(self, items: Any = None) -> Node:
        """Return a set."""
        found = [] if items is None else self._check(items, "list", "tuple").parts
        self.spend(len(found))
        return self.node("set", *found)

    def encoded(self, text: Any, encoding: Any) -> Node:
        """Return the bytes that Python 2 wrote as a text."""
        if self.word(encoding).replace("-", "") not in ("latin1", "iso88591"):
            raise UnreadableError("it has bytes in an encoding that is none of a pickle")
        content = self._check(text, "text").parts[0]
        self.spend(len(content))
        return self.node("bytes", content.encode("latin-1"))

    def bytes_of(self, content: Any = None, encoding: Any = None) -> Node:
        """Return bytes."""
        if content is None:
            return self.node("bytes", b"")
        if encoding is not None:
            return self.encoded(content, encoding)
        return self._check(content, "bytes")

    def bytearray_of(self, *arguments: Any) -> Node:
        """Return bytes that could be changed."""
        content = self.bytes_of(*arguments).parts[0]
        self.spend(len(content))
        return self.node("bytearray", content)

    def complex_of(self, real: Any, imaginary: Any) -> Node:
        """Return a complex number."""
        if not (isinstance(real, float) and isinstance(imaginary, float)):
            raise UnreadableError("it has a complex number that is none")
        return self.node("complex", real, imaginary)

    def size(self, items: Any = None) -> Node:
        """Return a ``torch.Size``."""
        return self.node("size", *([] if items is None else self.numbers(items)))

    def device(self, name: Any, index: Any = None) -> Node:
        """Return where a tensor lay; nothing follows from it."""
        number = None if index is None else self.number(index)
        return self.node("device", self.word(name)[:20], number)

    def numpy_dtype(self, code: Any, *_: Any) -> Node:
        """Return a type of NumPy's numbers; ``build`` gives it its byte order."""
        word = self.word(code)
        if word not in NUMBERS:
            raise UnreadableError(f"it has numbers of the type {word[:50]!r}")
        return self.node("numpy dtype", word, "=")

    def numpy_number(self, dtype: Any, content: Any) -> Node:
        """Return one number of NumPy's."""
        word, order = self._check(dtype, "numpy dtype").parts
        raw = self.octets(content)
        if len(raw) > MAX_NUMBER_BYTES:
            raise UnreadableError(f"it has a number of {len(raw)} bytes")
        return self.node("number", word, order, raw)

    def numpy_array(self, kind: Any, *_: Any) -> Node:
        """Return an array without numbers, which ``build`` fills."""
        if self._check(kind, "name").parts[0] != "numpy.ndarray":
            raise RefusedError(kind.parts[0])
        return self.node("array", "u1", "=", [0], False, b"")


def dtype_of(full: str) -> str | None:
    """Return the type of numbers that a name of PyTorch means, a storage's or a dtype."""
    module, _, name = full.rpartition(".")
    if module in ("torch", "torch.cuda") and name in STORAGES:
        return STORAGES[name]
    if full == "torch.storage.UntypedStorage":
        return "uint8"
    return name if module == "torch" and name in DTYPES else None


CALLS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": Machine.tensor,
    "torch._utils._rebuild_tensor_v2": Machine.tensor,
    "torch._utils._rebuild_tensor_v3": Machine.tensor_of,
    "torch._utils._rebuild_parameter": Machine.parameter,
    "torch._utils._rebuild_parameter_with_state": Machine.parameter,
    "torch.nn.parameter.Parameter": Machine.parameter,
    "torch._tensor._rebuild_from_type_v2": Machine.with_attributes,
    "torch.Size": Machine.size,
    "torch.device": Machine.device,
    "collections.OrderedDict": Machine.ordered,
    "collections.Counter": Machine.counter,
    "_codecs.encode": Machine.encoded,
    "builtins.bytes": Machine.bytes_of,
    "builtins.bytearray": Machine.bytearray_of,
    "builtins.set": Machine.set_of,
    "builtins.complex": Machine.complex_of,
    "numpy.dtype": Machine.numpy_dtype,
    **{
        f"numpy.{core}.multiarray.{name}": made
        for core in ("core", "_core")
        for name, made in (
            ("scalar", Machine.numpy_number),
            ("_reconstruct", Machine.numpy_array),
        )
    },
}


def _integer(form: str) -> Callable[[Machine], int]:
    size = struct.calcsize(form)

    def read(machine: Machine) -> int:
        return int(struct.unpack(form, machine._source.read(size))[0])

    return read


_byte, _short, _long = _integer("<B"), _integer("<H"), _integer("<I")
_signed = _integer("<i")


def _protocol(machine: Machine) -> None:
    number = _byte(machine)
    if number > PROTOCOL:
        raise UnreadableError(
            f"it is a pickle of protocol {number}, and those of checkpoints are of 2"
        )


def _long_number(machine: Machine) -> int:
    count = _byte(machine)
    if count > MAX_NUMBER_BYTES:
        raise UnreadableError(f"it has a whole number of {count} bytes")
    return int.from_bytes(machine._source.read(count), "little", signed=True)


def _text(machine: Machine) -> Node:
    content = machine._source.read(_long(machine))
    return machine.node("text", content.decode("utf-8", "surrogatepass"))


def _string(machine: Machine) -> Node:
    """Return what Python 2 called a string: a text where it is one."""
    content = machine._source.read(_byte(machine))
    try:
        return machine.node("text", content.decode("utf-8"))
    except UnicodeDecodeError:
        return machine.node("bytes", content)


def _tuple(count: int) -> Callable[[Machine], Node]:
    def make(machine: Machine) -> Node:
        items = [machine.pop() for _ in range(count)]
        return machine.node("tuple", *reversed(items))

    return make


def _push(make: Callable[[Machine], Any]) -> Callable[[Machine], None]:
    return lambda machine: machine.stack.append(make(machine))


def _item(machine: Machine) -> None:
    value, key = machine.pop(), machine.pop()
    machine.set_items([key, value])


STEPS: dict[bytes, Callable[[Machine], None]] = {
    b"\x80": _protocol,
    b"c": Machine.name,
    b"R": Machine.call,
    b"\x81": Machine.call,  # of a class, which is the same here
    b"b": Machine.build,
    b"Q": Machine.persistent,
    b"(": lambda machine: machine.marks.append(len(machine.stack)),
    b"q": lambda machine: machine.put(_byte(machine)),
    b"r": lambda machine: machine.put(_long(machine)),
    b"h": lambda machine: machine.get(_byte(machine)),
    b"j": lambda machine: machine.get(_long(machine)),
    b"a": lambda machine: machine.append([machine.pop()]),
    b"e": lambda machine: machine.append(machine.since_mark()),
    b"s": _item,
    b"u": lambda machine: machine.set_items(machine.since_mark()),
    b"t": _push(lambda machine: machine.node("tuple", *machine.since_mark())),
    b")": _push(_tuple(0)),
    b"\x85": _push(_tuple(1)),
    b"\x86": _push(_tuple(2)),
    b"\x87": _push(_tuple(3)),
    b"N": _push(lambda machine: None),
    b"\x88": _push(lambda machine: True),
    b"\x89": _push(lambda machine: False),
    b"]": _push(lambda machine: machine.node("list")),
    b"}": _push(lambda machine: machine.node("dict")),
    b"\x8f": _push(lambda machine: machine.node("set")),
    b"J": _push(_signed),
    b"K": _push(_byte),
    b"M": _push(_short),
    b"\x8a": _push(_long_number),
    b"G": _push(lambda machine: struct.unpack(">d", machine._source.read(8))[0]),
    b"X": _push(_text),
    b"U": _push(_string),
}
"""What the machine can do, by the pickle's codes: those of protocol 2 that ``torch.save`` uses."""
