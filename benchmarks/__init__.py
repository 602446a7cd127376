"""How fast the connector is, each figure beside a reference that was taken in the same run."""
