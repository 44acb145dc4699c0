"""How far estimated people lie from the true ones."""
