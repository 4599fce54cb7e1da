"""Everything needed to reproduce the shipped models: data, losses, trainer, export."""
