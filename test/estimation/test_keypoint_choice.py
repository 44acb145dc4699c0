"""Which evidence is taken: what was asked for, and else what the weights are for."""

import pytest

from refit_ros.core.body import load_body
from refit_ros.core.checkpoint import EMBEDDED_KEYPOINT_WEIGHTS, EMBEDDED_WEIGHTS, save_network, untrained_network
from refit_ros.core.config import SMALL
from refit_ros.core.keypoints import LANDMARKS
from refit_ros.detection import landmark_sources
from refit_ros.estimation import keypoint_choice, keypoint_estimator, search
from refit_ros.estimation.keypoint_choice import keypoint_estimators, takes_keypoints, with_usual_detector
from refit_ros.estimation.settings import Settings
from refit_ros.node.evidence_kind import load_edge, settings_of
from refit_ros.node.parameters import NodeParameters

LACKING = "the landmark networks are not there: get them"


@pytest.fixture
def models_there(monkeypatch):
    monkeypatch.setattr(keypoint_choice, "without_photographs_note", lambda: "")


@pytest.fixture
def models_missing(monkeypatch):
    monkeypatch.setattr(keypoint_choice, "without_photographs_note", lambda: LACKING)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Weights as `train` writes them, of either kind."""
    folder = tmp_path_factory.mktemp("weights")
    files = {}
    for name, config in (("keypoints", LANDMARKS), ("features", SMALL)):
        files[name] = folder / f"{name}.safetensors"
        save_network(untrained_network(config, load_body()), files[name])
    return files


def test_own_weights_say_what_they_are_for(own, models_there):
    assert takes_keypoints("auto", own["keypoints"]) and not takes_keypoints("auto", own["features"])
    assert takes_keypoints("auto", str(EMBEDDED_KEYPOINT_WEIGHTS)) and not takes_keypoints("auto", str(EMBEDDED_WEIGHTS))
    assert takes_keypoints("auto", "untrained:keypoints") and not takes_keypoints("auto", "untrained")


def test_without_weights_it_depends_on_what_is_there(models_there):
    assert takes_keypoints("auto", None) and takes_keypoints("auto", "")


def test_without_the_models_it_is_features_unless_the_weights_need_them(own, models_missing):
    assert not takes_keypoints("auto", None) and not takes_keypoints("auto", own["features"])
    for evidence, weights in (("auto", own["keypoints"]), ("keypoints", None)):
        with pytest.raises(ValueError, match=LACKING):
            takes_keypoints(evidence, weights)


def test_a_file_that_cannot_be_read_is_left_to_whoever_loads_it(tmp_path, models_there):
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(EMBEDDED_KEYPOINT_WEIGHTS.read_bytes()[:1000])
    assert not takes_keypoints("auto", cut) and not takes_keypoints("auto", tmp_path / "nowhere.pt")


def test_what_is_asked_for_is_taken(own, models_there):
    assert not takes_keypoints("features", own["keypoints"]) and takes_keypoints("keypoints", own["features"])
    assert takes_keypoints("both", None) and takes_keypoints("both", own["features"])


def test_both_needs_the_landmarks_and_weights_that_look_at_images(own, models_missing, monkeypatch):
    with pytest.raises(ValueError, match=LACKING):
        takes_keypoints("both", own["features"])
    with pytest.raises(ValueError, match=r"network of landmarks; evidence 'both' takes weights that look at images"):
        keypoint_estimators([Settings(evidence="both")], own["keypoints"], None, "cpu")
    monkeypatch.setattr(keypoint_choice, "EMBEDDED_KEYPOINT_WEIGHTS", own["features"].parent / "nowhere")
    with pytest.raises(ValueError, match="no weights for keypoints"):
        takes_keypoints("both", own["features"])


@pytest.mark.parametrize("fusion", [False, True])
def test_both_is_refused_where_images_stay_on_other_machines(fusion):
    with pytest.raises(ValueError, match=r"'both' needs the images.*refit\.launch\.py"):
        settings_of(NodeParameters(cameras=("a",)), Settings(evidence="both"), fusion)


def test_a_fusion_node_needs_no_models_for_weights_of_keypoints(own, models_missing):
    for weights, kind in (("", "keypoints"), (str(own["keypoints"]), "keypoints"), (str(own["features"]), "features")):
        assert settings_of(NodeParameters(weights=weights), Settings(), fusion=True).evidence == kind


def test_an_own_keypoint_model_needs_none_of_the_models(models_missing, monkeypatch):
    own = Settings(keypoint_source="onnx", keypoint_model="own.onnx")
    assert takes_keypoints("auto", None, source=own.keypoint_source)
    made = []
    monkeypatch.setattr(landmark_sources, "OnnxKeypoints", lambda path: made.append(path) or "own")
    _, (estimator,) = keypoint_estimators([with_usual_detector(own)], None, None, "cpu")
    assert made == ["own.onnx"] and estimator.settings.detector == "builtin" and estimator._eyes._landmarks == "own"
    assert settings_of(NodeParameters(cameras=("a",)), own).evidence == "keypoints"


@pytest.mark.parametrize("kind", ["lite", "heavy"])
def test_another_of_blazepose_s_networks_is_taken_where_the_settings_say_so(kind, monkeypatch):
    """It could be got, and nothing but one suite of `evaluate` used it."""
    made = []
    monkeypatch.setattr(landmark_sources, "usual_landmarks", lambda which, *_: made.append(which) or "looks")
    monkeypatch.setattr(keypoint_choice, "without_photographs_note", lambda: "")
    chosen = Settings(evidence="keypoints", landmarks=kind, detector="topic")
    _, (estimator,) = keypoint_estimators([chosen], None, None, "cpu")
    assert made == [kind] and estimator._eyes._landmarks == "looks"
    assert landmark_sources.landmark_source(Settings()) == "looks" and made[-1] == "full"


def test_an_own_keypoint_model_is_asked_for_by_its_file():
    with pytest.raises(ValueError, match="keypoint_source 'onnx' needs a model: set keypoint_model"):
        Settings(keypoint_source="onnx")


def test_landmarks_are_found_on_the_device_that_was_named(models_there, monkeypatch):
    """It is called "cpu:0" here, as nothing is by itself."""
    asked = []

    def source(settings, thorough=False, device="cpu"):
        asked.append(("landmarks", device))
        return "own"

    def detectors(settings, device="none", own=None):
        asked.append(("detectors", str(device)))
        return {}

    for module in (keypoint_choice, landmark_sources):
        monkeypatch.setattr(module, "landmark_source", source)
    for module in (keypoint_estimator, search):
        monkeypatch.setattr(module, "detectors", detectors)
    keypoint_estimators([Settings(detector="photographs")], None, None, "cpu:0")
    parameters = NodeParameters(cameras=("a",), device="cpu:0")
    _, kind, device = load_edge(parameters, settings_of(parameters, Settings(evidence="keypoints")))
    told = "cpu"  # by the network, which calls it so
    assert asked == [("landmarks", "cpu:0"), ("detectors", told), ("landmarks", "cpu:0"), ("detectors", "cpu:0")]
    assert kind.name == "keypoints" and device == "cpu:0, keypoints"
    with pytest.raises(ValueError, match="cuda:77"):
        load_edge(NodeParameters(cameras=("a",), device="cuda:77"), Settings(evidence="keypoints"))
