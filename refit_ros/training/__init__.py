"""Training and measuring: data, losses, the training loop, ablations, evaluation."""
