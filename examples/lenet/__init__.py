"""LeNet-5 on MNIST."""
