"""What every room above may lean on, and knows nothing of patients: today whether Arrow data is sound (`soundness`)."""
