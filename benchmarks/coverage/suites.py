"""Models of other libraries: transformers families at random, small sizes; torchvision; timm."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import nn

from hierprune.task import Inputs

Build = Callable[[], tuple[nn.Module, Inputs]]

TORCHVISION = [
    "alexnet",
    "vgg11",
    "vgg11_bn",
    "resnet18",
    "resnet50",
    "resnext50_32x4d",
    "wide_resnet50_2",
    "densenet121",
    "squeezenet1_0",
    "squeezenet1_1",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "mobilenet_v3_large",
    "shufflenet_v2_x0_5",
    "shufflenet_v2_x1_0",
    "mnasnet0_5",
    "mnasnet1_0",
    "efficientnet_b0",
    "efficientnet_v2_s",
    "regnet_y_400mf",
    "regnet_x_400mf",
    "googlenet",
    "inception_v3",
    "convnext_tiny",
    "vit_b_16",
    "swin_t",
    "swin_v2_t",
    "maxvit_t",
    "fcn_resnet50",
    "deeplabv3_resnet50",
    "deeplabv3_mobilenet_v3_large",
    "lraspp_mobilenet_v3_large",
]
BACKBONES = [
    "resnet50_fpn",
    "mobilenet_v3_large_fpn",
    "ssdlite320_mobilenet_v3_large",
    "ssd300_vgg16",
]
"""Of detectors, whose own outputs depend on what is in the image."""

TIMM = [
    "beit_base_patch16_224",
    "botnet26t_256",
    "mobileone_s0",
    "cait_xxs24_224",
    "coat_lite_tiny",
    "convit_tiny",
    "convmixer_768_32",
    "convnextv2_atto",
    "crossvit_tiny_240",
    "cs3darknet_s",
    "cspresnet50",
    "davit_tiny",
    "deit_tiny_patch16_224",
    "densenet121",
    "dla46_c",
    "dpn68",
    "edgenext_xx_small",
    "efficientformer_l1",
    "efficientformerv2_s0",
    "efficientnet_b0",
    "mixnet_s",
    "efficientvit_b0",
    "efficientvit_m0",
    "eva02_tiny_patch14_224",
    "fasternet_t0",
    "fastvit_t8",
    "focalnet_tiny_srf",
    "gcvit_xxtiny",
    "ghostnet_100",
    "hardcorenas_a",
    "hgnetv2_b0",
    "hiera_tiny_224",
    "hrnet_w18_small",
    "inception_next_atto",
    "inception_resnet_v2",
    "inception_v4",
    "levit_128s",
    "lcnet_050",
    "mambaout_femto",
    "coatnet_nano_rw_224",
    "maxvit_pico_rw_256",
    "caformer_s18",
    "poolformer_s12",
    "poolformerv2_s12",
    "gmlp_s16_224",
    "mixer_s32_224",
    "resmlp_12_224",
    "mobilenetv3_small_100",
    "mobilenetv4_conv_small",
    "mobilevit_xxs",
    "mobilevitv2_050",
    "mvitv2_tiny",
    "nest_tiny",
    "nextvit_small",
    "nf_regnet_b0",
    "nf_resnet50",
    "nfnet_l0",
    "pit_ti_224",
    "pvt_v2_b0",
    "rdnet_tiny",
    "regnetx_002",
    "regnety_002",
    "repghostnet_050",
    "repvit_m1",
    "res2net50_14w_8s",
    "resnest14d",
    "resnet18",
    "resnetv2_50",
    "rexnet_100",
    "selecsls42b",
    "legacy_seresnet18",
    "sequencer2d_s",
    "shvit_s1",
    "skresnet18",
    "starnet_s1",
    "swiftformer_xs",
    "swin_tiny_patch4_window7_224",
    "swinv2_cr_tiny_ns_224",
    "tiny_vit_5m_224",
    "tnt_s_patch16_224",
    "tresnet_m",
    "twins_svt_small",
    "vgg11",
    "visformer_tiny",
    "vit_tiny_patch16_224",
    "vit_small_r26_s32_224",
    "vit_relpos_small_patch16_224",
    "volo_d1_224",
    "ese_vovnet19b_dw",
    "legacy_xception",
    "xception41",
    "xcit_nano_12_p16_224",
    "repvgg_a0",
    "gernet_s",
    "coat_tiny",
    "halonet26t",
    "convnext_atto",
]


def torchvision_models() -> Mapping[str, Build]:
    """Constructors of torchvision, one or two of each family."""
    return {name: lambda name=name: torchvision_model(name) for name in TORCHVISION} | {
        f"{name}_backbone": lambda name=name: detection_backbone(name) for name in BACKBONES
    }


def detection_backbone(name: str) -> tuple[nn.Module, Inputs]:
    from torchvision.models import detection
    from torchvision.models.detection import backbone_utils

    if name == "resnet50_fpn":
        model = backbone_utils.resnet_fpn_backbone(backbone_name="resnet50", weights=None)
    elif name == "mobilenet_v3_large_fpn":
        model = backbone_utils.mobilenet_backbone(
            backbone_name="mobilenet_v3_large", weights=None, fpn=True
        )
    else:
        model = getattr(detection, name)(weights=None, weights_backbone=None).backbone
    size = 300 if name.startswith("ssd") else 128
    return model, torch.randn(1, 3, size, size)


def torchvision_model(name: str) -> tuple[nn.Module, Inputs]:
    from torchvision import models

    inception = name in ("googlenet", "inception_v3")
    size = {"inception_v3": 96, "vit_b_16": 224, "maxvit_t": 224}.get(name, 64)
    options = {"init_weights": False} if inception else {}
    if name in ("fcn_resnet50", "deeplabv3_resnet50", "deeplabv3_mobilenet_v3_large"):
        options = {"weights_backbone": None, "aux_loss": True}
    elif name.startswith("lraspp"):
        options = {"weights_backbone": None}
    model = models.get_model(name, weights=None, **options)
    return model, torch.randn(2 if inception else 1, 3, size, size)


def timm_models() -> Mapping[str, Build]:
    """One model of nearly every module of timm."""
    return {name: lambda name=name: timm_model(name) for name in TIMM}


def timm_model(name: str) -> tuple[nn.Module, Inputs]:
    import timm

    model = timm.create_model(name, pretrained=False, num_classes=10)
    size = model.default_cfg["input_size"][-1]
    plain = any(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    if plain and not any(
        k in name for k in ("vit", "former", "halo", "nest", "bot", "coat", "pit")
    ):
        size = 96 if not model.default_cfg.get("fixed_input_size") else size
    return model, torch.randn(1, 3, size, size)


def ids(length: int = 8, low: int = 0) -> torch.Tensor:
    return torch.arange(2 * length).reshape(2, length) * 7 % 47 + low


def images(size: int = 32) -> torch.Tensor:
    return torch.randn(2, 3, size, size)


SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "vocab_size": 50,
    "max_position_embeddings": 32,
}
WIDE = SMALL | {"hidden_size": 64, "num_attention_heads": 8}
VISION = {k: v for k, v in SMALL.items() if "vocab" not in k and "position" not in k}
PAIR = {
    "vocab_size": 50,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "max_position_embeddings": 32,
    "use_cache": False,
}
T5 = {"vocab_size": 50, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4}
TEXT = {"input_ids": ids(low=2)}
BOTH = TEXT | {"decoder_input_ids": ids(6, 2)}
FAMILIES = {
    "bert": ("Bert", "ForSequenceClassification", SMALL, TEXT),
    "roberta": ("Roberta", "ForMaskedLM", SMALL, TEXT),
    "distilbert": (
        "DistilBert",
        "ForSequenceClassification",
        {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48, "vocab_size": 50}
        | {"max_position_embeddings": 32},
        TEXT,
    ),
    "electra": ("Electra", "ForSequenceClassification", SMALL | {"embedding_size": 16}, TEXT),
    "albert": ("Albert", "ForSequenceClassification", SMALL | {"embedding_size": 16}, TEXT),
    "gpt2": (
        "GPT2",
        "LMHeadModel",
        {"vocab_size": 50, "n_positions": 32, "n_embd": 32, "n_layer": 2, "n_head": 4},
        TEXT,
    ),
    "llama": ("Llama", "ForCausalLM", SMALL | {"use_cache": False}, TEXT),
    "llama_gqa": ("Llama", "ForCausalLM", WIDE | {"num_key_value_heads": 2}, TEXT),
    "qwen2": ("Qwen2", "ForCausalLM", WIDE | {"num_key_value_heads": 4}, TEXT),
    "mistral": ("Mistral", "ForCausalLM", WIDE | {"num_key_value_heads": 2}, TEXT),
    "opt": (
        "OPT",
        "ForCausalLM",
        {"vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
        | {"ffn_dim": 48, "max_position_embeddings": 32, "word_embed_proj_dim": 32},
        TEXT,
    ),
    "t5": ("T5", "ForConditionalGeneration", T5 | {"decoder_start_token_id": 0}, BOTH),
    "bart": ("Bart", "ForConditionalGeneration", PAIR, BOTH),
    "vit": (
        "ViT",
        "ForImageClassification",
        VISION | {"image_size": 32, "patch_size": 8},
        {"pixel_values": images()},
    ),
    "clip": (
        "CLIPVision",
        "ModelWithProjection",
        VISION | {"image_size": 32, "patch_size": 8, "projection_dim": 24},
        {"pixel_values": images()},
    ),
    "whisper": (
        "Whisper",
        "ForConditionalGeneration",
        {k: v for k, v in PAIR.items() if k != "max_position_embeddings"}
        | {"num_mel_bins": 20, "max_source_positions": 20, "max_target_positions": 32}
        | {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1},
        {"input_features": torch.randn(2, 20, 40), "decoder_input_ids": ids(6, 2)},
    ),
    "wav2vec2": (
        "Wav2Vec2",
        "ForCTC",
        SMALL
        | {"conv_dim": (16, 16, 16), "conv_stride": (5, 2, 2), "conv_kernel": (10, 3, 3)}
        | {"num_feat_extract_layers": 3, "num_conv_pos_embeddings": 16}
        | {"num_conv_pos_embedding_groups": 4, "mask_time_prob": 0.0},
        {"input_values": torch.randn(2, 800)},
    ),
    "swin": (
        "Swin",
        "ForImageClassification",
        {"image_size": 32, "patch_size": 2, "embed_dim": 16, "depths": [2, 2]}
        | {"num_heads": [2, 4], "window_size": 4},
        {"pixel_values": images()},
    ),
    "convnextv2": (
        "ConvNextV2",
        "ForImageClassification",
        {"hidden_sizes": [16, 24, 32, 40], "depths": [1, 1, 2, 1]},
        {"pixel_values": images(64)},
    ),
    "mamba": ("Mamba", "ForCausalLM", {"vocab_size": 50, "hidden_size": 32, "state_size": 4}, TEXT),
}


def transformers_models() -> Mapping[str, Build]:
    """Families of transformers with a small random configuration each."""
    return {name: lambda name=name: transformers_model(*FAMILIES[name]) for name in FAMILIES}


def transformers_model(
    family: str, head: str, options: Mapping[str, object], inputs: Inputs
) -> tuple[nn.Module, Inputs]:
    import transformers

    config = getattr(transformers, f"{family}Config")(**options)
    config.use_cache = False
    return getattr(transformers, f"{family}{head}")(config), inputs
