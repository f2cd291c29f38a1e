"""Stage reduce: PCA, fitted and applied; and a map of all persons in two dimensions."""
