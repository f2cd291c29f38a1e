"""Strategies of hypothesis for values that outside files may hold."""

from hypothesis import strategies as st

# Text as hostile files have it: control characters, lone surrogates, other scripts.
texts = st.text(max_size=12) | st.sampled_from(["", "\0", "\ud800", "a\nb", "../a", "~x", "null"])
# Text that UTF-8 can hold.
writable = st.text(st.characters(codec="utf-8"), max_size=20)
numbers = st.integers() | st.floats() | st.sampled_from([0, 1, -1, 2**31, 2**63, 10**400])
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(scalars, inner, max_size=4),
    max_leaves=8,
)
