"""alledge trains, exports and runs classifiers of leukaemia in images of blood smears."""

__version__ = "0.1.0"
