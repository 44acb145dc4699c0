"""A licence-free body, people that move, cameras that see them, and the truth about all of it."""
