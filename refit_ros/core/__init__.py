"""The network: backbone, feedback, update, the loop, body, rotations, checkpoints."""
