"""The network as ONNX graphs with 8-bit weights."""
