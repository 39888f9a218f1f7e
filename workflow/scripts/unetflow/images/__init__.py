"""Image files of all kinds: opened without being read, read in parts, written as OME-Zarr and TIFF."""
