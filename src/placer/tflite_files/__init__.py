"""Reading TensorFlow Lite files (LiteRT's format): tensors, parameters, work."""
