"""Writes reference.json: what the original, the `mediapipe` package 0.10.21, says of images.py's images.

It wants an environment of its own, as it brings an older NumPy and another OpenCV:

    python3.11 -m venv /tmp/original && /tmp/original/bin/pip install mediapipe==0.10.21 scikit-image
    /tmp/original/bin/python test/detection/blazepose/make_reference.py
"""

import json
from pathlib import Path

import mediapipe
import numpy as np
from images import images
from mediapipe.framework import calculator_pb2
from mediapipe.python import packet_creator, packet_getter
from mediapipe.python._framework_bindings import resource_util
from mediapipe.python.solution_base import SolutionBase

DETECTOR = """input_stream: "image"  output_stream: "detections"
node { calculator: "PoseDetectionCpu" input_stream: "IMAGE:image" output_stream: "DETECTIONS:detections" }"""
POSE = "mediapipe/modules/pose_landmark/pose_landmark_cpu.binarypb"
STREAMS = ["pose_landmarks", "pose_world_landmarks", "pose_rect_from_detection", "pose_rect_from_landmarks"]


def detections(image: np.ndarray) -> list[dict]:
    from google.protobuf import text_format

    graph = mediapipe.CalculatorGraph(graph_config=text_format.Parse(DETECTOR, calculator_pb2.CalculatorGraphConfig()))
    found = []
    graph.observe_output_stream("detections", lambda name, packet: found.extend(packet_getter.get_proto_list(packet)))
    graph.start_run()
    packet = packet_creator.create_image_frame(image_format=mediapipe.ImageFormat.SRGB, data=image)
    graph.add_packet_to_input_stream("image", packet.at(0))
    graph.close_all_packet_sources()
    graph.wait_until_done()
    height, width = image.shape[:2]
    rows = []
    for each in found:
        box, points = each.location_data.relative_bounding_box, each.location_data.relative_keypoints
        rows.append(
            {
                "confidence": each.score[0],
                "face_px": [
                    box.xmin * width,
                    box.ymin * height,
                    (box.xmin + box.width) * width,
                    (box.ymin + box.height) * height,
                ],
                "points_px": [[point.x * width, point.y * height] for point in points],
            }
        )
    return rows


def landmarks(image: np.ndarray) -> dict:
    """`full`, each image by itself."""
    height, width = image.shape[:2]
    settings = {
        "model_complexity": 1,
        "smooth_landmarks": False,
        "enable_segmentation": False,
        "smooth_segmentation": False,
        "use_prev_landmarks": False,
    }
    with SolutionBase(binary_graph_path=POSE, side_inputs=settings, outputs=STREAMS) as pose:
        said = pose.process({"image": image})

    def region(rect) -> list[float]:
        return [rect.x_center * width, rect.y_center * height, rect.width * width, rect.rotation]

    return {
        "region": region(said.pose_rect_from_detection),
        "next_region": region(said.pose_rect_from_landmarks),
        "place_px": [[p.x * width, p.y * height] for p in said.pose_landmarks.landmark],
        "visibility": [p.visibility for p in said.pose_landmarks.landmark],
        "place_m": [[p.x, p.y, p.z] for p in said.pose_world_landmarks.landmark],
    }


def rounded(value):
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list) else round(value, 5)


if __name__ == "__main__":
    resource_util.set_resource_dir(str(Path(mediapipe.__file__).parents[1]))
    reference = {name: {"detections": detections(image), "landmarks": landmarks(image)} for name, image in images().items()}
    (Path(__file__).parent / "reference.json").write_text(json.dumps(rounded(reference)) + "\n")
