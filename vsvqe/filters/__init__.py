"""What the user calls: each public filter checks its arguments and builds its graph."""
