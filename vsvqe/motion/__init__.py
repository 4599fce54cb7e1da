"""Motion between frames: array code that needs no clip."""
