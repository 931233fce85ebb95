"""Fields that no camera should deliver, and what a cell bundle answers."""
