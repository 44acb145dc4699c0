"""Models that others have trained: one table of them, getting them, and where they lie."""
