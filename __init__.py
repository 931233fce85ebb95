"""alledge: from a fine-tuned network to the microscope, proven the same model all the way."""

__version__ = "0.1.0"
