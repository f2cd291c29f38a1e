"""The tables and pictures that one stage hands on to the next."""
