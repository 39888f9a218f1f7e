"""Images of any number of channels as pictures for people."""

import numpy as np

SEEN = (0.5, 99.5)  # percentiles of grey values between which a picture goes from black to white
PAIR = np.array([[0, 1, 0], [1, 0, 1]])  # red, green, blue of two channels: green and magenta
THREE = np.eye(3, dtype=int)  # of three and more, of which the first three are shown


def coloured(image):
    """uint8[y, x, rgb] of an image [y, x] or [c, y, x]. Photographs (uint8, three channels) stay as they are; any other
    channel goes from black to full brightness between its `SEEN` percentiles."""
    channels = image.reshape(-1, *image.shape[-2:])
    if channels.dtype == np.uint8 and len(channels) == 3:
        return np.moveaxis(channels, 0, -1)
    bright = np.stack([stretched(channel) for channel in channels[:3]], axis=-1)
    paints = {1: np.ones((1, 3), int), 2: PAIR, 3: THREE}[bright.shape[-1]]
    return (255 * (bright @ paints)).astype(np.uint8)


def stretched(channel):
    """float64[y, x] in 0 to 1."""
    low, high = np.percentile(channel, SEEN)
    return np.clip((channel.astype(float) - low) / max(high - low, 1e-9), 0, 1)
