"""`leadlab check`: whether a pack keeps the judgement of its full model, and at what cost."""
