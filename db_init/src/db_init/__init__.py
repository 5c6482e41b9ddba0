"""The owner of the feature database: migrations, feature sets, loading, publishing, sample data."""
