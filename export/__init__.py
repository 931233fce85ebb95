"""Export of trained models: conversion, calibration, accuracy gate and bundles."""
