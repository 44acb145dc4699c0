import pytest
import torch

from refit_ros.core.body import load_body
from refit_ros.core.checkpoint import EMBEDDED_WEIGHTS, load_network, read_metadata
from refit_ros.training.held_out import held_out
from refit_ros.training.measure import averaged, errors, estimates

pytestmark = pytest.mark.skipif(not EMBEDDED_WEIGHTS.is_file(), reason="this checkout has no embedded weights")


@pytest.fixture(scope="module")
def own_body():
    return load_body()


@pytest.fixture(scope="module")
def embedded(own_body):
    return load_network(body=own_body)


def test_they_are_small_trained_and_have_a_card(embedded):
    assert EMBEDDED_WEIGHTS.stat().st_size < 16e6
    facts = read_metadata(EMBEDDED_WEIGHTS)
    assert embedded.trained and embedded.embedded and int(facts["steps"]) > 1000
    card = EMBEDDED_WEIGHTS.with_name("MODEL_CARD.md").read_text()
    assert f"{int(facts['steps']):,}" in card and "python -m refit_ros train" in card


def test_feedback_and_views_lower_the_error_on_held_out_people(embedded, own_body):
    batch = held_out(own_body, embedded.config.image_size, 30, 4, torch.device("cpu"))
    history = estimates(embedded, batch, "cpu")
    first, last = (errors(history[step], batch, own_body, surface=False)["mpjpe_mm"] for step in (0, -1))
    mean = errors(averaged(history[-1], batch), batch, own_body, surface=False)["mpjpe_mm"]
    together = errors(estimates(embedded, batch, "cpu", multi_view=True)[-1], batch, own_body, surface=False)["mpjpe_mm"]
    assert together < mean < last < first and last < 110 and together < 70
