"""One image: pixels, grid, anatomy, quality, density."""
