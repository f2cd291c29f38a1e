"""What the Snakefiles need beside the rules: digests of scripts, the lock, stopping, the summary."""
