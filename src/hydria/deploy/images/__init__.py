"""Container images: stacks as data, printed as recipes, built, looked into and delivered."""
