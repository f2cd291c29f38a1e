"""Stage search: which persons are queries, and the nearest of each."""
