import pytest
import torch

from hierprune.examples.minilm.model import SentenceClassifier, renamed


@pytest.fixture(scope="module")
def model() -> SentenceClassifier:
    return SentenceClassifier().eval()


def test_parameters(model: SentenceClassifier):
    assert sum(p.numel() for p in model.parameters()) == 22_566_146


def test_padding_does_not_matter(model: SentenceClassifier):
    ids, mask = torch.randint(0, 30_522, (2, 6)), torch.ones(2, 6, dtype=torch.long)
    mask[:, 4:] = 0
    short = model(ids[:, :4], mask[:, :4])
    assert short.shape == (2, 2)
    torch.testing.assert_close(model(ids, mask), short, atol=1e-5, rtol=1e-5)


def test_names_of_the_published_model():
    published = {
        "embeddings.position_ids": 0,
        "embeddings.LayerNorm.bias": 1,
        "encoder.layer.3.attention.self.query.weight": 2,
        "encoder.layer.3.attention.output.dense.weight": 3,
        "encoder.layer.3.attention.output.LayerNorm.weight": 4,
        "encoder.layer.3.output.dense.bias": 5,
        "encoder.layer.3.output.LayerNorm.bias": 6,
        "pooler.dense.weight": 7,
    }
    assert renamed(published) == {
        "norm.bias": 1,
        "layers.3.attention.query.weight": 2,
        "layers.3.attention.output.weight": 3,
        "layers.3.norm1.weight": 4,
        "layers.3.down.bias": 5,
        "layers.3.norm2.bias": 6,
    }
