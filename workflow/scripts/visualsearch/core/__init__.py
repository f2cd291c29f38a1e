"""What every stage stands on: errors of one line, files written whole, jobs, progress."""
