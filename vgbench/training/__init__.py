"""Training: stages, batches, the trainer, and stages that runs share."""
