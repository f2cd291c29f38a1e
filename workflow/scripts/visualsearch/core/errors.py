"""The one kind of failure a user is meant to read."""


class InputError(Exception):
    """Something outside the program is wrong and the user can mend it.

    The message is a single line that says what is wrong, where, and what to do.
    Scripts print it without a traceback; every other exception is a bug and keeps its own.
    """
