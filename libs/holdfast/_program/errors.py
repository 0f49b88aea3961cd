"""The one failure of the program itself."""


class CannotStart(Exception):
    """Something outside the program is in the way; the message says what to do and is shown without a traceback."""
