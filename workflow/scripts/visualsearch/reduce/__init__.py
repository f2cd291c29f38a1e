"""Stage reduce: fits and applies PCA, and projects all persons to two dimensions."""
