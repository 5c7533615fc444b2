"""Ridge regressions from items to items in closed form, on catalogs of any size."""
