"""How the project's own data set is composed, painted and described; see ``datasets/scenes.py``."""
