"""What reports about sent mail say: delivery reports, complaints, and the texts of old servers."""
