"""The colours of figures and report."""

# The report puts the reader's own colours in the place of these two (light or dark).
INK = "#1f2430"
PAPER = "#ffffff"
# Okabe and Ito's, told apart by colour-blind readers.
BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"
