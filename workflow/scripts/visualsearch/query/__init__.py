"""The command `visualsearch query`: a picture of one's own, searched for in a finished run."""
