"""Every way in makes drafts and submits them: HTTP, batches, and whatever comes beside them."""
