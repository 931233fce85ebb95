"""The light room: what runs beside the microscope; numpy, Pillow and click only."""
