"""Stage embed: each detected box as a vector of the detector's own backbone."""
