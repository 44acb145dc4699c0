"""One place for every default: what the documents say is made from it."""

from __future__ import annotations

from dataclasses import fields

import pytest

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
