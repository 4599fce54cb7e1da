"""Sessions: arrays in, arrays out, on some backend. Nothing here knows VapourSynth."""
