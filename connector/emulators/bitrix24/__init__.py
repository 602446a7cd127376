"""An emulated Bitrix24: `state` is what it knows, `rest` answers, `webhooks` tells, `crm` is all of it on loopback."""
