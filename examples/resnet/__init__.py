"""ResNet-20 on Fashion-MNIST."""
