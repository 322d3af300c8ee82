"""Generated records, one module for each log or file that holds them."""
