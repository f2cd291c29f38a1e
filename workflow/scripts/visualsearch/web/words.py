"""What both pages say of a run, in the same words."""

# By source: what must be known about the people shown.
PEOPLE_NOTES = {
    "openpeople": (
        "The people in these pictures are computer-generated: they look like photographs, and "
        "nobody in them exists."
    )
}


def things(category: str) -> tuple[str, str]:
    """What is searched for: its singular and plural."""
    if category == "person":
        return "person", "persons"
    return f"“{category}”", f"objects of the category “{category}”"
