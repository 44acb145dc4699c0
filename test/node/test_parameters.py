"""One place for every default: what the documents say is made from it."""

from __future__ import annotations

from dataclasses import fields

import pytest

from refit_ros.__main__ import main
from refit_ros.commands import EXIT_BAD_INPUT
from refit_ros.node import parameter_docs
from refit_ros.node.parameters import NodeParameters, table


def test_every_parameter_stands_once_with_a_description_and_numbers_with_a_range():
    names = [entry.name for entry in table()]
    assert len(names) == len(set(names))
    for entry in table():
        assert entry.metadata["description"]
        if isinstance(entry.default, (int, float)) and not isinstance(entry.default, bool):
            assert entry.metadata["minimum"] <= entry.default <= entry.metadata["maximum"], entry.name


def test_defaults_of_the_node_work_together():
    assert NodeParameters().cameras == ("camera",)
    assert {entry.name for entry in fields(NodeParameters)}


@pytest.mark.skipif(not parameter_docs.YAML_FILE.exists(), reason="not run from the source folder")
def test_the_documents_are_up_to_date():
    """Mend with: python -m refit_ros.node.parameter_docs"""
    assert parameter_docs.YAML_FILE.read_text() == parameter_docs.yaml_text()
    document = parameter_docs.DOCUMENT.read_text()
    assert document == parameter_docs.with_table(document)


def test_what_is_given_for_no_parameter_is_told_with_the_nearest_name(bench, capfd):
    from node_fakes import fake_model

    bench.start(fake_model(), sync_slop=0.1, smothing=0.9, colour_of_the_robot="red", use_sim_time=False)
    said = capfd.readouterr().err
    assert "'sync_slop'" in said and "did you mean 'sync_slop_s'?" in said
    assert "'smothing'" in said and "did you mean 'smoothing'?" in said
    assert "'colour_of_the_robot'" in said and said.count("there is no parameter") == 3 and bench.started


@pytest.mark.parametrize("name", ["cameras", "smoothing"])
def test_an_empty_list_in_a_file_is_one_sentence(ros_context, tmp_path, name):
    from refit_ros.node.refit_node import RefitNode

    file = tmp_path / "mine.yaml"
    file.write_text(f"/**:\n  ros__parameters:\n    {name}: []\n")
    with pytest.raises(ValueError, match=f"the parameter {name} is empty") as refused:
        RefitNode(lambda *_: None, context=ros_context, cli_args=["--ros-args", "--params-file", str(file)])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text, words",
    [
        ("{}", "the parameter cameras is empty"),
        ("3", "the parameter cameras is 3, and should be a list of texts"),
        ("front", "the parameter cameras is 'front', and should be a list of texts"),
        ("[1, 2]", "the parameter cameras is .*, and should be a list of texts"),
        ("true", "the parameter cameras is True, and should be a list of texts"),
    ],
)
def test_a_value_of_another_kind_is_one_sentence(ros_context, tmp_path, text, words):
    from refit_ros.node.refit_node import RefitNode

    file = tmp_path / "mine.yaml"
    file.write_text(f"/**:\n  ros__parameters:\n    cameras: {text}\n")
    with pytest.raises(ValueError, match=words) as refused:
        RefitNode(lambda *_: None, context=ros_context, cli_args=["--ros-args", "--params-file", str(file)])
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "template",
    ["", "{camera}/image raw", "{camera", "camera}", "{0}", "/{camera}/image", "a//b/{camera}", "{camera}/7", "é"],
)
def test_a_topic_that_can_be_none_is_one_sentence(template):
    with pytest.raises(ValueError, match=r"^image_topic is '.*(is no topic|can stand in braces)"):
        NodeParameters(cameras=("/front",), image_topic=template)


@pytest.mark.parametrize("value", ["inf", "nan", "-1", "1.5"])
def test_a_number_out_of_its_range_is_one_sentence_wherever_it_comes_from(tmp_path, capsys, value):
    with pytest.raises(ValueError, match=rf"^sync_slop_s is {value}; it must lie between 0.0 and 1.0$"):
        NodeParameters(sync_slop_s=float(value))
    pytest.importorskip("rosbags.rosbag2", reason="rosbags is not installed")
    from test_recording import write_bag

    bag = write_bag(tmp_path / "in", ["camera"], sets=1)
    assert main(["bag", str(bag), "--output", str(tmp_path / "out"), f"--sync-slop={value}"]) == EXIT_BAD_INPUT
    assert capsys.readouterr().err == f"refit_ros: sync_slop_s is {value}; it must lie between 0.0 and 1.0\n"


@pytest.mark.parametrize(
    "text, line, words",
    [
        ("/**:\n  ros__parameters:\n    cameras:\n", 3, "'cameras' has no value"),
        ("/**:\n  ros__parameters:\n    cameras: [a, 1]\n", 3, "'cameras' is a list of several kinds"),
        ("/**:\n  ros__parameters: 3\n", 2, "lines of 'name: value'"),
        ("/**:\n  ros__parameters:\n", 2, "lines of 'name: value'"),
        ("cameras: [a]\n", 1, "'cameras' stands outside of 'ros__parameters'"),
        ("refit:\n  ros_parameters:\n    smoothing: 0.3\n", 3, "'smoothing' stands outside of 'ros__parameters'"),
        ("[]\n", 1, "names of nodes"),
        ("hello\n", 1, "names of nodes"),
        ("/**:\n  ros__parameters:\n    cameras: [a\n", 4, "no YAML"),
        ("/**:\n\tros__parameters:\n", 2, "no YAML"),
        ("[" * 5000, None, "no YAML"),
    ],
)
def test_a_file_of_parameters_that_is_none_is_told_with_its_line(tmp_path, text, line, words):
    from refit_ros.node.parameter_files import files_in

    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ValueError, match=words) as refused:
        files_in(["--ros-args", "--params-file", str(tmp_path / "mine.yaml")])
    said = str(refused.value)
    assert str(tmp_path / "mine.yaml") in said and "\n" not in said and (line is None or f"line {line}:" in said)


@pytest.mark.parametrize("kind, words", [("none", "no such file"), ("folder", "is a folder"), ("pipe", "is a named pipe")])
def test_no_file_where_one_of_parameters_should_be_is_told_and_nothing_hangs(tmp_path, kind, words):
    import os

    from refit_ros.node.parameter_files import files_in

    path = tmp_path / "mine.yaml"
    {"none": lambda _: None, "folder": os.mkdir, "pipe": os.mkfifo}[kind](path)
    with pytest.raises(ValueError, match=words):
        files_in(["--ros-args", "--params-file", str(path)])


@pytest.mark.parametrize(
    "names, words",
    [
        (("/**",), ""),
        (("refit",), ""),
        (("/refit", "other"), ""),
        (("refitt",), "it is for '/refitt'; did you mean '/refit'"),
        (("camera_driver",), "it is for '/camera_driver'"),
        (("/robot/refit",), "it is for '/robot/refit'"),
        ((), "holds no parameters"),
    ],
)
def test_a_file_that_is_for_other_nodes_only_is_told(tmp_path, names, words):
    from refit_ros.node.parameter_files import files_in

    file = tmp_path / "mine.yaml"
    file.write_text("".join(f"{name}:\n  ros__parameters:\n    smoothing: 0.3\n" for name in names))
    (found,) = files_in(["--ros-args", "--params-file", str(file), "-p", "a:=1"])
    said = found.not_for("/refit")
    assert (words in said and str(file) in said) if words else not said
