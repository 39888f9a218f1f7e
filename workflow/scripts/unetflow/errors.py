"""What is wrong with an input, in one sentence."""


class InputError(ValueError):
    """Bad input: the message names the file, key or value, says what is wrong with it and what to do."""


def first_line(error):
    """What an exception says, without the advice that some libraries add to it."""
    return (str(error).splitlines() or [type(error).__name__])[0]
