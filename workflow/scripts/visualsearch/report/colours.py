"""Colours of figures and galleries. Without matplotlib, which takes a while to import."""

# The report replaces these two by the reader's own colours, light or dark.
INK = "#1f2430"
PAPER = "#ffffff"
# By Okabe and Ito: colour-blind readers can tell them apart.
BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"
