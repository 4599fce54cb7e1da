"""Camera motion and its smoothing, on plain arrays: from two pictures, over a window, to a path."""
