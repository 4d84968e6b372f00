"""What a task is, and what tasks are made of; nothing here steps a simulation."""
