"""The run's networks for the explorer's page, which searches for its reader's own pictures."""
