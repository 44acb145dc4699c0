"""A recording's files, good and bad, and what the suite makes of estimates whose errors are known."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from refit_ros.core.body import load_body
from refit_ros.core.errors import InputError
from refit_ros.core.joints import JOINT_INDEX
from refit_ros.estimation.types import People, Person, PersonView
from refit_ros.evaluation.recording_cuts import evaluate_cuts
from refit_ros.evaluation.recording_cuts import table as cuts_table
from refit_ros.evaluation.recording_files import read_cameras, read_truth
from refit_ros.evaluation.recording_film import HEIGHT_PX, film_recording
from refit_ros.evaluation.recording_suite import evaluate_recording, table
from refit_ros.evaluation.truth import LIMBS

cv2 = pytest.importorskip("cv2")

CALIBRATION = """
[cam_{0}]
name = "cam_{0}"
size = [64.0, 48.0]
matrix = [[50.0, 0.0, 32.0], [0.0, 50.0, 24.0], [0.0, 0.0, 1.0]]
distortions = [0.0, 0.0, 0.0, 0.0]
rotation = [{1}, 0.0, 0.0]
translation = [0.5, 0.0, 4.0]
fisheye = false

"""
NAMES = [("R" if name.startswith("right") else "L") + name.split("_")[1].title() for name in LIMBS]
FRAMES, RATE_HZ = 6, 30


def places(frame):
    """(12, 3) m in the world, shoulders above ankles."""
    up_m = [{"shoulder": 0.6, "ankle": -0.6}.get(name.split("_")[1], 0.0) for name in LIMBS]
    return np.random.default_rng(3).normal(0, 0.4, (12, 3)) + np.c_[np.full((12, 2), [0.02 * frame, 0]), up_m]


def write(folder, cameras=2, rate_hz=RATE_HZ):
    text = "[metadata]\nadjusted = false\n"
    for number in range(1, cameras + 1):
        text += CALIBRATION.format(number, 0.1 * number)
        video = cv2.VideoWriter(str(folder / f"cam{number}.avi"), cv2.VideoWriter_fourcc(*"MJPG"), rate_hz, (64, 48))
        for frame in range(FRAMES):
            video.write(np.full((48, 64, 3), 20 * frame, np.uint8))
        video.release()
    (folder / "calibration.toml").write_text(text)
    rows = ["PathFileType\t4\t(X/Y/Z)\tjoints.trc", "DataRate", f"{rate_hz}\t{rate_hz}\t6\t13\tmm\t30\t1\t6"]
    rows += ["Frame#\tTime\t" + "\t\t\t".join(["Nose", *NAMES]) + "\t\t", "\t\tX1\tY1\tZ1", ""]
    for frame in range(FRAMES):
        values = np.concatenate([np.zeros((1, 3)), places(frame)])[:, [1, 2, 0]] * 1000  # the file's y is the world's z
        rows.append(f"{frame + 1}\t{frame / 30}\t" + "\t".join(f"{value:.4f}" for value in values.flatten()))
    (folder / "joints.trc").write_text("\n".join(rows) + "\n")


class Estimates:
    """Publishes the true person 10 mm beside their place from the second set on, under another id at last, and a ghost."""

    def __init__(self, sigma_m):
        self.calls, self.sigma_m = 0, sigma_m

    def estimate(self, views):
        self.calls += 1
        frame = round(views[0].stamp_s * RATE_HZ)
        people = []
        if self.calls > 1:
            people.append(self._person(1 if self.calls < FRAMES else 2, places(frame) + [0.01, 0, 0], views))
            people.append(self._person(7, places(frame) + [5.0, 0, 0], views))
        return People(views[0].stamp_s, tuple(people), tuple(view.calibration.name for view in views))

    def _person(self, number, limbs, views):
        joints = np.zeros((24, 3))
        joints[[JOINT_INDEX[name] for name in LIMBS]] = limbs
        view = PersonView(views[0].calibration.name, "", np.zeros(4), np.ones(3), 0.0)
        return Person(
            number, 0.9, np.zeros(10), np.zeros(3), np.zeros((23, 3)), np.zeros(3), joints,
            np.tile(np.eye(3), (24, 1, 1)), np.full(24, self.sigma_m), np.ones(24, bool), (view,),
        )  # fmt: skip


def test_cameras_and_joints_are_read_in_one_world(tmp_path):
    write(tmp_path)
    first, second = read_cameras(tmp_path)
    assert first.calibration.name == "cam_1" and second.video.name == "cam2.avi"
    turned = cv2.Rodrigues(np.array([0.1, 0, 0]))[0]
    assert np.allclose(np.linalg.inv(first.world_from_camera)[:3], np.c_[turned, [0.5, 0, 4]])
    truth = read_truth(tmp_path)
    assert truth.names == LIMBS and np.allclose(truth.points[2], places(2), atol=1e-5)


def test_the_figures_are_those_of_known_errors(tmp_path):
    write(tmp_path)
    lines = []
    rows = evaluate_recording(tmp_path, lambda: Estimates(0.02), load_body(), every=1, overlays=tmp_path, say=lines.append)
    *rows, both = rows
    assert [row["cameras"] for row in rows] == ["cam_1", "cam_2", "cam_1+cam_2"] and len(lines) == 3
    assert (both["cameras"], both["sets"]) == ("each by itself", rows[0]["sets"] + rows[1]["sets"])
    assert both["others"] == rows[0]["others"] + rows[1]["others"] and both["median_mm"] == rows[0]["median_mm"]
    for row in rows:
        assert row["published_share"] == round(5 / 6, 4) and row["others"] == 5 and row["id_switches"] == 1
        assert row["median_mm"] == row["mean_mm"] == 10.0 and row["pa_mm"] < 0.1 and row["within_1_sigma"] == 1.0
    assert len(list(tmp_path.glob("*_cam_1_*.jpg"))) >= 2
    (unsure,) = evaluate_recording(tmp_path, lambda: Estimates(0.007), load_body(), every=3)[:1]
    assert unsure["within_1_sigma"] == 0.0 and unsure["within_2_sigma"] == 1.0  # 10 mm, sigma 7 mm
    assert "| cam_1+cam_2 | 6 | 83% | 5 | 1 | 10 | 10 | 0 | 100%, 100% |" in table(rows)


def test_a_film_shows_all_cameras_side_by_side_with_people_drawn(tmp_path):
    image = pytest.importorskip("PIL.Image")
    write(tmp_path)
    assert film_recording(tmp_path / "film.gif", tmp_path, Estimates(0.02), load_body(), every=2) == FRAMES // 2
    with image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == FRAMES // 2 and film.height == HEIGHT_PX and film.width == 2 * round(64 * HEIGHT_PX / 48)
        assert film.info["duration"] == 130 and film.info["loop"] == 0  # 2 / 30 s at half the speed: GIF has hundredths
        shown = []
        for index in range(film.n_frames):
            film.seek(index)
            shown.append(np.asarray(film.convert("RGB"), int))
    assert np.abs(shown[0] - shown[0][0, 0]).max() < 30, "nobody is published in the first set"
    for half in np.split(shown[-1], 2, axis=1):
        assert np.abs(half - half[0, 0]).max() > 60, "the person is drawn in each camera's part"


def test_joints_belong_to_the_frames_that_the_file_says(tmp_path):
    """Frames without any joint and rows whose last values are left out are common, and move nothing that follows."""
    write(tmp_path, 1)
    path = tmp_path / "joints.trc"
    lines = path.read_text().splitlines()
    lines[8] = "\t".join(lines[8].split("\t")[:-3])  # of the third frame
    del lines[7]  # the second frame
    path.write_text("\n".join(lines))
    points = read_truth(tmp_path).points
    assert len(points) == FRAMES and np.isnan(points[1]).all() and np.isnan(points[2]).any(1).sum() == 1
    for frame in (0, 3, 4, 5):
        assert np.allclose(points[frame], places(frame), atol=1e-5)
    path.write_text("\n".join([*lines[:6], *lines[8:]]))  # begins with the fourth frame
    assert np.allclose(read_truth(tmp_path).points[3], places(3), atol=1e-5)
    path.write_text("\n".join([*lines[:6], lines[8], lines[7]]))
    with pytest.raises(InputError, match="do not rise"):
        read_truth(tmp_path)


def test_frames_without_joints_are_not_measured(tmp_path):
    write(tmp_path, 1)
    path = tmp_path / "joints.trc"
    lines = path.read_text().splitlines()
    lines[8] = "3\t0.0667" + "\t" * 39
    path.write_text("\n".join(lines))
    (row,) = evaluate_recording(tmp_path, lambda: Estimates(0.02), load_body(), every=1)
    assert row["sets"] == FRAMES - 1 and row["published_share"] == 0.8 and row["others"] == 4


@pytest.mark.parametrize(
    "name, change, told",
    [
        ("joints.trc", lambda text: text.replace("\tmm\t", "\tfathoms\t"), "no TRC"),
        ("joints.trc", lambda text: "\n".join(text.splitlines()[:3]), "no TRC"),
        ("joints.trc", lambda text: text.replace("\tR", "\tX").replace("\tL", "\tY"), "limbs' joints"),
        ("calibration.toml", lambda text: text.replace("fisheye = false", "fisheye = true"), "is a fisheye"),
        ("calibration.toml", lambda text: text.replace("translation", "moved"), "lacks translation"),
        ("calibration.toml", lambda text: text + "[", "is no TOML"),
        ("calibration.toml", lambda text: text.replace("cam_", "left_"), "no video is named"),
    ],
)  # fmt: skip
def test_bad_files_are_told_in_a_sentence(tmp_path, name, change, told):
    write(tmp_path, 1)
    path = tmp_path / name
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=told) as refused:
        evaluate_recording(tmp_path, lambda: Estimates(1.0), load_body())
    assert "\n" not in str(refused.value).strip()


def test_a_folder_without_a_calibration_is_told(tmp_path):
    with pytest.raises(InputError, match="0 .toml files"):
        read_cameras(tmp_path)


def test_a_video_is_of_the_camera_whose_whole_number_it_has(tmp_path):
    write(tmp_path, 11)
    for number in range(1, 12):
        (tmp_path / f"cam{number}.avi").rename(tmp_path / f"Cam-{number}_walk.avi")  # Cam-10_... comes before Cam-1_...
    found = {camera.calibration.name: camera.video.name for camera in read_cameras(tmp_path)}
    assert found == {f"cam_{number}": f"Cam-{number}_walk.avi" for number in range(1, 12)}
    (tmp_path / "Cam-1_walk.avi").unlink()
    path = tmp_path / "calibration.toml"
    path.write_text(path.read_text().replace("cam_1", "far_1").replace('name = "far_1"', 'name = "cam_1"'))
    assert "cam_1" not in [camera.calibration.name for camera in read_cameras(tmp_path)], "another camera's video was taken"


def test_a_video_is_of_the_camera_with_the_longest_name_that_fits(tmp_path):
    write(tmp_path)
    path = tmp_path / "calibration.toml"
    path.write_text(path.read_text().replace("cam_2", "cam_1_left"))
    (tmp_path / "cam1.avi").rename(tmp_path / "cam1 take 3.avi")
    (tmp_path / "cam2.avi").rename(tmp_path / "cam1 left take 3.avi")
    found = {camera.calibration.name: camera.video.name for camera in read_cameras(tmp_path)}
    assert found == {"cam_1": "cam1 take 3.avi", "cam_1_left": "cam1 left take 3.avi"}


def test_cameras_may_be_named_in_any_letters(tmp_path):
    write(tmp_path)
    path = tmp_path / "calibration.toml"
    path.write_text(path.read_text().replace('name = "cam_1"', 'name = "左"').replace('name = "cam_2"', 'name = "右"'))
    (tmp_path / "cam1.avi").rename(tmp_path / "左_walk.avi")
    (tmp_path / "cam2.avi").rename(tmp_path / "右.avi")
    assert [(camera.calibration.name, camera.video.stem) for camera in read_cameras(tmp_path)] == [
        ("左", "左_walk"),
        ("右", "右"),
    ]


def test_two_videos_of_a_camera_are_told_and_one_with_just_its_name_is_taken(tmp_path):
    write(tmp_path, 1)
    (tmp_path / "cam1_pose.avi").write_bytes((tmp_path / "cam1.avi").read_bytes())
    assert [camera.video.name for camera in read_cameras(tmp_path)] == ["cam1.avi"]
    (tmp_path / "cam1.avi").rename(tmp_path / "cam1_walk.avi")
    with pytest.raises(InputError, match=r"camera 'cam_1' has 2 videos \(cam1_pose.avi, cam1_walk.avi\)"):
        read_cameras(tmp_path)


def test_time_passes_as_the_videos_say(tmp_path):
    write(tmp_path, 1, rate_hz=24)
    stamps_s = []

    class Clock(Estimates):
        def estimate(self, views):
            stamps_s.append(views[0].stamp_s)
            return super().estimate(views)

    evaluate_recording(tmp_path, lambda: Clock(0.02), load_body(), every=2)
    evaluate_cuts(tmp_path, lambda: Clock(0.02), load_body(), "none", every=2)
    assert np.allclose(stamps_s, [0, 2 / 24, 4 / 24] * 2)


@pytest.mark.parametrize("rate, fits", [("120", False), ("15.0", False), ("29.97", True), ("0", True), ("unknown", True)])
def test_joints_of_another_rate_than_the_videos_are_told(tmp_path, rate, fits):
    write(tmp_path, 1)
    text = (tmp_path / "joints.trc").read_text()
    (tmp_path / "joints.trc").write_text(text.replace("\n30\t30\t", f"\n{rate}\t30\t"))
    if fits:
        assert len(evaluate_recording(tmp_path, lambda: Estimates(0.02), load_body())) == 1
        return
    with pytest.raises(InputError, match=rf"{float(rate):g} rows a second \(DataRate\), and the videos 30 frames"):
        evaluate_recording(tmp_path, lambda: Estimates(0.02), load_body())


def test_videos_in_a_linked_folder_are_found_once(tmp_path):
    (tmp_path / "disk").mkdir()
    write(tmp_path / "disk", 2)
    folder = tmp_path / "recording"
    folder.mkdir()
    for name in ("calibration.toml", "joints.trc"):
        (tmp_path / "disk" / name).rename(folder / name)
    (folder / "videos").symlink_to(tmp_path / "disk")
    (tmp_path / "disk" / "again").symlink_to(folder)  # leads back
    assert [camera.video.name for camera in read_cameras(folder)] == ["cam1.avi", "cam2.avi"]


def test_overlays_that_cannot_be_written_end_the_run(tmp_path):
    write(tmp_path, 1)
    for measure in (evaluate_recording, partial(evaluate_cuts, cut="none")):
        with pytest.raises(OSError):
            measure(tmp_path, lambda: Estimates(0.02), load_body(), every=1, overlays=tmp_path / "full")


def test_videos_of_different_rates_are_told(tmp_path):
    write(tmp_path, 1, rate_hz=24)
    (tmp_path / "cam1.avi").rename(tmp_path / "other")
    write(tmp_path)
    (tmp_path / "other").rename(tmp_path / "cam1.avi")
    with pytest.raises(InputError, match="24.0, 30.0 frames a second: bring them to one"):
        evaluate_recording(tmp_path, lambda: Estimates(0.02), load_body())


@pytest.mark.parametrize("width, fits", [(72, True), (128, False)])
def test_a_video_that_lacks_a_few_columns_is_taken_as_cut(tmp_path, width, fits):
    write(tmp_path, 1)
    path = tmp_path / "calibration.toml"
    path.write_text(path.read_text().replace("[64.0, 48.0]", f"[{width}.0, 48.0]"))
    lines = []
    if fits:
        (row,) = evaluate_recording(tmp_path, lambda: Estimates(0.02), load_body(), 1, say=lines.append)
        assert row["median_mm"] == 10.0 and "taken as cut" in lines[0]
    else:
        with pytest.raises(InputError, match="was scaled or is another camera's"):
            evaluate_recording(tmp_path, lambda: Estimates(0.02), load_body(), 1)


class Cut:
    """Publishes the true person, 2 px to the right in the only view's image, whose size it keeps."""

    def __init__(self, sizes, sigma_m=0.05):
        self.sizes, self.sigma_m, self.beside = sizes, sigma_m, Estimates(sigma_m)

    def estimate(self, views):
        self.sizes.append([view.image.shape[:2] for view in views])
        frame = round(views[0].stamp_s * RATE_HZ)
        right = views[0].fixed_from_camera[:3, 0] * (0.04 if len(views) == 1 else 0.0)
        one = self.beside._person(1, places(frame) + right, views)
        shown = views[0].calibration.sees(
            (one.joints - views[0].fixed_from_camera[:3, 3]) @ views[0].fixed_from_camera[:3, :3]
        )
        return People(views[0].stamp_s, (replace(one, joint_in_image=shown),), ("",))


def test_what_is_wrong_with_the_cameras_is_said(tmp_path):
    write(tmp_path, 2)
    said = []

    class Doubtful(Estimates):
        def estimate(self, views):
            return replace(super().estimate(views), doubt="the poses are inverted" if len(views) > 1 else "")

    evaluate_recording(tmp_path, lambda: Doubtful(0.02), load_body(), say=said.append)
    assert [line for line in said if "inverted" in line] == ["cam_1+cam_2: the poses are inverted"]


@pytest.mark.parametrize("cut", ["none", "knees", "side"])
def test_people_are_cut_where_the_truth_says(tmp_path, cut):
    write(tmp_path)
    sizes = []
    one, together = evaluate_cuts(tmp_path, lambda: Cut(sizes), load_body(), cut, every=1, overlays=tmp_path)
    assert one["cameras"] == "one" and one["shown"] == 2 * FRAMES and together["shown"] == FRAMES
    assert one["published_share"] == 1.0 and one["others"] == 0 and one["in_image_right"] > 0.7
    assert one["within_1_sigma_seen"] == 1.0 and one["stddev_seen_mm"] == 50.0 and 0 < one["median_box"] < 0.1
    assert together["median_box"] < 1e-6 and together["pa_seen_mm"] < 0.01
    heights, widths = ({size[axis] for each in sizes for size in each} for axis in (0, 1))
    assert ("within_1_sigma_unseen" in one) == (cut != "none"), "a joint that no image shows is not counted with the others"
    assert (heights == {48}) == (cut != "knees") and (widths == {64}) == (cut != "side")
    assert f"| {cut} | all | {FRAMES} | 100% | 0 | 0.0% |" in cuts_table([one, together])
    assert list(tmp_path.glob(f"{cut}_cam_1_*.jpg"))


def test_an_unknown_cut_is_told(tmp_path):
    write(tmp_path, 1)
    with pytest.raises(InputError, match="choose from none, knees, waist, side"):
        evaluate_cuts(tmp_path, lambda: Estimates(1.0), load_body(), "neck")
