"""Stage reduce: fits and applies PCA."""
