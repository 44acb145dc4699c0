"""Files in SMPL's format, as they are given out and as they go wrong: each gets one sentence."""

from __future__ import annotations

import pickle
import pickletools
import sys
import types

import numpy as np
import pytest

from refit_ros.core import body_files
from refit_ros.core.body import load_body
from refit_ros.core.body_files import published_markers, read_body
from refit_ros.core.errors import InputError
from refit_ros.core.joints import PARENTS
from refit_ros.core.plain_arrays import read_npz
from refit_ros.core.safe_pickle import load_arrays


def smpl_arrays(vertices: int = 120) -> dict:
    """A small body with the arrays of an SMPL file."""
    generator = np.random.default_rng(0)
    weights = generator.random((vertices, 24))
    regressor = generator.random((24, vertices))
    return {
        "v_template": generator.normal(size=(vertices, 3)),
        "f": np.arange(90, dtype=np.uint32).reshape(30, 3),
        "shapedirs": generator.normal(size=(vertices, 3, 10)),
        "posedirs": generator.normal(size=(vertices, 3, 207)),
        "J_regressor": regressor / regressor.sum(1, keepdims=True),
        "weights": weights / weights.sum(1, keepdims=True),
        "kintree_table": np.array([(2**32 - 1,) + PARENTS[1:], range(24)], np.uint32),
        "markers": np.arange(67),
    }


def write_npz(path, **changes):
    values = {**smpl_arrays(), **changes}
    np.savez(path, **{key: value for key, value in values.items() if value is not None})
    return path


@pytest.fixture
def foreign(monkeypatch):
    """Modules named as chumpy's and SciPy's, to write pickles with that no reader here can import."""
    made = {}

    def module(name: str, **classes):
        made[name] = types.ModuleType(name)
        for key, value in classes.items():
            value.__module__, value.__qualname__, value.__name__ = name, key, key
            setattr(made[name], key, value)
        monkeypatch.setitem(sys.modules, name, made[name])

    class Thing:
        def __init__(self, **state):
            self.__dict__.update(state)

    module("chumpy")
    module("chumpy.ch", Ch=type("Ch", (Thing,), {}))
    module("chumpy.reordering", Select=type("Select", (Thing,), {}))
    module("scipy.sparse.csc", csc_matrix=type("csc_matrix", (Thing,), {}))
    yield made
    for name in made:
        monkeypatch.delitem(sys.modules, name, raising=False)


def official_pickle(made, path, protocol: int = 2):
    """As the official files are: chumpy objects, a sparse regressor, more entries than are needed."""
    arrays = smpl_arrays()
    chumpy, select, sparse = made["chumpy.ch"].Ch, made["chumpy.reordering"].Select, made["scipy.sparse.csc"].csc_matrix
    columns = [np.flatnonzero(arrays["J_regressor"][:, v]) for v in range(120)]
    values = dict(arrays)
    del values["markers"]
    values["v_template"] = chumpy(x=arrays["v_template"], _dirty_vars=set(), _itr=None)
    values["posedirs"] = chumpy(x=arrays["posedirs"])
    wide = np.concatenate([arrays["shapedirs"], np.zeros((120, 3, 290))], axis=2)
    kept = np.arange(wide.size).reshape(wide.shape)[:, :, :10]
    values["shapedirs"] = select(a=chumpy(x=wide), idxs=kept.ravel(), preferred_shape=(120, 3, 10))
    values["J_regressor"] = sparse(
        _shape=(24, 120),
        data=np.concatenate([arrays["J_regressor"][c, v] for v, c in enumerate(columns)]),
        indices=np.concatenate(columns),
        indptr=np.cumsum([0, *(len(c) for c in columns)]),
        maxprint=50,
    )
    values.update(bs_style="lbs", bs_type="lrotmin", J=chumpy(terms="an expression nobody needs"))
    path.write_bytes(pickle.dumps(values, protocol=protocol))
    return path, arrays


@pytest.mark.parametrize("protocol", [1, 2, 4])
def test_official_pickle_without_chumpy(tmp_path, foreign, monkeypatch, protocol):
    path, arrays = official_pickle(foreign, tmp_path / "SMPL_NEUTRAL.pkl", protocol)
    for name in foreign:
        monkeypatch.delitem(sys.modules, name)
    assert "chumpy" not in sys.modules
    body = read_body(path)
    for key in ("v_template", "shapedirs", "posedirs", "J_regressor", "weights"):
        np.testing.assert_allclose(getattr(body, key), arrays[key], err_msg=key)
    assert body.name == "SMPL_NEUTRAL" and len(body.markers) == 67


@pytest.mark.parametrize(
    ("name", "gender"),
    [
        ("basicModel_neutral_lbs_10_207_0_v1.0.0.pkl", "neutral"),
        ("basicmodel_m_lbs_10_207_0_v1.0.0.pkl", "male"),
        ("basicmodel_f_lbs_10_207_0_v1.1.0.pkl", "female"),
        ("basicmodel_neutral_lbs_10_207_0_v1.1.0.pkl", "neutral"),
        ("SMPL_MALE.npz", "male"),
        ("SMPL_NEUTRAL.npz", "neutral"),
        ("SMPL_FEMALE.pkl", "female"),
    ],
)
@pytest.mark.parametrize("inside", ["", "smpl"])
def test_official_names_in_a_folder(tmp_path, name, gender, inside):
    folder = tmp_path / inside
    folder.mkdir(exist_ok=True)
    if name.endswith(".npz"):
        write_npz(folder / name)
    else:
        (folder / name).write_bytes(pickle.dumps(smpl_arrays()))
    assert read_body(tmp_path, gender).name == name.rsplit(".", 1)[0]
    with pytest.raises(InputError, match="holds no"):
        read_body(tmp_path, "male" if gender != "male" else "female")


def test_the_embedded_body():
    body = load_body()
    assert body.name == "refit_ros" and len(body.markers) == 67


def test_smpls_own_mesh_gets_the_published_markers(tmp_path, monkeypatch):
    monkeypatch.setattr(body_files, "_OFFICIAL_VERTICES", 6787)
    arrays = smpl_arrays(6787)
    del arrays["markers"]
    np.savez(tmp_path / "SMPL_NEUTRAL.npz", **arrays)
    assert tuple(read_body(tmp_path).markers) == published_markers()[67]
    assert len(published_markers()[231]) == 231


def test_another_body_without_markers_gets_the_nearest_to_the_embedded_ones(tmp_path, caplog):
    embedded = read_body(None)
    order = np.random.default_rng(0).permutation(len(embedded.v_template))
    place = np.argsort(order)
    arrays = {
        "v_template": 1.3 * embedded.v_template[order] + 0.4,
        "f": place[embedded.faces],
        "shapedirs": embedded.shapedirs[order],
        "posedirs": embedded.posedirs[order],
        "J_regressor": embedded.J_regressor[:, order],
        "weights": embedded.weights[order],
        "kintree_table": smpl_arrays()["kintree_table"],
    }
    np.savez(tmp_path / "mine.npz", **arrays)
    with caplog.at_level("WARNING"):
        body = read_body(tmp_path / "mine.npz")
    np.testing.assert_array_equal(order[body.markers], embedded.markers)
    assert "nearest" in caplog.text


class _Runs:
    """A pickle that makes a file where it is read."""

    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self):
        return (exec, (f"open({str(self.path)!r}, 'w').close()",))


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_would_run_code_is_refused(tmp_path, protocol):
    trace = tmp_path / "it_ran"
    path = tmp_path / "SMPL_NEUTRAL.pkl"
    path.write_bytes(pickle.dumps({**smpl_arrays(), "J": _Runs(trace)}, protocol=protocol))
    with pytest.raises(InputError, match="refused.*run code") as error:
        read_body(path)
    assert str(path) in str(error.value) and not trace.exists()


@pytest.mark.parametrize(
    "code",
    [
        b"cos\nsystem\n(S'touch /tmp/refit_never'\ntR.",
        b"cbuiltins\neval\n(S'1'\ntR.",
        b"cnumpy\nload\n(S'x'\ntR.",
        b"cchumpy\nos\n(S'x'\ntR.",
        b"ccopy_reg\n_reconstructor\n(cbuiltins\nset\ncbuiltins\nobject\nNtR.",
        b"cnumpy.testing._private.utils\nrunstring\n(S'1'\ntR.",
    ],
)
def test_hand_made_pickles_do_nothing(tmp_path, code):
    pickletools.dis(code, out=open(tmp_path / "listing", "w"))
    path = tmp_path / "body.pkl"
    path.write_bytes(code)
    with pytest.raises(InputError):
        load_arrays(path)


WRONG = {
    "another mesh's skinning": ({"weights": np.ones((100, 24))}, "weights"),
    "SMPL-X's joints": ({"kintree_table": np.zeros((2, 55), np.int64)}, "tree"),
    "another tree": ({"kintree_table": np.zeros((2, 24), np.int64)}, "tree"),
    "eight betas": ({"shapedirs": np.zeros((120, 3, 8))}, "shapedirs"),
    "hands' pose directions": ({"posedirs": np.zeros((120, 3, 459))}, "posedirs"),
    "not finite": ({"v_template": np.full((120, 3), np.nan)}, "finite"),
    "missing": ({"posedirs": None}, "posedirs"),
    "faces beyond the mesh": ({"f": np.full((5, 3), 400)}, "faces"),
    "markers beyond the mesh": ({"markers": np.array([5, 120])}, "markers"),
    "landmarks beyond the mesh": ({"landmark_names": np.array(["nose"]), "landmark_vertices": np.array([120])}, "landmark"),
    "a landmark too few": (
        {"landmark_names": np.array(["nose", "left_eye"]), "landmark_vertices": np.array([3])},
        "landmark",
    ),
    "people of eight betas": ({"people": np.zeros((5, 8))}, "people"),
    "people who are none": ({"people": np.full((5, 10), np.nan)}, "people"),
    "words": ({"weights": np.array(["a", "b"])}, "weights"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_body_gets_one_sentence(tmp_path, name):
    changes, word = WRONG[name]
    path = write_npz(tmp_path / "body.npz", **changes)
    with pytest.raises(InputError, match=word) as error:
        read_body(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("ending", ["npz", "pkl"])
@pytest.mark.parametrize("keep", [0, 1, 10, 0.5, 0.95])
def test_a_truncated_file_gets_one_sentence(tmp_path, ending, keep):
    path = tmp_path / f"body.{ending}"
    if ending == "npz":
        write_npz(path)
    else:
        path.write_bytes(pickle.dumps(smpl_arrays()))
    whole = path.read_bytes()
    path.write_bytes(whole[: keep if isinstance(keep, int) else int(keep * len(whole))])
    with pytest.raises(InputError) as error:
        read_body(path)
    assert str(path) in str(error.value)


def test_another_kind_of_file(tmp_path):
    for name, content in (
        ("a.pkl", b"\x89PNG\r\n\x1a\n"),
        ("b.npz", b"hello"),
        ("c.pkl", pickle.dumps([1, 2])),
        ("d.txt", "text über".encode()),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=name):
            read_body(tmp_path / name)


def test_a_missing_path_and_an_unknown_gender(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_body(tmp_path / "nothing.pkl")
    with pytest.raises(InputError, match="gender"):
        read_body(None, "other")


def test_objects_inside_an_npz_are_not_made(tmp_path):
    """Neither those of a key that is used, which is named, nor those of another, which does no harm."""
    trace = tmp_path / "trace"
    ran = np.empty(1, dtype=object)
    ran[0] = _Runs(trace)
    np.savez(tmp_path / "bad.npz", **{**smpl_arrays(), "J_regressor": ran})
    with pytest.raises(InputError, match=r"'J_regressor': it is not an array of numbers"):
        read_body(tmp_path / "bad.npz")
    np.savez(tmp_path / "good.npz", **{**smpl_arrays(), "bs_style": ran})
    assert len(read_body(tmp_path / "good.npz").v_template) == 120 and not trace.exists()


@pytest.mark.parametrize("kind", ["<c16", "|V8", "|S8"])
def test_types_that_are_no_plain_numbers_are_refused(tmp_path, kind):
    """NumPy has types of a letter and a size that are none: they become no arrays at all, whoever else refuses them."""
    np.savez(tmp_path / "some.npz", numbers=np.zeros(3), others=np.zeros(3, np.dtype(kind)))
    with (tmp_path / "some.npz").open("rb") as file:
        found = read_npz(file, ["numbers", "others"])
    assert isinstance(found["others"], ValueError) and "not an array of numbers" in str(found["others"])
    assert found["numbers"].shape == (3,)


def test_objects_in_a_pickle_that_nobody_needs_do_no_harm(tmp_path):
    whole = {**smpl_arrays(), "vert_sym_idxs": np.array([1, "a", None], dtype=object), "info": {"a": [1, {2: 3}]}}
    (tmp_path / "body.pkl").write_bytes(pickle.dumps(whole))
    assert len(read_body(tmp_path / "body.pkl").v_template) == 120
    (tmp_path / "body.pkl").write_bytes(pickle.dumps({**smpl_arrays(), "weights": np.array([1, None], dtype=object)}))
    with pytest.raises(InputError, match="'weights': it is not an array of numbers"):
        read_body(tmp_path / "body.pkl")


def python_2_text_pickle(values: dict) -> bytes:
    """As Python 2 wrote it with protocol 0: an array's bytes as escaped text."""

    def array(value):
        value = np.asarray(value)
        escaped = "".join(chr(b) if 32 <= b < 127 and b not in (39, 92) else f"\\x{b:02x}" for b in value.tobytes())
        shape = "(" + "".join(f"I{n}\n" for n in value.shape) + "t"
        return (
            f"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n{shape}cnumpy\ndtype\n"
            f"(S'{value.dtype.str[1:]}'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntbI00\nS'{escaped}'\ntb"
        )

    return ("(dp0\n" + "".join(f"S'{key}'\n{array(value)}s" for key, value in values.items()) + ".").encode("ascii")


def test_a_text_pickle_of_python_2(tmp_path):
    arrays = smpl_arrays()
    (tmp_path / "SMPL_MALE.pkl").write_bytes(python_2_text_pickle(arrays))
    body = read_body(tmp_path / "SMPL_MALE.pkl")
    for key in ("v_template", "shapedirs", "posedirs", "J_regressor", "weights"):
        np.testing.assert_array_equal(getattr(body, key), arrays[key], err_msg=key)


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_other_layouts_of_numbers(tmp_path, dtype, order):
    arrays = {**smpl_arrays(), "v_template": np.asarray(smpl_arrays()["v_template"].astype(dtype), order=order)}
    np.savez_compressed(tmp_path / "body.npz", **arrays)
    (tmp_path / "body.pkl").write_bytes(pickle.dumps(arrays, protocol=2))
    for path in (tmp_path / "body.npz", tmp_path / "body.pkl"):
        np.testing.assert_array_equal(read_body(path).v_template, arrays["v_template"].astype(np.float64))
