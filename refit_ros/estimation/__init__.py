"""From synchronized images to people in the fixed frame."""
