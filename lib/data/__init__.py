"""What is trained on and simulated: packed molecule sets, trajectories, loaders."""
