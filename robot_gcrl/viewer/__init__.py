"""What a person looks at: pictures and films of tasks and runs."""
