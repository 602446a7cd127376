"""An emulated Youyi, which only takes new leads."""
