"""The VapourSynth side: clips, planes, colour, scenes and chunks. Nothing here knows a network."""
