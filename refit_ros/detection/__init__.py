"""Finding boxes of people in images."""
