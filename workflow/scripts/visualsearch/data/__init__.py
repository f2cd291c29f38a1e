"""The tables and pictures that stages hand on."""
