"""The L2LTR network, its configuration, and the encoder that turns images into unit descriptors."""
