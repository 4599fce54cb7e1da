"""Network architectures in PyTorch: for training, and for the torch backend."""
