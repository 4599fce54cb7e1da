"""Compiled code: what NumPy and OpenCV would take several passes, or several times as long, for."""
