"""What a connection to BowNow asks for, and what holds where nothing is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from connector.adapter_kit.contract import RATE_SETTING, Setting

URL: Final = "https://api.bownow.jp/v1"
SID_KEYS: Final = ("sid", "sids", "lead_sid", "lead_sids")
TAGS: Final = ("リアクティブ=reactive",)
SETTINGS: Final[Mapping[str, Setting]] = {
    "tracking_id": Setting(
        description="Tracking ID of the tracking code (設定 > システムを設定する)", is_required=True, default=""
    ),
    "api_key": Setting(description="API key of the tracking code", is_secret=True, is_dictated=True, is_required=True),
    "webhook_token": Setting(
        description="What the webhook's address has as ?token=…; empty: its messages are refused", is_secret=True
    ),
    "url": Setting(description="Base address of the API", default=URL),
    "calls": Setting(description="Calls that differ, such as write=PUT /leads/{sid}", default=()),
    "keys": Setting(description="Keys of a lead that differ, such as status_id=lead_status_id", default=()),
    "sid_keys": Setting(description="Keys of a message that hold sids", default=SID_KEYS),
    "accounts": Setting(
        description="Account ids by e-mail, such as hana@example.com=12; empty: BowNow is asked", default=()
    ),
    "tags": Setting(description="Tags that count here, theirs (id or name)=ours", default=TAGS),
    "zone": Setting(description="Time zone of times that are written without one", default="Asia/Tokyo"),
    "lookback_minutes": Setting(description="How far back is read for a message without sids, in minutes", default=60),
    "order": Setting(description="What a search sorts by, newest first: created or updated", default="created"),
    "pages": Setting(description="Pages of 200 leads that a search for changes reads at most", default=25),
    "rate": RATE_SETTING,
}
