"""What is to be run: the configuration, its recipes and their names, and the code they rest on; without PyTorch."""
