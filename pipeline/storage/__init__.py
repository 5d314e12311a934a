"""Bytes on disk and over the wire: whole files, checked HDF5, downloads, exports."""
