"""What is wrong with an input, in one sentence."""


class InputError(ValueError):
    """Bad input: the message names the file, key or value, says what is wrong with it and what to do."""
