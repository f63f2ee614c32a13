import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("steady", deadline=None)  # other processes may slow a test down
settings.load_profile("steady")
