"""Making messages without naming where their classes come from: a ROS installation, or the definitions in a bag reader.

Both kinds behave alike as far as this package uses them: attributes by the fields' names.
"""

from __future__ import annotations

import array
import importlib
from typing import Any

import numpy as np


class RosTypes:
    """Messages as rclpy knows them. Imported when first used."""

    def __init__(self) -> None:
        self._classes: dict[str, type] = {}

    def new(self, name: str) -> Any:
        """A message such as "std_msgs/msg/Header", every field at its default."""
        kind = self._classes.get(name)
        if kind is None:
            package, folder, short = name.split("/")
            kind = self._classes[name] = getattr(importlib.import_module(f"{package}.{folder}"), short)
        return kind()

    @staticmethod
    def bools(values: np.ndarray):
        """What a field of several bools takes."""
        return values.tolist()

    @staticmethod
    def octets(values: np.ndarray):
        """What a uint8[] field takes. An array.array is taken as it is; bytes would be checked one by one."""
        data = array.array("B")
        data.frombytes(memoryview(np.ascontiguousarray(values)).cast("B"))
        return data

    @staticmethod
    def serialize(message: Any) -> bytes:
        """As little-endian CDR with its four leading bytes, the form in which rclpy publishes and bags store."""
        from rclpy.serialization import serialize_message

        return serialize_message(message)


class BagTypes:
    """The same messages from the type store of `rosbags`, which needs no ROS."""

    def __init__(self, store) -> None:
        self._store = store

    def new(self, name: str) -> Any:
        _, fields = self._store.fielddefs[name]
        return self._store.types[name](*(self._default(kind) for _, kind in fields))

    @staticmethod
    def bools(values: np.ndarray):
        return np.asarray(values, bool)

    @staticmethod
    def octets(values: np.ndarray):
        return np.ascontiguousarray(values).reshape(-1).view(np.uint8)

    def serialize(self, message: Any) -> bytes:
        return bytes(self._store.serialize_cdr(message, message.__msgtype__))

    def _default(self, kind: tuple) -> Any:
        from rosbags.interfaces import Nodetype

        node, detail = kind
        if node == Nodetype.NAME:
            return self.new(detail)
        if node == Nodetype.BASE:
            return {"string": "", "bool": False}.get(detail[0], 0.0 if detail[0].startswith("float") else 0)
        inner, length = detail
        count = length if node == Nodetype.ARRAY else 0
        if inner[0] == Nodetype.BASE and inner[1][0] != "string":
            return np.zeros(count, inner[1][0])
        return [self._default(inner) for _ in range(count)]
