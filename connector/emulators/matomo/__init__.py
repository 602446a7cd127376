"""An emulated site that Matomo watches: visits for the reporting interface, which sends nothing by itself."""
