"""Tokens for the residues of protein domains: windows through a frozen encoder, and the controls of them."""
