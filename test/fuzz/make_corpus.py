"""Write the small hostile files of test/fuzz/corpus: python test/fuzz/make_corpus.py"""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np

CORPUS = Path(__file__).with_name("corpus")
KEYS = ("v_template", "f", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table")
BODY_KEYS = b"".join(b"X" + struct.pack("<I", len(key)) + key.encode() + b"h\x01" for key in KEYS)


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def number(value: int) -> bytes:
    raw = value.to_bytes(9, "little", signed=True)
    return b"\x8a\x09" + raw


def raw(value: bytes) -> bytes:
    return b"B" + struct.pack("<I", len(value)) + value


def body_of(value: bytes) -> bytes:
    """A dictionary whose seven keys all hold what the opcodes `value` make."""
    return b"\x80\x03" + value + b"q\x010}(" + BODY_KEYS + b"u."


def dtype(code: str, state: bytes = b"") -> bytes:
    return b"cnumpy\ndtype\n" + text(code) + b"\x89\x88\x87R" + (state + b"b" if state else b"")


def array(shape: bytes, kind: bytes, content: bytes) -> bytes:
    begun = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + raw(b"b") + b"\x87R"
    return begun + b"(K\x01" + shape + kind + b"\x89" + content + b"tb"


def field_of_objects(offset: int) -> bytes:
    """numpy.dtype('V8') that BUILD turns into a structure with a pointer in it."""
    fields = b"}" + text("a") + dtype("O8") + number(offset) + b"\x86s"
    return dtype("V8", b"(K\x03" + text("|") + b"N" + text("a") + b"\x85" + fields + b"K\x08K\x01K\x00t")


def double_array(content: bytes = bytes(8), shape: bytes = b"K\x01\x85") -> bytes:
    return array(shape, dtype("f8"), raw(content))


def sparse(rows: int, columns: int, starts: list[int]) -> bytes:
    indptr = np.array(starts, np.int64).tobytes()
    kind = dtype("i8")
    state = (
        text("_shape")
        + number(rows)
        + number(columns)
        + b"\x86"
        + text("data")
        + double_array()
        + text("indices")
        + array(b"K\x01\x85", kind, raw(bytes(8)))
        + text("indptr")
        + array(number(len(starts)) + b"\x85", kind, raw(indptr))
    )
    return b"cscipy.sparse.csc\ncsc_matrix\n)\x81}(" + state + b"ub"


def bodies() -> dict[str, bytes]:
    eight = struct.pack("<Q", 0x4141414141414141)
    doubled = b"]q\x05K\x01a" + b"".join(
        b"](h" + bytes([5 + n]) + b"h" + bytes([5 + n]) + b"eq" + bytes([6 + n]) for n in range(40)
    )
    chain = double_array()
    for _ in range(3000):
        chain = chain + b"q\x03cchumpy.reordering\nSelect\n)\x81}(" + text("a") + b"h\x03" + text("idxs") + b"h\x03ub"
    deep = b")" + b"\x85" * 200_000
    files = {
        "dtype_with_a_field_of_objects": body_of(array(b"K\x01\x85", field_of_objects(0), raw(eight))),
        "dtype_with_a_far_field": body_of(array(b"K\x01\x85", field_of_objects(2**30), raw(eight))),
        "dtype_with_a_subarray": body_of(
            array(
                b"K\x01\x85",
                dtype("V8", b"(K\x03" + text("|") + dtype("O8") + b"K\x01\x85\x86NNK\x08K\x01K\x00t"),
                raw(eight),
            )
        ),
        "ndarray_of_objects_over_bytes": body_of(b"cnumpy\nndarray\nK\x01\x85" + text("O") + raw(eight) + b"\x87R"),
        "reconstructed_objects": body_of(
            b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x01\x85"
            + text("O")
            + b"\x87R(K\x01K\x01\x85"
            + dtype("O8")
            + b"\x89"
            + raw(eight)
            + b"tb"
        ),
        "scalar_of_an_object": body_of(b"cnumpy.core.multiarray\nscalar\n" + dtype("O8") + raw(eight) + b"\x86R"),
        "memo_of_two_thousand_million": b"\x80\x02}r" + struct.pack("<I", 2**31 - 1) + b".",
        "bytearray_of_a_terabyte": b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b".",
        "bytes_of_a_terabyte": b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b".",
        "frame_of_a_terabyte": b"\x80\x04\x95" + struct.pack("<Q", 2**40) + b"}.",
        "nested_tuple_as_a_key": b"\x80\x02}" + deep + b"K\x01s.",
        "nested_tuple_in_a_set": b"\x80\x02c__builtin__\nset\n](" + deep + b"e\x85R.",
        "lists_in_lists": body_of(doubled),
        "numbers_of_a_thousand_digits": body_of(b"](" + b"\x8a\xff" + b"\x11" * 255 + b"e"),
        "sparse_of_a_terabyte": body_of(sparse(24, 2**40, [0, 1])),
        "sparse_with_wild_starts": body_of(sparse(24, 2, [0, 10**15, 1])),
        "chain_of_selections": body_of(chain),
        "array_of_a_terabyte": body_of(double_array(shape=number(2**40) + b"K\x03\x86")),
        "array_with_a_negative_axis": body_of(double_array(shape=number(-1) + b"\x85")),
        "self_referring": b"\x80\x02}q\x01" + text("v_template") + b"cchumpy.ch\nCh\n)\x81q\x02}" + text("x") + b"h\x02sbs.",
        "runs_code": b"cos\nsystem\n(S'true'\ntR.",
        "web_page": b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>",
    }
    return {f"{name}.pkl": content for name, content in files.items()}


def zip_of(entries: dict[str, bytes], how: int = zipfile.ZIP_STORED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", how) as archive:
        for name, value in entries.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), value, how)
    return content.getvalue()


def npy(header: str, values: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + values


def lying(entry: str, size: int) -> bytes:
    """A zip whose directory says that the entry unpacks to `size` bytes."""
    content = bytearray(zip_of({entry: zlib.compress(bytes(100))}))
    for signature, at in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        place = content.find(signature) + at
        content[place : place + 4] = struct.pack("<I", size)
    return bytes(content)


def archives() -> dict[str, bytes]:
    head = "{{'descr': {}, 'fortran_order': False, 'shape': ({},), }}"
    files = {
        "header_of_10_to_15": zip_of({"v_template.npy": npy(head.format("'<f8'", 10**15))}),
        "header_of_objects": zip_of({f"{key}.npy": npy(head.format("'|O'", 1), pickle.dumps({})) for key in KEYS}),
        "header_with_fields": zip_of({"v_template.npy": npy(head.format("[('a', '|O')]", 1), bytes(8))}),
        "header_of_minus_signs": zip_of({"v_template.npy": npy("-" * 9000 + "1")}),
        "header_of_brackets": zip_of({"v_template.npy": npy("(" * 9000)}),
        "text_of_a_gigabyte": zip_of({"v_template.npy": npy(head.format("'<U999999999'", 1))}),
        "packed_with_lzma": zip_of({"v_template.npy": npy(head.format("'<f8'", 1), bytes(8))}, zipfile.ZIP_LZMA),
        "unpacks_to_4_gigabytes": lying("v_template.npy", 2**32 - 2),
        "git_lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        "document": b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n",
    }
    return {f"{name}.npz": content for name, content in files.items()}


def torch_file(program: bytes, entries: dict[str, bytes] | None = None, how: int = zipfile.ZIP_STORED) -> bytes:
    return zip_of({"archive/data.pkl": program, "archive/byteorder": b"little", **(entries or {})}, how)


def tensor(numel: int, shape: bytes, stride: bytes, offset: int = 0) -> bytes:
    storage = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + number(numel) + b"tQ"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + number(offset) + shape + stride + b"\x89}tR"


def weights() -> dict[str, bytes]:
    def model(value: bytes) -> bytes:
        return b"\x80\x02}" + text("model") + b"}" + text("backbone.weight") + value + b"ss."

    four = {"archive/data/0": bytes(16)}
    whole = tensor(4, b"K\x04\x85", b"K\x01\x85")
    beside = (
        b"\x80\x02}("
        + text("model")
        + b"}"
        + text("a")
        + whole
        + b"s"
        + text("best")
        + (b"cnumpy\nndarray\nK\x01\x85" + text("O") + raw(bytes(range(1, 9))) + b"\x87Ru.")
    )
    header = json.dumps(
        {
            "__metadata__": {"config": json.dumps({"backbone": "small", "decoder_layers": 10**8})},
            "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
        }
    ).encode()
    deep = json.dumps(
        {"__metadata__": {"config": "[" * 50_000}, "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    ).encode()
    return {
        "ndarray_of_objects.pt": torch_file(beside, four),
        "stride_beyond_its_storage.pt": torch_file(model(tensor(4, b"K\x04\x85", number(10**9) + b"\x85")), four),
        "offset_beyond_its_storage.pt": torch_file(model(tensor(4, b"K\x04\x85", b"K\x01\x85", 2**40)), four),
        "expanded_to_a_terabyte.pt": torch_file(model(tensor(4, number(2**38) + b"\x85", b"K\x00\x85")), four),
        "storage_of_a_terabyte.pt": torch_file(model(tensor(2**38, number(2**38) + b"\x85", b"K\x01\x85")), four),
        "packed.pt": torch_file(
            model(tensor(2**18, number(2**18) + b"\x85", b"K\x01\x85")),
            {"archive/data/0": bytes(2**20)},
            zipfile.ZIP_DEFLATED,
        ),
        "memo_of_two_thousand_million.pt": torch_file(b"\x80\x02}r" + struct.pack("<I", 2**31 - 1) + b"."),
        "runs_code.pt": torch_file(b"\x80\x02cos\nsystem\n" + text("true") + b"\x85R."),
        "web_page.pt": b"\n<html><body>404: weights not found</body></html>",
        "legacy.tar": bytes(257) + b"ustar" + bytes(250),
        "zeros.pth": bytes(2000),
        "many_decoder_layers.safetensors": struct.pack("<Q", len(header)) + header + bytes(4),
        "deep_description.safetensors": struct.pack("<Q", len(deep)) + deep + bytes(4),
        "header_of_a_terabyte.safetensors": struct.pack("<Q", 2**40) + b'{"a":' + bytes(50),
    }


def main() -> None:
    for folder, files in (("bodies", {**bodies(), **archives()}), ("weights", weights())):
        (CORPUS / folder).mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (CORPUS / folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
