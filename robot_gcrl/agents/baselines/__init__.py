"""Other algorithms beside the contrastive one, with the same actor, worlds and evaluation."""
