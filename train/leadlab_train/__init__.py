"""Cohorts, labels, ECGFounder, fine-tuning and evaluation."""
