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
