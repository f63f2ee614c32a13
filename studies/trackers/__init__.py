"""Trials told to TensorBoard, MLflow or Weights & Biases, beside the record of the study."""
