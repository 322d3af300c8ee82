"""Generated messages, one module for each API; import the one that is needed."""
