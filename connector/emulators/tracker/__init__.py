"""An emulated site with the connector's own tracker."""
