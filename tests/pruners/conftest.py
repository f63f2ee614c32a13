import pytest
import torch
from torch import nn


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)


class LeNet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        x = nn.functional.max_pool2d(self.conv1(x).relu(), 2)
        x = nn.functional.max_pool2d(self.conv2(x).relu(), 2).flatten(1)
        return self.fc3(self.fc2(self.fc1(x).relu()).relu())


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.bn = nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.conv1, self.bn1 = nn.Conv2d(8, 12, 3, padding=1), nn.BatchNorm2d(12)
        self.conv2, self.bn2 = nn.Conv2d(12, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = nn.functional.relu(self.bn(self.stem(x)), inplace=True)
        x = x + self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        return self.head(nn.functional.adaptive_avg_pool2d(x.relu(), 1).flatten(1))


class Separable(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 8, 3),
            nn.BatchNorm2d(8),
            nn.ReLU6(inplace=True),
            nn.Conv2d(8, 8, 3, groups=8),
            nn.Hardswish(inplace=True),
            nn.Conv2d(8, 12, 1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(12, 4),
        )


class Concat(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 6, 3, padding=1)
        self.c, self.norm = nn.Conv2d(14, 10, 3, padding=1), nn.LayerNorm(10)
        self.bn, self.head = nn.BatchNorm2d(24), nn.Linear(24 * 16, 3)

    def forward(self, x):
        a = self.a(x)
        b = self.b(a)
        c = self.c(torch.cat([a, b], 1))
        c = self.norm(c.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        y = self.bn(torch.cat([a, b, c], 1))
        return self.head(nn.functional.max_pool2d(y, 2).reshape(x.shape[0], -1))


CASES = {
    "lenet5": (LeNet5, (2, 1, 28, 28)),
    "residual": (Residual, (2, 3, 8, 8)),
    "separable": (Separable, (2, 3, 8, 8)),
    "concat": (Concat, (2, 3, 8, 8)),
}


@pytest.fixture(params=sorted(CASES))
def case(request):
    """A small network and its example inputs."""
    torch.manual_seed(0)
    build, shape = CASES[request.param]
    return request.param, build().eval(), torch.randn(shape)


@pytest.fixture
def lenet5():
    torch.manual_seed(0)
    return LeNet5().eval(), torch.randn(2, 1, 28, 28)


@pytest.fixture
def residual():
    torch.manual_seed(0)
    return Residual().eval(), torch.randn(2, 3, 8, 8)
