"""Whole files through the filters: source, script, encoder, segments, journal and the final mux."""
