"""The gate from simulator to controller: the same episodes in the program and over real sockets."""
