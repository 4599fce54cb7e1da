"""Motion, on plain arrays: flow and alignment of neighbours; the camera's motion and its path."""
