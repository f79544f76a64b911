"""Every bound on what a feed may cost, in one place. Times are in seconds, sizes in bytes."""

MAX_BODY = 20 * 1024 * 1024  # after decompression
CONNECT_SECONDS = 5.0  # including the name look-up
READ_SECONDS = 10.0  # without receiving a single byte
FETCH_SECONDS = 20.0  # in all, including name look-up and redirects
MAX_REDIRECTS = 5
MAX_RETRY_AFTER = 3600  # the longest wait that a server may ask for
MULTIGET = 200  # CalDAV objects in one request
PUBLISH_SECONDS = 600.0  # of one publishing; the rest is left for the next
PUBLISH_PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # before a busy service is asked again
MAX_PAGES = 1000  # of one list of changes on a CalDAV server

REFRESH = 300.0  # between two requests
MAX_INTERVAL = 3600.0  # the longest interval that a feed may ask for
MIN_BACKOFF, MAX_BACKOFF = 5.0, 1800.0  # between two attempts after a failure
CLOCK_SKEW = 120.0  # between the clocks of hosts that share a cache folder
LOCK_SECONDS = 30.0  # to wait for another process that reads the same feed

EXPAND_SECONDS = 22.0
# For starting its process. With a fetch, all stays within Airflow's dag_file_processor_timeout of
# 50 s.
START_SECONDS = 6.0
EXPAND_MEMORY = 2 * 1024**3
# Events, free/busy and the like; those that are long over are not counted.
MAX_COMPONENTS = 150_000
MAX_BLOCKS = 300_000  # including alarms and other inner components
MAX_OCCURRENCES = 120_000
MAX_SERIES_OCCURRENCES = 10_000  # of one event: hourly for over a year
MAX_PROBLEMS = 1_000
MAX_TEXT = 500  # characters kept of a summary, location, category or UID
MAX_ATTENDEES = 1_000

# A feed that had this many events, not all of which are over, and now has none is not believed.
SUDDENLY_EMPTY = 10
KEPT_EXPANSIONS = 12  # per feed in the cache
