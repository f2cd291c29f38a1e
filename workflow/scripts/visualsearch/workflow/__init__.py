"""What the Snakefiles need beside the rules: digests of scripts, run lock, stopping, summary."""
