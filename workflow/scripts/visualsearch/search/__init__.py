"""Stage search: which persons are queries, and the nearest neighbours of each."""
