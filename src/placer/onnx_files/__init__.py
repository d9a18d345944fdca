"""ONNX files: what a model needs and the work that it does, without running it."""
