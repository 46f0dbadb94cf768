"""How data/ is made, with molecular-dynamics and quantum-chemistry engines."""
