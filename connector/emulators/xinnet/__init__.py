"""An emulated Xinnet: leads that its people make and change."""
