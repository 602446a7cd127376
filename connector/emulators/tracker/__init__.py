"""The emulated tracker."""
