"""The replay ring on the device and the goals drawn from it in hindsight."""
