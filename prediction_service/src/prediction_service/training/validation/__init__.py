"""How good a model is out of sample: measures, the grid, other models beside it, groups of the law."""
