"""TPSBT, the temporal pyramid and spatial bottleneck transformer (Sun et al., SVFAP, arXiv 2401.00416)."""
