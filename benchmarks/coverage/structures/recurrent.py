"""Recurrent networks, as layers and as cells in a loop."""

import torch
from torch import nn

from .registry import image, sequence, structure


class Recurrent(nn.Module):
    """Some recurrent layer with a classifier on its last step."""

    def __init__(self, layer, width):
        super().__init__()
        self.embed, self.layer, self.head = nn.Linear(12, 20), layer, nn.Linear(width, 5)

    def forward(self, x):
        return self.head(self.layer(self.embed(x).relu())[0][:, -1])


@structure(sequence())
def lstm():
    return Recurrent(nn.LSTM(20, 24, batch_first=True), 24)


@structure(sequence())
def gru():
    return Recurrent(nn.GRU(20, 24, batch_first=True), 24)


@structure(sequence())
def elman_rnn():
    return Recurrent(nn.RNN(20, 24, nonlinearity="relu", batch_first=True), 24)


@structure(sequence())
def lstm_stacked_bidirectional():
    return Recurrent(nn.LSTM(20, 16, 2, bidirectional=True, batch_first=True), 32)


@structure(sequence())
def gru_stacked():
    return Recurrent(nn.GRU(20, 24, 3, batch_first=True, dropout=0.1), 24)


@structure(sequence())
def lstm_projected():
    return Recurrent(nn.LSTM(20, 24, proj_size=10, batch_first=True), 10)


@structure(sequence())
class gru_cell(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.hidden, self.cell, self.head = 24, nn.GRUCell(12, 24), nn.Linear(24, 5)

    def forward(self, x):
        h = x.new_zeros(len(x), self.hidden)
        for t in range(x.shape[1]):
            h = self.cell(x[:, t], h)
        return self.head(h)


@structure(sequence())
class lstm_cells(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.LSTMCell(12, 20), nn.LSTMCell(20, 16)
        self.head = nn.Linear(16, 5)

    def forward(self, x):
        a = b = None
        outputs = []
        for step in x.unbind(1):
            a = self.a(step, a)
            b = self.b(a[0], b)
            outputs.append(b[0])
        return self.head(torch.stack(outputs, 1))


@structure(sequence())
class hand_written_gru(nn.Module):  # noqa: N801
    def __init__(self):
        super().__init__()
        self.into, self.loop, self.head = nn.Linear(12, 60), nn.Linear(20, 60), nn.Linear(20, 5)

    def forward(self, x):
        h = torch.zeros(x.shape[0], self.head.in_features)
        h = h.to(x)
        for t in range(x.shape[1]):
            a, b = self.into(x[:, t]), self.loop(h)
            reset, update, new = (a + b).chunk(3, 1)
            del new
            n = torch.tanh(a.chunk(3, 1)[2] + torch.sigmoid(reset) * b.chunk(3, 1)[2])
            z = torch.sigmoid(update)
            h = (1 - z) * n + z * h
        return self.head(h)


@structure(image(1, 16))
class convolutional_recurrent(nn.Module):  # noqa: N801
    """CRNN: columns of a feature map read by a GRU."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d((4, 1)))
        self.rnn, self.head = nn.GRU(48, 20, batch_first=True), nn.Linear(20, 5)

    def forward(self, x):
        x = self.conv(x)
        x = x.permute(0, 3, 1, 2).flatten(2)
        return self.head(self.rnn(x)[0])
