"""Names of the columns that the loader adds. No feature has such a name, and no column of a file should."""

LINE = "__line"
CLIENT = "__client_id"
EVENT = "__event_id"
TIME = "__time"
OUTCOME = "__outcome"
GROUP = "__group"
REASON = "__reason"
