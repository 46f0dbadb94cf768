"""Networks that classify whole proteins from residues, and the slot through which residue tokens enter them."""
