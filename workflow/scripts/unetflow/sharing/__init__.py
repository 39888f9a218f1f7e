"""Models as files, and as packages for other programs and people."""
