"""How values are written as bytes, and models loaded from them."""
