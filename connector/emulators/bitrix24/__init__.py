"""The emulated bitrix24."""
