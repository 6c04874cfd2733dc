"""What computes the network: PyTorch on a GPU, ONNX Runtime on a CPU."""
