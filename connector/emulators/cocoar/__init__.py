"""An emulated COCOAR page, which only tells."""
