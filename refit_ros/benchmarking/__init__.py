"""How fast, beside the published way of computing and beside the machine's own limit."""
