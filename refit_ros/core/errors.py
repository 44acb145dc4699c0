"""What a user's file or value gets that cannot be used: one sentence that says what and how to mend it."""


class InputError(ValueError):
    """A file, a folder or a value from the user cannot be used; the message is meant for them as it stands."""
