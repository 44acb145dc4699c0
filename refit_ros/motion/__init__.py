"""People's motion over time, out of bags and of what `fit` wrote, into the files that other programs open."""
