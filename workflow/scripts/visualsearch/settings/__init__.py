"""The configuration: what its keys are, and how a user's is checked."""
