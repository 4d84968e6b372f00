"""The .policy file: all that a robot needs to run a trained policy; how it is made and checked."""
