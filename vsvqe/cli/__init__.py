"""The command ``vsvqe``: one module for every sub-command."""
