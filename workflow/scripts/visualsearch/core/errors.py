"""The only kind of error that users are meant to read."""


class InputError(Exception):
    """Something outside the program is wrong, and the user can fix it.

    The message is one line that says what is wrong, where, and what to do. Scripts print it without
    a traceback. Every other exception is a bug and is shown with its traceback.
    """
