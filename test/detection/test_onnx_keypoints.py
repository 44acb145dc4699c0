"""Users' own keypoint models: what each kind says of an image lies where it is, in whatever region it was looked for.

The models look for colours: each point of a person is a disc of a colour of its own.
"""

from __future__ import annotations

import colorsys

import cv2
import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from refit_ros.core.landmarks import BLAZEPOSE_33, LAYOUTS  # noqa: E402
from refit_ros.detection import onnx_image  # noqa: E402
from refit_ros.detection.onnx_keypoints import DEVIATION, MEAN, OnnxKeypoints, recognise  # noqa: E402

STRIDE, SHARPNESS, SMOOTH = 4, 12.0, 11


@pytest.fixture(autouse=True)
def trusted(request, monkeypatch):
    """A process for each of these models would take longer than all of their tests."""
    if "tried" not in request.keywords:
        monkeypatch.setattr(onnx_image, "try_model", lambda path, setting: None)


def colours(count):
    """(K, 3) RGB 0 .. 1, far from each other and from black."""
    return np.array([colorsys.hsv_to_rgb(index / count, 1.0, (1.0, 0.7)[index % 2]) for index in range(count)])


class Graph:
    """Nodes one after another, each named by what it gives."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def add(self, kind, *inputs, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, value, dtype=np.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def heat(self, count, normalised):
        """(N, K, H, W): 1 where a pixel has the point's colour."""
        scale, shift = (DEVIATION / 255, MEAN / 255) if normalised else (np.ones(3), np.zeros(3))
        image = self.add("Mul", "images", self.constant(scale.reshape(1, 3, 1, 1)))
        image = self.add("Add", image, self.constant(shift.reshape(1, 3, 1, 1)))
        # |p - c|^2 = |p|^2 - 2 p c + |c|^2
        known = colours(count)
        squared = self.add("ReduceSum", self.add("Mul", image, image), self.constant([1], np.int64), keepdims=1)
        product = self.add("Conv", image, self.constant(-2 * known.reshape(count, 3, 1, 1)))
        off = self.add("Add", self.add("Add", squared, product), self.constant((known**2).sum(1).reshape(1, count, 1, 1)))
        heat = self.add("Exp", self.add("Mul", off, self.constant(-SHARPNESS)))
        # A disc is all of one colour; so its middle is the highest.
        return self.add("AveragePool", heat, kernel_shape=[SMOOTH, SMOOTH], pads=[SMOOTH // 2] * 4)

    def save(self, path, outputs, height, width, many):
        for index, name in enumerate(outputs):
            self.nodes.append(helper.make_node("Identity", [name], [f"out{index}"]))
        inputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, [many, 3, height, width])]
        infos = [helper.make_tensor_value_info(f"out{index}", TensorProto.FLOAT, None) for index in range(len(outputs))]
        graph = helper.make_graph(self.nodes, "keypoints", inputs, infos, self.constants)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
        return path


def heatmaps(path, count=17, height=256, width=192, many="n"):
    graph = Graph()
    heat = graph.add("AveragePool", graph.heat(count, True), kernel_shape=[STRIDE, STRIDE], strides=[STRIDE, STRIDE])
    return graph.save(path, [heat], height, width, many)


def simcc(path, count=17, height=256, width=192, many="n"):
    """Two bins a pixel, as RTMPose has them: each pixel's value twice."""
    graph, bins = Graph(), {}
    smooth = graph.heat(count, True)
    for name, axis in (("x", 2), ("y", 3)):
        line = graph.add("ReduceMax", smooth, axes=[axis], keepdims=0)
        fine = graph.add("Unsqueeze", line, graph.constant([3], np.int64))
        fine = graph.add("Tile", fine, graph.constant([1, 1, 1, 2], np.int64))
        bins[name] = graph.add("Reshape", fine, graph.constant([0, count, -1], np.int64))
    return graph.save(path, [bins["x"], bins["y"]], height, width, many)


@pytest.fixture
def person():
    """An image and where the points are, by the layout's number of points."""

    def draw(count, middle=(330, 250), size=200, turned_rad=0.0):
        random = np.random.default_rng(count)
        places = random.uniform(-0.5, 0.5, (200, 2)) * [0.5, 1.0]
        apart = [places[0]]
        for place in places[1:]:
            if min(np.linalg.norm(place - other) for other in apart) > 0.09 and len(apart) < count:
                apart.append(place)
        assert len(apart) == count
        cosine, sine = np.cos(turned_rad), np.sin(turned_rad)
        px = size * np.array(apart) @ np.array([[cosine, sine], [-sine, cosine]]) + middle
        image = np.zeros((480, 640, 3), np.uint8)
        for place, colour in zip(px, colours(count)):
            x, y = (int(round(float(value))) for value in place)
            cv2.circle(image, (x, y), 6, (255 * colour).tolist(), -1)
        return image, np.round(px) + 0.5

    return draw


def box_around(px, margin=8):
    return np.concatenate([px.min(0) - margin, px.max(0) + margin])


def own(found, layout):
    """(N, K, 2) in the layout's order, as far as there are such landmarks, and which of the layout's points they are."""
    which = [index for index, name in enumerate(LAYOUTS[layout]) if name in BLAZEPOSE_33]
    return found.place_px[:, [BLAZEPOSE_33.index(LAYOUTS[layout][index]) for index in which]], which


@pytest.mark.parametrize("make", [heatmaps, simcc])
@pytest.mark.parametrize("layout", ["coco", "halpe"])
@pytest.mark.parametrize("height, width", [(256, 192), (256, 256), (192, 256)])
def test_points_lie_where_they_are(tmp_path, person, make, layout, height, width):
    count = len(LAYOUTS[layout])
    image, px = person(count)
    source = OnnxKeypoints(make(tmp_path / "model.onnx", count, height, width))
    assert source.layout == layout
    found = source.in_boxes(image, box_around(px)[None])
    place_px, which = own(found, layout)
    assert np.linalg.norm(place_px[0] - px[which], axis=1).max() < 3.0
    assert np.linalg.norm((place_px[0] - px[which]).mean(0)) < 0.75, "shifted as a whole"
    there = np.isin(BLAZEPOSE_33, LAYOUTS[layout])
    assert found.trust[0, there].min() > 0.3 and found.trust[0, ~there].max() < 0.1


def test_who_is_known_to_lie_is_looked_at_upright(tmp_path, person):
    image, px = person(17, turned_rad=np.pi / 2)
    square = np.array([330, 250, 330, 250]) + 110 * np.array([-1, -1, 1, 1])
    source = OnnxKeypoints(heatmaps(tmp_path / "model.onnx"))
    (found,) = source.in_turned_boxes([image], [square[None]], [np.array([np.pi / 2])])
    place_px, which = own(found, "coco")
    assert np.linalg.norm(place_px[0] - px[which], axis=1).max() < 3.0


def test_many_people_of_several_images_come_back_in_their_order(tmp_path, person):
    one, px_one = person(17, middle=(150, 250))
    two, px_two = person(17, middle=(450, 200), size=260)
    boxes = [np.array([box_around(px_one)] * 3), np.zeros((0, 4)), np.array([box_around(px_two)] * 2)]
    for many in ("n", 1, 2):
        source = OnnxKeypoints(heatmaps(tmp_path / f"{many}.onnx", many=many))
        found = source.in_turned_boxes([one, one, two], boxes, [np.full(len(each), np.nan) for each in boxes])
        assert [len(each) for each in found] == [3, 0, 2]
        for each, px in ((found[0], px_one), (found[2], px_two)):
            place_px, which = own(each, "coco")
            assert np.linalg.norm(place_px - px[which], axis=2).max() < 4.0


def test_an_empty_region_shows_nobody(tmp_path):
    source = OnnxKeypoints(heatmaps(tmp_path / "model.onnx"))
    found = source.in_boxes(np.zeros((480, 640, 3), np.uint8), np.array([[100.0, 100, 200, 300]]))
    assert found.flag[0] < 0.5 and np.isfinite(found.place_px).all()


def yolo(path, suppressed, count=17):
    """Says the same whatever it sees: a surer person at the edge, the one in the middle, and nobody."""
    people = [((30.0, 40.0), 0.9), ((130.0, 120.0), 0.6), ((200.0, 20.0), 0.0)]
    rows = np.zeros((3, (6 if suppressed else 5) + 3 * count), np.float32)
    for row, ((x, y), sure) in zip(rows, people):
        row[:4] = [x - 20, y - 40, x + 20, y + 40] if suppressed else [x, y, 40, 80]
        row[4] = sure
        points = row[-3 * count :].reshape(count, 3)
        points[:, 0], points[:, 1], points[:, 2] = x + np.arange(count), y - np.arange(count), 0.95
    many = np.zeros((1, 40, rows.shape[1]), np.float32)
    many[0, :3] = rows
    graph = Graph()
    zero = graph.add("Mul", graph.add("ReduceMean", "images", keepdims=0), graph.constant(0.0))
    values = graph.add("Add", graph.constant(many if suppressed else np.tile(many, (1, 40, 1)).transpose(0, 2, 1)), zero)
    return graph.save(path, [values], 256, 256, 1)


@pytest.mark.parametrize("suppressed", [False, True])
def test_of_those_whom_yolo_sees_it_is_the_one_in_the_middle(tmp_path, suppressed):
    source = OnnxKeypoints(yolo(tmp_path / "model.onnx", suppressed))
    box = np.array([200.0, 100.0, 300.0, 300.0])
    found = source.in_boxes(np.zeros((480, 640, 3), np.uint8), box[None])
    (side,) = found.region[:, 2]
    corner = found.region[0, :2] - side / 2
    np.testing.assert_allclose(found.place_px[0, 0], corner + np.array([130, 120]) * side / 256, atol=0.01)
    assert source.kind == "yolo" and 0.5 < found.trust[0, 0] < 0.6  # both how sure of them and of the point


@pytest.mark.parametrize(
    "shapes",
    [[(1, 133, 64, 48)], [(1, 17, 384), (1, 18, 512)], [(1, 84, 8400)], [(1, 17, 3)], [(1, 17)], [], [(1, 300, 6)]],
)
def test_what_gives_no_points_of_a_known_layout_is_refused_with_its_shapes(shapes):
    with pytest.raises(ValueError, match=r"m.onnx: outputs .* none of heatmaps .* 17 \(coco\) or 26 \(halpe\)"):
        recognise([np.zeros(shape, np.float32) for shape in shapes], "m.onnx")


def test_a_model_that_is_not_there_is_named_with_its_setting(tmp_path):
    with pytest.raises(FileNotFoundError, match="no model of keypoints at .*: set keypoint_model"):
        OnnxKeypoints(tmp_path / "nowhere.onnx")


@pytest.mark.tried
def test_a_model_is_tried_as_what_it_is(tmp_path):
    path = yolo(tmp_path / "model.onnx", False)
    assert OnnxKeypoints(path).kind == "yolo"
    graph = Graph()
    detector = graph.save(tmp_path / "other.onnx", [graph.add("ReduceMean", "images", axes=[2], keepdims=0)], 64, 64, 1)
    with pytest.raises(ValueError, match="none of heatmaps"):
        OnnxKeypoints(detector)
