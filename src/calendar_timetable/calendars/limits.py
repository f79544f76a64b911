"""Every bound on what a feed may cost, in one place. Times in seconds, sizes in bytes."""

MAX_BODY = 20 * 1024 * 1024  # after decompression
CONNECT_SECONDS = 5.0  # name look-up included
READ_SECONDS = 10.0  # without a single byte
FETCH_SECONDS = 20.0  # in all, name look-up and redirects included
MAX_REDIRECTS = 5
MAX_RETRY_AFTER = 3600  # longest wait a server may ask for
MULTIGET = 200  # CalDAV objects asked for at once
PUBLISH_SECONDS = 600.0  # of one publishing, after which the rest is left for the next
PUBLISH_PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)  # before a busy service is asked again
MAX_PAGES = 1000  # of one list of what changed on a CalDAV server

REFRESH = 300.0  # between two questions
MAX_INTERVAL = 3600.0  # longest one that a feed may ask for
MIN_BACKOFF, MAX_BACKOFF = 5.0, 1800.0  # between two attempts on what fails
CLOCK_SKEW = 120.0  # between hosts that share a cache folder
LOCK_SECONDS = 30.0  # to wait for another process that reads the same feed

EXPAND_SECONDS = 22.0
START_SECONDS = 6.0  # for its process; with a fetch all stays within Airflow's dag_file_processor_timeout of 50 s
EXPAND_MEMORY = 2 * 1024**3
MAX_COMPONENTS = 150_000  # events, free/busy and the like, those that are long over not counted
MAX_BLOCKS = 300_000  # with alarms and other inner components
MAX_OCCURRENCES = 120_000
MAX_SERIES_OCCURRENCES = 10_000  # of one event: one each hour for over a year
MAX_PROBLEMS = 1_000
MAX_TEXT = 500  # characters kept of a summary, location, category or UID
MAX_ATTENDEES = 1_000

SUDDENLY_EMPTY = 10  # a feed that had so many events and now has none is not believed
KEPT_EXPANSIONS = 12  # per feed in the cache
