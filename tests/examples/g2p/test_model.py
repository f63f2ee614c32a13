import torch

from hierprune.examples.g2p.model import KEYS, LettersToPhonemes


def test_parameters_and_shapes():
    model = LettersToPhonemes()
    assert sum(p.numel() for p in model.parameters()) == 834_890
    words = torch.randint(0, 29, (3, 15)), torch.tensor([4, 1, 15]), torch.randint(0, 74, (3, 17))
    assert model(*words).shape == (3, 17, 74)
    assert set(KEYS.values()) == {name for name, _ in model.named_parameters()}


def test_padding_does_not_matter():
    model = LettersToPhonemes().eval()
    letters, previous = torch.randint(1, 29, (2, 6)), torch.randint(1, 74, (2, 4))
    lengths = torch.tensor([3, 5])
    padded = letters.masked_fill(torch.arange(6) >= lengths[:, None], 0)
    assert model(letters, lengths, previous).equal(model(padded, lengths, previous))
    assert not model(letters, lengths - 1, previous).equal(model(letters, lengths, previous))
