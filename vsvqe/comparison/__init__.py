"""Clips beside each other: measured frame by frame, as a page, as a video."""
